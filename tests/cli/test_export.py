"""`reciperec export`: one line, a folder that is whole, and nothing deleted unasked."""

from __future__ import annotations

import keras
import pytest

import reciperec_layers as rl
from reciperec_layers.models import read_manifest, verify_bundle

pytestmark = pytest.mark.saving


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    from tests.cli.conftest import reciperec

    folder = tmp_path_factory.mktemp("exported") / "bundle"
    return folder, reciperec("export", trained[0], folder, "--k", 3)


def test_a_model_is_exported_whole(trained, exported):
    folder, finished = exported
    assert (finished.code, finished.err) == (0, "")
    assert finished.out == (
        f"Exported to {folder}: from user_id to the best 3 of 20 candidates.\n"
        "It takes no dateLastModified: every query is of now, the newest time of training.\n"
    )
    manifest = verify_bundle(folder, rl.load_model(trained[0]).corpus)
    assert (manifest.k, manifest.num_candidates) == (3, 20)


def test_tensorflow_alone_recommends_the_same(trained, exported, run, run_python):
    code = f"""
import sys
sys.modules["reciperec_layers"] = None
import tensorflow as tf
found = tf.saved_model.load({str(exported[0])!r}).signatures["serving_default"](user_id=tf.constant([7003], tf.int64))
print(found["ids"].numpy().tolist())
"""
    document = run("recommend", trained[0], "--id", 7003, "-k", 3, "--json").document()
    expected = [each["recipe_id"] for each in document["queries"][0]["recommendations"]]
    assert run_python(code).strip() == str([expected])


def test_a_folder_is_replaced_only_when_asked(trained, tmp_path, run):
    folder = tmp_path / "bundle"
    assert run("export", trained[0], folder).code == 0
    finished = run("export", trained[0], folder, "-k", 2)
    assert finished.code == 2
    assert "the folder exists" in finished.only_error()
    assert read_manifest(folder).k == 10
    assert run("export", trained[0], folder, "-k", 2, "--overwrite").code == 0
    assert read_manifest(folder).k == 2


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_a_folder_that_is_not_an_export_is_kept(trained, tmp_path, run, overwrite):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "note.txt").write_text("soup")
    finished = run("export", trained[0], tmp_path / "notes", *overwrite)
    assert finished.code == 2
    assert "is not an exported model" in finished.only_error()
    assert finished.err.endswith("Choose another path.\n")
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["note.txt"]


def test_wrong_use_is_one_line(trained, tmp_path, run):
    for words, code, expected in (
        ((tmp_path / "none.keras", tmp_path / "a"), 2, "no such file"),
        ((trained[0], tmp_path / "a", "-k", 0), 2, "`k` must be a positive integer"),
        ((trained[0], tmp_path / "no" / "a"), 1, "its parent is missing"),
        ((trained[0], trained[0]), 1, "it is a file"),
        ((trained[0],), 2, "FOLDER"),
    ):
        finished = run("export", *words)
        assert (finished.code, expected in finished.only_error()) == (code, True)
    assert list(tmp_path.iterdir()) == []


def test_a_model_whose_columns_are_not_known_says_what_to_do(tmp_path, run):
    dense = keras.layers.Dense(2)
    dense.build((None, 3))
    tower = rl.towers.LayerTower(dense, ["tastes"], 2)
    candidates = rl.IdTower([50, 60], 2, feature="recipe_id")
    rl.RetrievalModel(tower, candidates, {"recipe_id": [50, 60]}, "recipe_id").save(tmp_path / "model.keras")
    finished = run("export", tmp_path / "model.keras", tmp_path / "bundle")
    assert finished.code == 2
    assert "'tastes'" in finished.only_error()
    assert "example=" in finished.only_error()
