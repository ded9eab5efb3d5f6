"""`evaluate` and `recommend` with query towers that read something else than one id."""

from __future__ import annotations

import shlex
import sys

import keras
import numpy as np
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import PluginError
from reciperec_layers.towers import TOWERS

RECIPES = {"recipe_id": [11, 12, 13], "recipe_name": ["Soup", "Pie", "Stew"]}
ROWS = "user_id,recipe_id,age,city,comment\n007,11,30,0049,\n8,12,40,0033,[x]\n007,13,30,0049,a\n"


def of_two(query_id=None) -> rl.RetrievalModel:
    inputs = {"age": keras.Input((1,), name="age"), "city": keras.Input((1,), name="city", dtype="string")}
    cities = keras.layers.StringLookup(vocabulary=["0049", "0033"], output_mode="one_hot")(inputs["city"])
    joined = keras.layers.Concatenate()([inputs["age"], cities])
    tower = keras.Model(inputs, keras.layers.Dense(4)(joined))
    candidates = rl.IdTower(RECIPES["recipe_id"], 4, feature="recipe_id")
    return rl.RetrievalModel(tower, candidates, RECIPES, "recipe_id", query_id=query_id, keep_columns=["recipe_name"])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "two.keras"
    model = of_two()
    model.compile()
    model.save(path)
    return path, model


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def test_recommendations_for_rows_of_a_file(saved, rows, run):
    path, model = saved
    document = run("recommend", path, "--queries", rows, "-k", 2, "--json").document()
    expected = model.recommend({"age": [30, 40, 30], "city": ["0049", "0033", "0049"]}, k=2)[1]
    found = [[each["recipe_id"] for each in query["recommendations"]] for query in document["queries"]]
    assert found == expected.tolist()
    assert [(query["row"], query["id"]) for query in document["queries"]] == [(1, None), (2, None), (3, None)]
    assert document["queries"][1]["features"] == {"age": 40, "city": "0033"}
    assert all(each.keys() == {"rank", "score", *RECIPES} for each in document["queries"][0]["recommendations"])
    out = run("recommend", path, "--queries", rows).out
    assert "Recommendations for row 1 (age=30, city=0049):" in out


def test_seen_candidates_are_left_out_by_the_column_of_queries(saved, rows, run):
    path, _ = saved
    words = ("recommend", path, "--queries", rows, "--interactions", rows, "--query-id", "user_id", "--json")
    queries = run(*words).document()["queries"]
    assert [query["id"] for query in queries] == ["007", "8", "007"]
    assert [{each["recipe_id"] for each in query["recommendations"]} for query in queries] == [{12}, {11, 13}, {12}]


def test_a_model_with_a_query_id_knows_its_queries(rows, tmp_path, run):
    model = of_two("user_id")
    model.compile()
    model.save(tmp_path / "model.keras")
    words = ("recommend", tmp_path / "model.keras", "--queries", rows, "--interactions", rows, "--json")
    assert [query["id"] for query in run(*words).document()["queries"]] == ["007", "8", "007"]


def test_evaluation_reads_the_columns_of_the_tower(saved, rows, run):
    path, model = saved
    report = run("evaluate", path, rows, "--seen", rows, "--json").document()
    assert (report["num_rows"], report["num_seen_candidates"]) == (3, 3)
    report = run("evaluate", path, rows, "--json").document()
    ranks = model.held_out_ranks(
        {"age": [30, 40, 30], "city": ["0049", "0033", "0049"], "recipe_id": RECIPES["recipe_id"]}
    )
    key = "factorized_top_k/top_1_categorical_accuracy"
    assert report["metrics"]["model"][key] == pytest.approx(np.mean(ranks <= 1))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("recommend", "--id", "007"), "Pass a file with the columns age, city by --queries"),
        (("recommend",), "Name ids by --id, or a file of queries by --queries"),
        (("recommend", "--queries", "none.csv"), "No such file"),
        (("recommend", "--queries", "short.csv"), "short.csv: there is no column 'city'; the columns are 'age'"),
        (("recommend", "--queries", "rows.csv", "--query-id", "who"), "there is no column 'who'"),
        (("recommend", "--queries", "short.csv", "--interactions", "rows.csv"), "there is no column 'city'"),
        (("recommend", "--queries", "bare.csv", "--interactions", "rows.csv"), "with --query-id"),
        (("evaluate", "short.csv"), "with --query-id"),
        (("evaluate", "rows.csv", "--query-id", "who"), "there is no column 'who'"),
    ],
)
def test_wrong_use_is_one_line(saved, rows, run, tmp_path, monkeypatch, words, expected):
    (tmp_path / "short.csv").write_text("age,recipe_id\n30,11\n")
    (tmp_path / "bare.csv").write_text("age,city\n30,0049\n")
    monkeypatch.chdir(tmp_path)
    finished = run(words[0], saved[0], *words[1:])
    assert finished.code == 2
    assert expected in finished.only_error()


def test_ids_may_be_in_a_file_too(trained, tmp_path, run):
    path = tmp_path / "ids.csv"
    path.write_text("user_id;note\n7001;a\n5;b\n")
    document = run("recommend", trained[0], "--id", 7000, "--queries", path, "-k", 3, "--json").document()
    assert [(query["id"], query["known"]) for query in document["queries"]] == [
        (7000, True),
        (7001, True),
        (5, False),
    ]
    assert all("features" not in query for query in document["queries"])


def test_leading_zeros_of_an_unknown_query_are_said(tables, tmp_path, run):
    out = tmp_path / "model.keras"
    pairs = "".join(f"{user},{recipe}\n" for user in ("007", "8") for recipe in (11, 12))
    assert run("train", *tables(pairs, "11,Soup\n12,Pie\n"), "--out", out, "--json").code == 0
    said = "The ids differ in leading zeros: '7' here, '007' there"
    assert said in run("recommend", out, "--id", "7").out
    assert "leading zeros" not in run("recommend", out, "--id", "9").out


MODULE = """
import keras
import reciperec_layers as rl

@rl.towers.register("age_of_this_test")
class AgeTower(rl.Tower):
    def __init__(self, embedding_dim, **kwargs):
        super().__init__(embedding_dim, ["age"], **kwargs)
        self.dense = keras.layers.Dense(embedding_dim)
        self.dense.build((None, 1))
        self.built = True

    @classmethod
    def from_data(cls, frame, *, feature, embedding_dim, seed=None, **options):
        return cls(embedding_dim)

    def call(self, inputs, training=None):
        ages = keras.ops.cast(self.column(inputs), "float32")
        return self.dense(keras.ops.expand_dims(ages, 1))
"""


@pytest.fixture
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/no/such/folder", *sys.path])
    monkeypatch.setattr(TOWERS, "_classes", dict(TOWERS._classes))
    (tmp_path / "towers_of_this_test.py").write_text(MODULE)
    yield tmp_path
    sys.modules.pop("towers_of_this_test", None)


def test_towers_of_the_working_folder(working_folder, rows, run):
    (working_folder / "recipes.csv").write_text("recipe_id,recipe_name\n11,Soup\n12,Pie\n13,Stew\n")
    train = ("train", rows, "recipes.csv", "--out", "model.keras", "--query-tower", "age_of_this_test")
    unknown = run(*train)
    assert (unknown.code, "age_of_this_test" in unknown.only_error()) == (2, True)
    mine = ("--import", "towers_of_this_test")
    assert "age_of_this_test" in run("towers", *mine).out
    finished = run(*train, *mine, "--epochs", 1, "--test-size", 1, "--seed", 1, "--json")
    command = shlex.split(finished.document()["next_command"])
    (query,) = run(*command[1:], "--json").document()["queries"]
    assert query["id"] in (30, 40)
    assert run("evaluate", "model.keras", rows, *mine, "--json").code == 0
    document = run("recommend", "model.keras", "--queries", rows, *mine, "--json").document()
    assert len(document["queries"]) == 3
    assert run("indexes", *mine, "--json").code == 0


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("no_such_module_at_all", 2, "there is no module 'no_such_module_at_all'"),
        ("json.nothing", 2, "there is no module 'json.nothing'"),
        ("towers_of_this_test.py", 2, "without a folder and without .py"),
        ("./towers", 2, "the name of a Python module is needed"),
        ("", 2, "the name of a Python module is needed"),
        ("failing_in_this_test", 1, "the module 'failing_in_this_test' failed with ValueError: no luck"),
        ("lacking_in_this_test", 1, "failed with ModuleNotFoundError"),
        ("leaving_in_this_test", 1, "failed with SystemExit"),
    ],
)
def test_modules_that_cannot_be_imported(working_folder, run, name, code, expected):
    (working_folder / "failing_in_this_test.py").write_text("raise ValueError('no\\nluck')")
    (working_folder / "lacking_in_this_test.py").write_text("import no_such_dependency")
    (working_folder / "leaving_in_this_test.py").write_text("raise SystemExit(3)")
    finished = run("towers", "--import", name)
    assert finished.code == code
    assert expected in finished.only_error()


def test_a_model_of_ones_own_tower_names_the_option(saved, run, monkeypatch):
    def fail(path):
        raise PluginError("load_model: the model needs the tower 'bag', which is not registered.")

    monkeypatch.setattr("reciperec_layers.models.load_model", fail)
    finished = run("recommend", saved[0], "--id", 1)
    assert finished.code == 1
    assert finished.only_error().endswith("not registered. A module of your own is imported by --import MODULE.")
