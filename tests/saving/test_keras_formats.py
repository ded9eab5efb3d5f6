"""Only forms of Keras that keep a model whole are written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, OutputError, OutputExistsError

pytestmark = pytest.mark.saving


@pytest.fixture(scope="module")
def model() -> rl.RetrievalModel:
    towers = rl.IdTower([7, 9], 2, feature="user_id"), rl.IdTower([50, 60], 2, feature="recipe_id")
    return rl.RetrievalModel(*towers, {"recipe_id": [50, 60]}, "recipe_id")


@pytest.mark.parametrize(
    ("path", "zipped", "problem"),
    [
        ("model", False, "a folder, as Keras writes it, would lack the ids and the corpus"),
        ("model.keras", False, "a folder, as Keras writes it"),
        ("hf://me/model", None, "a folder, as Keras writes it"),
        ("model.h5", None, "an .h5 file would lack the ids and the corpus"),
        (Path("model.hdf5"), None, "an .h5 file"),
        ("model", None, "must end with .keras"),
        ("model.keras/", True, "must end with .keras"),
        (None, None, "must end with .keras"),
    ],
)
def test_forms_that_would_lose_the_ids_are_refused(
    model: rl.RetrievalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, zipped: Any, problem: str
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=rf"^RetrievalModel\.save: .*{problem}"):
        model.save(path, zipped=zipped)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "options", "problem"),
    [
        ("model.weights.json", {"max_shard_size": 1}, "weights in several files"),
        ("model.weights.h5", {"max_shard_size": 1}, "weights in several files"),
        ("model.h5", {}, "must end with .weights.h5"),
        (3, {}, "must end with .weights.h5"),
    ],
)
def test_weights_are_one_file(
    model: rl.RetrievalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, options: Any, problem: str
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=rf"^RetrievalModel\.save_weights: .*{problem}"):
        model.save_weights(path, **options)
    assert os.listdir(tmp_path) == []


def writers(model: rl.RetrievalModel) -> dict[str, Any]:
    index = rl.indexes.BruteForceIndex()
    index.assign([[1.0], [2.0]], ids=[50, 60])
    return {".keras": model.save, ".weights.h5": model.save_weights, ".index": index.save, "": model.export}


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".index", ""])
def test_every_writer_takes_every_name_and_refuses_others_in_one_way(
    model: rl.RetrievalModel, tmp_path: Path, suffix: str
):
    write = writers(model)[suffix]
    for name in ("a" * 256, "a\0b", "a\udcffb", f"é{chr(0xD800)}"):
        with pytest.raises(OutputError, match="cannot be written"):
            write(str(tmp_path / (name[: 256 - len(suffix)] + suffix)))
    with pytest.raises(OutputError, match="no such folder|parent is missing"):
        write(tmp_path / "none" / f"a{suffix}")
    if suffix in ("", ".index"):
        with pytest.raises(ArgumentTypeError, match="must be a path. Received: path=3"):
            write(3)
    assert os.listdir(tmp_path) == []
    longest = "a" * (255 - len(suffix)) + suffix
    for overwrite in (False, True):
        write(tmp_path / longest, overwrite=overwrite)
    with pytest.raises(OutputExistsError, match="exists"):
        write(str(tmp_path / longest), overwrite=False)
    assert os.listdir(tmp_path) == [longest]


def test_what_was_saved_is_whole_also_under_the_longest_name_and_through_a_link(
    model: rl.RetrievalModel, tmp_path: Path
):
    (tmp_path / "current.keras").symlink_to("a" * 244 + ".keras")
    model.save(tmp_path / "current.keras")
    loaded = keras.models.load_model(tmp_path / ("a" * 244 + ".keras"))
    assert loaded.recommend({"user_id": [7]}, k=2)[1].tolist() == model.recommend({"user_id": [7]}, k=2)[1].tolist()
