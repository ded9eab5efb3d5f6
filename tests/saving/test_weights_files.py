"""Weights of another vocabulary are refused, whatever its size, and change nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import ModelFileError, VocabularyMismatchError
from reciperec_layers.saving.own_state import OwnState
from tests.models.conftest import RECIPES, USERS

pytestmark = pytest.mark.saving


def make(users, seed):
    model = rl.RetrievalModel(
        rl.IdTower(users, 2, feature="user_id", seed=seed),
        rl.IdTower(RECIPES, 2, feature="recipe_id", seed=seed),
        {"recipe_id": RECIPES},
    )
    model.compile(rl.optimizers.Adagrad(0.1))
    return model


@pytest.mark.parametrize("others", [USERS[::-1], USERS[:2], [*USERS, 99]], ids=["order", "fewer", "more"])
def test_weights_of_another_vocabulary_change_nothing(others, tmp_path):
    make(others, seed=1).save_weights(tmp_path / "others.weights.h5")
    model = make(USERS, seed=2)
    before, recommended = model.get_weights(), model.recommend({"user_id": USERS}, 3)
    with pytest.raises(VocabularyMismatchError, match="weights belong to another vocabulary than the model's"):
        model.load_weights(tmp_path / "others.weights.h5")
    for after, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(after, expected)
    np.testing.assert_array_equal(model.recommend({"user_id": USERS}, 3)[1], recommended[1])

    make(USERS, seed=3).save_weights(tmp_path / "own.weights.h5")
    model.load_weights(tmp_path / "own.weights.h5")  # a refusal leaves nothing behind
    np.testing.assert_array_equal(model.get_weights()[0], make(USERS, seed=3).get_weights()[0])


def test_an_architecture_of_another_kind_is_no_other_vocabulary(tmp_path):
    make(USERS, seed=1).save_weights(tmp_path / "model.weights.h5")
    wider = rl.RetrievalModel(rl.IdTower(USERS, 3, feature="user_id"), rl.IdTower(RECIPES, 3, feature="recipe_id"))
    before = wider.get_weights()
    with pytest.raises(
        ModelFileError, match=r"RetrievalModel\.load_weights: the weights are of another model: "
    ) as error:
        wider.load_weights(tmp_path / "model.weights.h5")
    shapes = f"has shape ({len(USERS) + 1}, 3) in the model and ({len(USERS) + 1}, 2) in the file"
    assert f"encoder_of_queries/embedding_table/0 {shapes}" in str(error.value)
    assert "intact" not in str(error.value)
    np.testing.assert_array_equal(wider.get_weights()[0], before[0])


def test_layers_that_the_file_lacks_are_named(tmp_path):
    model = make(USERS, seed=1)
    model.compile()
    model.save(tmp_path / "model.keras")
    query = rl.MLPTower(USERS, 2, feature="user_id", hidden_units=[4])
    deeper = rl.RetrievalModel(query, rl.IdTower(RECIPES, 2, feature="recipe_id"))
    named = r"the weights are of another model: the file has no encoder_of_queries/.*dense"
    with pytest.raises(ModelFileError, match=named) as error:
        deeper.load_weights(tmp_path / "model.keras")
    assert str(error.value).endswith("Use the file of a model that was built in the same way.")


class StrangeError(Exception):
    """Any error of a library below Keras."""


def test_whatever_fails_changes_nothing(tmp_path, monkeypatch):
    model, rows = make(USERS, seed=2), {"user_id": USERS, "recipe_id": [RECIPES[0]] * len(USERS)}
    counted = rl.losses.InBatchSoftmax(sampling_correction="counts")  # has counts that are not weights
    model.compile(rl.optimizers.Adagrad(0.1, gradient_accumulation_steps=2), counted)  # has pending gradients
    model.fit(rows, verbose=0)
    model.save_weights(tmp_path / "before.weights.h5")
    recommended = model.recommend({"user_id": USERS}, 3)
    model.fit(rows, epochs=2, verbose=0)
    model.save_weights(tmp_path / "latest.weights.h5")
    latest = model.recommend({"user_id": USERS}, 3)
    original, failing = rl.optimizers.Adagrad.load_own_variables, []

    def load_own_variables(self, store):
        original(self, store)
        if failing:
            raise failing[0]("half way")

    for error in (KeyError, OSError, RuntimeError, MemoryError, StrangeError, KeyboardInterrupt):
        failing.append(error)
        expected_error = KeyboardInterrupt if error is KeyboardInterrupt else ModelFileError
        with monkeypatch.context() as patched:
            patched.setattr(rl.optimizers.Adagrad, "load_own_variables", load_own_variables)
            patched.setattr(OwnState, "restore", lambda self: failing.clear() or restore(self))
            with pytest.raises(expected_error, match="half way"):
                model.load_weights(tmp_path / "before.weights.h5")
        model.save_weights(tmp_path / "now.weights.h5")
        expected = stored(tmp_path / "latest.weights.h5")
        for name, values in stored(tmp_path / "now.weights.h5").items():
            np.testing.assert_array_equal(values, expected[name], err_msg=name)
        np.testing.assert_array_equal(model.recommend({"user_id": USERS}, 3)[0], latest[0])
    model.load_weights(tmp_path / "before.weights.h5")
    np.testing.assert_array_equal(model.recommend({"user_id": USERS}, 3)[0], recommended[0])


restore = OwnState.restore


def stored(path: Path) -> dict[str, np.ndarray]:
    """Returns all arrays of a file of weights by name."""
    arrays: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return arrays


def test_a_file_that_changed_since_it_was_written_is_refused(tmp_path):
    path, model = tmp_path / "model.weights.h5", make(USERS, seed=2)
    model.save_weights(path)
    content, table = path.read_bytes(), model.get_weights()[0].tobytes()
    place = content.index(table)
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(ModelFileError, match=r"load_weights: the file is damaged \(its content is not the one that"):
        model.load_weights(path)
    path.write_bytes(content[:-10])
    with pytest.raises(ModelFileError, match=r"the file is damaged \(its content is not the one that"):
        model.load_weights(path)


def test_files_without_a_hash_are_loaded(tmp_path):
    path, model = tmp_path / "model.weights.h5", make(USERS, seed=2)
    keras.Model.save_weights(make(USERS, seed=3), path)  # as older versions wrote them
    model.load_weights(path)
    np.testing.assert_array_equal(model.get_weights()[0], make(USERS, seed=3).get_weights()[0])


def test_plain_keras_reads_a_file_with_a_hash(tmp_path):
    model, other = make(USERS, seed=2), make(USERS, seed=3)
    model.save_weights(tmp_path / "model.weights.h5")
    keras.Model.load_weights(other, tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_shards_are_checked(tmp_path):
    model = make(USERS, seed=2)
    keras.Model.save_weights(model, tmp_path / "model.weights.json", max_shard_size=1)
    other = make(USERS, seed=3)
    other.load_weights(tmp_path / "model.weights.json")
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
    for name in ("/etc/hosts", "../model_00000.weights.h5", 7, "none.weights.h5"):
        (tmp_path / "model.weights.json").write_text(json.dumps({"weight_map": {"/vars": name}}))
        with pytest.raises(ModelFileError, match=r"BaseModel|RetrievalModel\.load_weights: "):
            other.load_weights(tmp_path / "model.weights.json")
    os.mkfifo(tmp_path / "pipe.weights.h5")
    (tmp_path / "model.weights.json").write_text(json.dumps({"weight_map": {"/vars": ["pipe.weights.h5"]}}))
    with pytest.raises(ModelFileError, match="it is a pipe"):
        other.load_weights(tmp_path / "model.weights.json")
