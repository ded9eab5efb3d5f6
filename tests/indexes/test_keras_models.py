"""Indexes in Keras models: saved with them, loaded in another process, cloned, exported, and given other candidates."""

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
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers import indexes
from reciperec_layers.errors import PluginError, StateError
from tests.indexes import oracle, shelf
from tests.indexes.plain_index import PlainIndex

pytestmark = [
    pytest.mark.saving,
    # Keras calls a subclassed model to build it before the candidates are loaded. It needs no building.
    pytest.mark.filterwarnings("ignore:Model '.*' had a build config:UserWarning"),
]
IN_MODELS = ["functional-int8", "sequential-brute_force", "subclassed-inverted_file"]
KINDS = [*IN_MODELS, "alone-brute_force", "alone-int8", "alone-inverted_file"]
SAVED = dict.fromkeys(KINDS, shelf.TEXTS) | {f"functional-{name}-integers": shelf.INTEGERS for name in shelf.REGISTERED}

# Prints what an exported model returns, in a process without the package.
ALONE = """
import json, sys
sys.modules["reciperec_layers"] = None
import tensorflow as tf
found = {}
for name in NAMES:
    model = tf.saved_model.load(name)
    scores, ids = model.serve(tf.constant(["ann", "nobody"]))
    found[name] = [scores.numpy().tolist(), [[item.decode() for item in row] for row in ids.numpy().tolist()]]
assert sys.modules["reciperec_layers"] is None
print(json.dumps(found))
"""


def save(model: Any, path: Path) -> None:
    keras.saving.save_model(model, path)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What this process sees of the models, and what a fresh one sees of their files."""
    folder = tmp_path_factory.mktemp("shelf")
    expected = {}
    for kind, ids in SAVED.items():
        model = shelf.make(kind.removesuffix("-integers"), ids)
        expected[kind] = shelf.observe(model)
        save(model, folder / f"{kind}.keras")
    command = [sys.executable, "-m", "tests.indexes.shelf", str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stderr
    return json.loads(json.dumps(expected)), json.loads((folder / "loaded.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", SAVED)
def test_a_fresh_process_sees_the_same(kind, results):
    expected, loaded = (each[kind] for each in results)
    assert loaded.keys() == expected.keys()
    for what, value in expected.items():
        assert loaded[what] == value, what
    assert {item for row in expected["ids"] for item in row} <= set(SAVED[kind])


@pytest.mark.parametrize("kind", IN_MODELS)
def test_weights_carry_the_candidates(kind, tmp_path):
    form, _, name = kind.partition("-")
    model = shelf.make(kind)
    model.save_weights(tmp_path / "model.weights.h5")
    other = indexes.create(name, k=3, name="shelf")
    other.assign(shelf.embeddings(2, seed=9), ["x", "y"])
    other = shelf.model_around(form, other)
    other.load_weights(tmp_path / "model.weights.h5")
    expected, found = shelf.observe(model), shelf.observe(other)
    for what in ("ids", "scores", "arrays"):
        assert found[what] == expected[what]


@pytest.mark.parametrize("kind", KINDS)
def test_no_candidate_is_in_the_config(kind, tmp_path):
    sizes = []
    for ids in (shelf.TEXTS, [f"recipe {row}" for row in range(500)]):
        save(shelf.make(kind, ids), tmp_path / "model.keras")
        with zipfile.ZipFile(tmp_path / "model.keras") as archive:
            config = archive.read("config.json").decode()
        assert "recipe 1" not in config
        assert "🍲" not in config
        sizes.append(len(config))
    assert sizes[1] - sizes[0] < 20  # numbers in automatic names


@pytest.mark.parametrize("kind", [*IN_MODELS, "functional-brute_force", "functional-inverted_file"])
def test_predict_sees_other_candidates(kind):
    model = shelf.make(kind, shelf.INTEGERS)
    index, queries = shelf.index_of(model), shelf.queries()
    before, graph = model.predict(queries, verbose=0), model.predict_function
    factor = 1 if isinstance(model, shelf.Finder) else 2
    for size in (40, 2):
        candidates = shelf.embeddings(size, seed=size)
        index.assign(candidates, np.arange(size) + 100)
        scores, ids = model.predict(queries, verbose=0)
        expected = oracle.search(factor * queries, candidates, scores.shape[1])
        np.testing.assert_array_equal(scores, expected[0])
        np.testing.assert_array_equal(ids, np.where(expected[1] >= 0, expected[1] + 100, -1))
    assert model.predict_function is graph
    assert not np.array_equal(before[0], scores)


@pytest.mark.parametrize("kind", IN_MODELS)
def test_a_clone_has_no_candidates_until_it_is_given_them(kind):
    model = shelf.make(kind)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    index = shelf.index_of(clone)
    assert index.num_candidates == 0
    with pytest.raises(StateError, match=f"{type(index).__name__}: the index has no candidates.*Call assign"):
        clone(shelf.queries())
    index.restore(shelf.index_of(model).arrays())
    assert shelf.observe(clone) == shelf.observe(model)


@pytest.mark.parametrize("form", ["functional", "sequential", "alone"])
def test_a_model_is_saved_before_it_has_candidates(form, tmp_path):
    save(shelf.model_around(form, indexes.create("int8", k=3, name="shelf")), tmp_path / "empty.keras")
    loaded = keras.models.load_model(tmp_path / "empty.keras")
    index = shelf.index_of(loaded)
    assert index.num_candidates == 0
    index.assign(shelf.embeddings(), shelf.INTEGERS)
    expected, found = shelf.observe(shelf.make(f"{form}-int8", shelf.INTEGERS)), shelf.observe(loaded)
    assert (found["ids"], found["scores"]) == (expected["ids"], expected["scores"])


@pytest.mark.parametrize("remake", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("kind", [*IN_MODELS, "alone-inverted_file"])
def test_copies_are_equal(remake: Callable[[Any], Any], kind):
    model = shelf.make(kind)
    again = remake(model)
    assert shelf.index_of(again) is not shelf.index_of(model)
    assert shelf.observe(again) == shelf.observe(model)


@pytest.mark.parametrize("form", ["functional", "subclassed", "alone"])
def test_an_index_of_a_plugin_is_named(form, tmp_path, monkeypatch):
    index = PlainIndex(name="shelf")
    index.assign(shelf.embeddings(), shelf.TEXTS)
    save(shelf.model_around(form, index), tmp_path / "model.keras")
    assert shelf.index_of(keras.models.load_model(tmp_path / "model.keras")).ids.tolist() == shelf.TEXTS
    monkeypatch.delitem(indexes.INDEXES._classes, "plain")
    with pytest.raises(PluginError, match="load_model: the model needs the index 'plain'.*not registered.*Import"):
        rl.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize("name", shelf.REGISTERED)
def test_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = shelf.make(f"functional-{name}")
        scores, _ = model.predict(shelf.queries(), verbose=0)
        index = shelf.index_of(model)
    finally:
        keras.config.set_dtype_policy("float32")
    assert scores.dtype == np.float32
    assert index.embeddings.dtype == tf.float32
    # Twice a small whole number is exact in bfloat16 too.
    np.testing.assert_array_equal(scores, oracle.search(2 * shelf.queries(), shelf.embeddings(), 4)[0])


def exported(name: str, folder: Path) -> list[Any]:
    """Exports a Sequential of a tower and an index, and returns what it finds."""
    index = indexes.create(name, k=3)
    index.assign(shelf.embeddings(), shelf.TEXTS)
    model = keras.Sequential([keras.Input((), dtype="string"), rl.IdTower(["ann", "bob"], shelf.DIM, seed=3), index])
    scores, ids = model(np.array(["ann", "nobody"], object))
    model.export(folder, verbose=False)
    return [scores.numpy().tolist(), [[item.decode() for item in row] for row in ids.numpy().tolist()]]


def test_tensorflow_alone_loads_what_is_exported(tmp_path, run_python):
    expected = {name: exported(name, tmp_path / name) for name in ("brute_force", "inverted_file")}
    code = ALONE.replace("NAMES", repr(list(expected)))
    assert json.loads(run_python(code).splitlines()[-1]) == expected
