"""`reciperec train --resume`: from the checkpoint of an interrupted run to the model of one that was not."""

from __future__ import annotations

import zipfile

import keras
import numpy as np
import pytest

from reciperec_layers.cli.progress import TrainingProgress
from tests.cli.conftest import reciperec

OPTIONS = ("--batch-size", 64, "--embedding-dim", 8, "--id-dropout", 0.2)


@pytest.fixture
def interrupt_at(monkeypatch):
    """Interrupts training, as Ctrl-C does, when an epoch begins; `None` lets it run."""
    original = TrainingProgress.on_epoch_begin

    def at(number):
        def interrupt(self, epoch, logs=None):
            if epoch == number:
                raise KeyboardInterrupt
            original(self, epoch, logs)

        monkeypatch.setattr(TrainingProgress, "on_epoch_begin", interrupt)

    return at


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run of four epochs without a break: its weights, and what it says."""
    out = tmp_path_factory.mktemp("whole") / "model.keras"
    report = reciperec("train", *data, "--out", out, *OPTIONS, "--epochs", 4, "--json").document()
    return keras.models.load_model(out), report


@pytest.mark.saving
def test_a_resumed_run_equals_one_without_a_break(data, tmp_path, run, interrupt_at, whole):
    out = tmp_path / "model.keras"
    checkpoint = tmp_path / "model.checkpoint.keras"
    words = ("train", *data, "--out", out, *OPTIONS, "--epochs", 4)
    for epoch, more in ((1, ()), (3, ("--resume",))):
        interrupt_at(epoch)
        stopped = run(*words, *more)
        assert stopped.code == 130
        assert f"kept in {checkpoint}. Go on with --resume." in stopped.only_error()
    interrupt_at(None)

    finished = run(*words, "--resume", "--json")
    report = finished.document()
    assert "epoch 4/4" in finished.err
    assert "epoch 3/4" not in finished.err
    model, expected = keras.models.load_model(out), whole[0]
    for one, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(model.optimizer.variables, expected.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert report["metrics"] == whole[1]["metrics"]
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.fixture
def stopped(data, tmp_path, run, interrupt_at):
    """The words of a run that was interrupted in its second epoch."""
    words = ("train", *data, "--out", tmp_path / "model.keras", *OPTIONS)
    interrupt_at(1)
    assert run(*words, "--epochs", 3).code == 130
    interrupt_at(None)
    return words


def test_an_interrupted_run_begins_neither_again_nor_with_anything_else(stopped, tables, tmp_path, run):
    checkpoint = tmp_path / "model.checkpoint.keras"
    before = checkpoint.read_bytes()
    again = run(*stopped)
    assert again.code == 2
    assert "go on from it with --resume, or begin again with --overwrite" in again.only_error()
    of_run = ("--epochs", 3)
    for more, expected in (
        (("--learning-rate", 0.2), "trained without --learning-rate, not with --learning-rate 0.2"),
        (("--seed", 7), "trained with --seed 42, not with --seed 7"),
        (("--query-tower", "id"), "with --query-tower feature, not with --query-tower id"),
        (("--loss", "in_batch_softmax"), "without --loss, not with --loss in_batch_softmax"),
        (("--test-fraction", 0.3), "trained with other training rows"),
    ):
        other = run(*stopped, *of_run, "--resume", *more)
        assert other.code == 2
        assert expected in other.only_error()
    recipes = stopped[2].read_text(encoding="utf-8").replace("Dish 5", "Dish V")
    (tmp_path / "other.csv").write_text(recipes, encoding="utf-8")
    other = run("train", stopped[1], tmp_path / "other.csv", *stopped[3:], *of_run, "--resume")
    assert (other.code, "trained with other candidates" in other.only_error()) == (2, True)
    assert checkpoint.read_bytes() == before
    assert not (tmp_path / "model.keras").exists()

    finished = run(*stopped, *of_run, "--resume", "--json")
    assert finished.code == 0, finished.err
    assert not checkpoint.exists()


def test_a_run_goes_on_with_what_is_known_of_queries(data, tmp_path, run, interrupt_at):
    users = tmp_path / "users.csv"
    lines = [f"{7000 + user},{user % 3}" for user in range(30)]
    users.write_text("\n".join(["user_id,diet", *lines]) + "\n")
    words = ("train", *data, *OPTIONS, "--query-tower", "cross", "--queries", users, "--epochs", 2, "--out")
    whole = run(*words, tmp_path / "whole.keras", "--json").document()
    assert "diet" in whole["reads"]["queries"]
    interrupt_at(1)
    assert run(*words, tmp_path / "model.keras").code == 130
    interrupt_at(None)
    users.write_text("\n".join(["user_id,diet", *lines[::-1]]) + "\n")
    other = run(*words, tmp_path / "model.keras", "--resume")
    assert (other.code, "trained with other queries" in other.only_error()) == (2, True)
    users.write_text("\n".join(["user_id,diet", *lines]) + "\n")
    assert run(*words, tmp_path / "model.keras", "--resume", "--json").document()["metrics"] == whole["metrics"]
    loaded = [keras.models.load_model(tmp_path / f"{name}.keras") for name in ("whole", "model")]
    for one, other in zip(*(model.get_weights() for model in loaded), strict=True):
        # Once in many runs the products of this tower round a few weights otherwise in their last bit.
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)


def test_without_a_checkpoint_there_is_nothing_to_resume(data, tmp_path, run):
    out = tmp_path / "model.keras"
    finished = run("train", *data, "--out", out, "--resume")
    assert finished.code == 2
    assert "no checkpoint to go on from" in finished.only_error()
    checkpoint = tmp_path / "model.checkpoint.keras"
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr("other.json", "{}")
    for content in (checkpoint.read_bytes(), b"precious"):
        checkpoint.write_bytes(content)
        finished = run("train", *data, "--out", out, "--resume")
        assert finished.code == 1
        assert "not a checkpoint of `reciperec train`" in finished.only_error()
        assert checkpoint.read_bytes() == content
    out.write_text("precious")
    finished = run("train", *data, "--out", out, "--resume")
    assert finished.code == 2
    assert "Replace it with --overwrite" in finished.only_error()


def test_of_two_runs_to_one_output_each_finds_its_own(data, tmp_path, run, interrupt_at):
    out = tmp_path / "model.keras"
    words = ("train", *data, "--out", out, *OPTIONS, "--epochs", 2)
    interrupt_at(1)
    assert run(*words, "--seed", 3).code == 130
    (tmp_path / "model.checkpoint.keras").rename(tmp_path / "model.checkpoint-2.keras")
    assert run(*words, "--seed", 4).code == 130
    interrupt_at(None)
    other = run(*words, "--seed", 5, "--resume")
    assert other.code == 2
    for expected in (
        "model.checkpoint.keras: the checkpoint was trained with --seed 4, not with --seed 5",
        "-2.keras: the checkpoint was",
    ):
        assert expected in other.only_error()

    assert run(*words, "--seed", 3, "--resume", "--json").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.checkpoint.keras", "model.keras"]
    out.unlink()
    assert run(*words, "--seed", 4, "--resume", "--json").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
