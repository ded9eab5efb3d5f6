"""`reciperec recommend`: names, seen candidates, and files that are not models."""

from __future__ import annotations

import csv

import keras
import pandas as pd
import pytest

from reciperec_layers.models import RetrievalModel
from reciperec_layers.towers import IdTower


def test_the_best_candidates_with_names(trained, run):
    document = run("recommend", trained[0], "--id", 7000, "-k", 5, "--json").document()
    (query,) = document["queries"]
    assert (query["id"], query["known"]) == (7000, True)
    found = query["recommendations"]
    assert [each["rank"] for each in found] == [1, 2, 3, 4, 5]
    assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)
    assert all(each.keys() == {"rank", "score", "recipe_id", "recipe_name"} for each in found)
    # Even users like even recipes.
    assert all(each["recipe_id"] % 2 == 0 for each in found)
    assert not document["seen_left_out"]


def test_seen_candidates_are_left_out_when_they_are_given(data, trained, run):
    with data[0].open(encoding="utf-8") as file:
        seen = {int(row["recipe_id"]) for row in csv.DictReader(file) if row["user_id"] == "7003"}
    document = run("recommend", trained[0], "--id", 7003, "-k", 20, "--interactions", data[0], "--json").document()
    assert document["seen_left_out"]
    found = {each["recipe_id"] for each in document["queries"][0]["recommendations"]}
    assert found == set(range(200, 220)) - seen
    assert "are left out" in run("recommend", trained[0], "--id", 7003, "--interactions", data[0]).out
    assert "Nothing is left out" in run("recommend", trained[0], "--id", 7003).out


def test_names_are_printed_as_they_are_and_never_obeyed(trained, run):
    out = run("recommend", trained[0], "--id", 7000, "-k", 20).out
    assert "Soup [/b] [red]" in out
    assert "</script><b>Pie</b>" in out
    assert r"Bell\x07 \x1b[31mred" in out
    assert not set(out) & set(map(chr, range(32))) - {"\n"}


def test_an_unknown_id_gets_what_anyone_unknown_gets(trained, run):
    document = run("recommend", trained[0], "--id", 1, "--id", 2, "--id", 1, "--json").document()
    first, second = document["queries"]
    assert (first["id"], first["known"], second["id"], second["known"]) == (1, False, 2, False)
    assert first["recommendations"] == second["recommendations"]
    assert "Not seen in training" in run("recommend", trained[0], "--id", 1).out


def test_k_above_the_corpus_is_said(trained, run):
    document = run("recommend", trained[0], "--id", 7000, "-k", 21, "--json").document()
    assert len(document["queries"][0]["recommendations"]) == 20
    assert "k=21 is more than the 20 candidates" in document["notes"][0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--id", "7000", "-k", "0"), "`k` must be a positive integer"),
        (("--id", "x\x1b[31m"), r"x\x1b[31m"),
        (("--id", "007"), "'007'"),
        (("--id", str(2**63)), str(2**63)),
        ((), "--id"),
        (("--id", "7000", "--interactions", "none.csv"), "No such file"),
        (("--id", "7000", "--colour"), "--colour"),
    ],
)
def test_wrong_use_is_one_line(trained, run, options, expected):
    finished = run("recommend", trained[0], *options)
    assert finished.code == 2
    assert expected in finished.only_error()


@pytest.mark.saving
def test_files_that_are_not_models(trained, tmp_path, run):
    finished = run("recommend", tmp_path / "none.keras", "--id", 1)
    assert (finished.code, "no such file" in finished.only_error()) == (2, True)
    text, cut, other, bare = (tmp_path / f"{name}.keras" for name in ("text", "cut", "other", "bare"))
    text.write_text("recipe_id,recipe_name\n")
    content = trained[0].read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(other)
    RetrievalModel(IdTower([7], 2, feature="user_id"), IdTower([9], 2, feature="recipe_id")).save(bare)
    for path, expected in (
        (text, "not a saved model"),
        (cut, "cut short"),
        (other, "holds a Sequential"),
        (bare, "no candidates"),
    ):
        finished = run("recommend", path, "--id", 1)
        assert finished.code == 1
        assert expected in finished.only_error()


def test_debug_shows_the_traceback(tmp_path, run):
    finished = run("recommend", tmp_path / "none.keras", "--id", 1, "--debug")
    assert finished.code == 2
    assert "Traceback" in finished.err
    assert finished.err.splitlines()[-1].startswith("reciperec: error: ")


def test_a_table_shows_names_and_not_what_a_tower_reads(tmp_path, run):
    recipes = {
        "recipe_id": [1, 2],
        "recipe_name": ["Pie", "Soup"],
        "directions": ["Bake it. " * 12, "Boil it. " * 12],
        "kind": ["sweet", "salty"],
        "note": ["a", "b"],
    }
    pairs = pd.DataFrame({"user_id": [1, 2, 1], "recipe_id": [1, 2, 2]})
    towers = {"query_tower": "id", "candidate_options": {"encoders": {"directions": "text", "kind": "category"}}}
    model = RetrievalModel.from_data(pairs, recipes, **towers, keep_columns=["recipe_name", "note"], embedding_dim=2)
    model.save(tmp_path / "model.keras")
    shown = run("recommend", tmp_path / "model.keras", "--id=1").out
    assert all(text in shown for text in ("recipe_name", "Pie", "Soup", "note"))
    assert "Bake" not in shown
    (query,) = run("recommend", tmp_path / "model.keras", "--id=1", "--json").document()["queries"]
    columns = {"rank", "score", "recipe_id", "recipe_name", "kind", "note"}
    assert [each.keys() for each in query["recommendations"]] == [columns, columns]
