"""What is saved in one process is loaded whole in another, by plain `keras.models.load_model`."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import VocabularyMismatchError
from tests.saving import shop
from tests.site_folder import SiteFolder

pytestmark = pytest.mark.saving

NAMES = (
    "alone", "never_called", "mlp", "sequential", "functional", "subclassed", "retrieval", "inverted_file",
    "around_a_layer",
)  # fmt: skip
VOCABULARY = "utf8.npy"


def run_shop(task: str, folder: Path, *more_paths: Path) -> None:
    path = os.pathsep.join([*map(str, more_paths), *sys.path])
    command = [sys.executable, "-m", "tests.saving.shop", task, str(folder)]
    finished = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=300, check=False
    )
    assert finished.returncode == 0, finished.stderr


def install_plugin(folder: Path) -> Path:
    site = SiteFolder(folder, "reciperec_layers.towers")
    site.install("reciperec-bag", "1.2", {"reciperec_bag": shop.PLUGIN}, "bag = reciperec_bag:BagTower")
    return folder


def rewrite(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """Copies a `.keras` file; `change` gives the new content of each member, `None` leaves it out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            content = change(member, old.read(member))
            if content is not None:
                new.writestr(member, content)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], Path]:
    """What this process sees of the models, and what a fresh one sees of their files."""
    folder = tmp_path_factory.mktemp("saved")
    models = shop.make_all()
    for name, model in models.items():
        keras.saving.save_model(model, folder / f"{name}.keras")
    expected = {name: shop.observe(name, model) for name, model in models.items()}
    run_shop("save", folder, install_plugin(tmp_path_factory.mktemp("plugins")))
    for source in ("mlp", "retrieval"):
        rewrite(
            folder / f"{source}.keras",
            folder / f"changed_{source}.keras",
            lambda name, content: content[:-1] + b"X" if name.endswith(VOCABULARY) else content,
        )
        for damage, ending in (("missing", VOCABULARY), ("stripped", ".npy")):
            rewrite(
                folder / f"{source}.keras",
                folder / f"{damage}_{source}.keras",
                lambda name, content, ending=ending: None if name.endswith(ending) else content,
            )
    run_shop("load", folder)
    return expected, json.loads((folder / "loaded.json").read_text(encoding="utf-8")), folder


def test_every_model_is_looked_at(results: Any):
    assert set(NAMES) == results[0].keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_process_sees_the_same(name: str, results: Any):
    expected, loaded, _ = results
    assert not isinstance(loaded[name], str), loaded[name]
    assert loaded[name].keys() == expected[name].keys()
    for what, value in json.loads(json.dumps(expected[name])).items():
        assert loaded[name][what] == value, what


def test_vocabularies_are_lossless(results: Any):
    assert results[1]["mlp"]["ids"] == shop.RECIPES.tolist()
    assert results[1]["alone"]["ids"] == shop.USERS.tolist()
    assert results[1]["retrieval"]["candidate_ids"] == shop.RECIPES.tolist()


@pytest.mark.parametrize("name", ["plugin_sequential", "plugin_retrieval"])
def test_an_absent_plugin_is_named(name: str, results: Any):
    message = results[1][name]
    assert isinstance(message, str)
    assert message.startswith(
        "PluginError: load_model: the model needs the tower 'bag' of the package reciperec-bag 1.2"
    )
    assert "pip install reciperec-bag==1.2" in message


@pytest.mark.parametrize("name", ["changed_mlp", "missing_mlp", "changed_retrieval", "missing_retrieval"])
def test_damaged_content_is_refused(name: str, results: Any):
    message = results[1][name]
    assert isinstance(message, str)
    assert "its files " in message
    assert "use an intact copy of the file" in message


@pytest.mark.parametrize("name", NAMES)
def test_no_id_is_in_the_config(name: str, results: Any):
    with zipfile.ZipFile(results[2] / f"{name}.keras") as archive:
        config = archive.read("config.json").decode()
    assert not any(str(item) in config for item in (2**24 + 1, 2**63 - 1, -(2**63), "00123", "pie", "\\ud83c"))
    assert '"lambda"' not in config


@pytest.mark.parametrize("name", ["stripped_mlp", "stripped_retrieval"])
def test_without_any_content_the_first_use_is_refused(name: str, results: Any):
    # Keras does not ask for assets when a file has none.
    message = results[1][name]
    assert isinstance(message, str)
    assert message.startswith("StateError: ")
    assert "its data are in a file that was not loaded" in message


def test_the_config_does_not_grow(tmp_path: Path):
    sizes = []
    for size in (10, 10_000):
        tower = rl.IdTower(np.arange(size), 2, name="users")
        keras.saving.save_model(tower, tmp_path / "tower.keras")
        with zipfile.ZipFile(tmp_path / "tower.keras") as archive:
            sizes.append(archive.getinfo("config.json").file_size)
    assert sizes[1] - sizes[0] < 10


@pytest.mark.parametrize("name", ["sequential", "functional", "retrieval"])
def test_clone_and_set_weights(name: str):
    model = shop.make_all()[name]
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    if name == "retrieval":
        expected, found = (each.recommend({"user_id": shop.USER_IDS}, k=3) for each in (model, clone))
        np.testing.assert_array_equal(found[0], expected[0])
        assert found[1].tolist() == expected[1].tolist()
    else:
        assert shop.observe(name, clone) == shop.observe(name, model)


@pytest.mark.parametrize("remake", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_equal(remake: Callable[[Any], Any]):
    tower = shop.recipe_tower()
    tower_copy = remake(tower)
    assert tower_copy is not tower
    assert shop.observe("mlp", tower_copy) == shop.observe("mlp", tower)
    model = shop.train(shop.retrieval())
    assert shop.observe("retrieval", remake(model)) == shop.observe("retrieval", model)


def with_users(ids: Any) -> rl.RetrievalModel:
    return shop.retrieval(rl.IdTower(ids, 4, feature="user_id", num_oov_indices=2, seed=9))


def test_weights_of_the_same_vocabulary_are_loaded(tmp_path: Path):
    model, other = with_users([1, 2, 3]), shop.train(with_users([1, 2, 3]))
    shop.train(shop.train(model)).save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    for value, expected in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)
    assert [each.numpy().tolist() for each in other.optimizer.variables] == [
        each.numpy().tolist() for each in model.optimizer.variables
    ]


@pytest.mark.parametrize("ids", [[1, 3, 2], [1, 2, 4], ["1", "2", "3"]])
def test_weights_of_another_vocabulary_change_nothing(ids: Any, tmp_path: Path):
    shop.train(with_users([1, 2, 3])).save_weights(tmp_path / "model.weights.h5")
    model = with_users(ids)
    before = model.get_weights()
    with pytest.raises(VocabularyMismatchError, match=r"RetrievalModel\.load_weights: .*another vocabulary"):
        model.load_weights(tmp_path / "model.weights.h5")
    for value, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_any_keras_model_refuses_weights_of_another_vocabulary(tmp_path: Path):
    def model(ids: Any) -> keras.Model:
        return keras.Sequential([keras.Input((), dtype="int64"), rl.IdTower(ids, 4)])

    model([1, 2]).save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match="vocabulary mismatch: these weights belong to another vocabulary"):
        model([2, 1]).load_weights(tmp_path / "model.weights.h5")
    model([1, 2]).load_weights(tmp_path / "model.weights.h5")
