"""Files written before the package was restructured load for ever; `golden/write.py` tells how they were written.

They were written with Keras 3.15.1, so the tests do not run on the oldest versions: an older Keras need not read them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reciperec_layers as rl
from tests.saving import golden_answers

FOLDER = golden_answers.FOLDER
RETRIEVAL = ("functional_tower.keras", "int_ids.keras", "inverted_file.keras", "text_ids.keras")
INDEXES = ("brute_force.index", "int8.index", "inverted_file.index")
LOADED = (*RETRIEVAL, "index_layer.keras", "sequential.keras", "int_ids.weights.h5", *INDEXES)


def run_fresh(module: str, target: Path) -> dict[str, Any]:
    """Returns the answers that a module of `tests.saving` gives in a fresh process."""
    command = [sys.executable, "-m", f"tests.saving.{module}", str(target)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stderr
    return json.loads(target.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_fresh("golden_answers", tmp_path_factory.mktemp("golden") / "answers.json")


def expected_of(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def assert_same(found: Any, expected: Any, where: str) -> None:
    """Compares JSON: floats up to the rounding of other machines, all else exactly."""
    assert type(found) is type(expected), (where, found, expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_same(found[key], value, f"{where}, {key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for row, value in enumerate(expected):
            assert_same(found[row], value, f"{where}[{row}]")
    elif isinstance(expected, float):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=where)
    else:
        assert found == expected, where


def test_every_file_is_loaded(answers: dict[str, Any]):
    written = {path.name for path in FOLDER.iterdir()} - {"bundle", "write.py", "__pycache__"}
    assert {name for name in written if not name.endswith(".json")} == set(LOADED)
    assert {name for name in written if name.endswith(".json")} == {f"{name}.json" for name in (*LOADED, "bundle")}
    assert answers.keys() == {*LOADED, *(f"rl.load_model: {name}" for name in RETRIEVAL)}


@pytest.mark.parametrize("name", LOADED)
def test_the_answers_are_those_of_the_day(name: str, answers: dict[str, Any]):
    assert not isinstance(answers[name], str), answers[name]
    assert_same(answers[name], expected_of(name), name)


@pytest.mark.parametrize("name", RETRIEVAL)
def test_load_model_of_the_package_recommends_the_same(name: str, answers: dict[str, Any]):
    expected = {key: expected_of(name)[key] for key in ("scores", "ids")}
    assert_same(answers[f"rl.load_model: {name}"], expected, name)


def test_clusters_are_read_and_not_learned_again(answers: dict[str, Any]):
    learned = answers["inverted_file.keras"]["learned"]
    assert learned.keys() == {"directions", "clusters"}
    with zipfile.ZipFile(FOLDER / "inverted_file.keras") as archive:
        for name, values in learned.items():
            with archive.open(f"assets/index/{name}.npy") as file:
                np.testing.assert_array_equal(values, np.load(file))
    with np.load(FOLDER / "inverted_file.index") as arrays:
        for name, values in answers["inverted_file.index"]["learned"].items():
            np.testing.assert_array_equal(values, arrays[f"learned_{name}"])


def test_tensorflow_alone_serves_the_bundle(tmp_path: Path):
    found = run_fresh("golden_bundle", tmp_path / "answers.json")
    assert found.pop("imported") == []
    assert_same(found, expected_of("bundle"), "bundle")


def test_the_bundle_is_whole():
    manifest = rl.models.verify_bundle(FOLDER / "bundle")
    assert manifest == rl.models.read_manifest(FOLDER / "bundle")
    assert (manifest.index, manifest.k, manifest.num_candidates, manifest.embedding_dim) == ("brute_force", 3, 12, 4)
    assert manifest.versions["reciperec_layers"] == "0.1.0"


@pytest.mark.parametrize("name", RETRIEVAL)
def test_a_file_tells_what_it_is(name: str):
    info = rl.inspect_model(FOLDER / name)
    assert (info.class_name, info.keras_version) == ("RetrievalModel", "3.15.1")
