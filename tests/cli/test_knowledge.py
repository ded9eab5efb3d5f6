"""What the commands say of queries that are hot, warm and cold."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

import reciperec_layers as rl

USERS = pd.DataFrame({"user_id": [7, 9], "age": [30.0, 40.0], "diet": ["vegan", "any"]})
RECIPES = {"recipe_id": [11, 12, 13]}
COLD = "nothing else is known: ranked as for anyone new"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model of features, and one of ids with a prior."""
    folder = tmp_path_factory.mktemp("models")
    encoders = {
        "user_id": rl.features.Id(USERS["user_id"], width=4),
        "age": rl.features.Number(USERS["age"]),
        "diet": rl.features.Category(USERS["diet"], width=4),
    }
    candidates = rl.IdTower(RECIPES["recipe_id"], 4, feature="recipe_id")
    towers = {"features": rl.towers.FeatureTower(encoders, 4), "ids": rl.IdTower([7, 9], 4, feature="user_id")}
    for name, tower in towers.items():
        prior = "popularity" if name == "ids" else None
        model = rl.RetrievalModel(tower, candidates, RECIPES, "recipe_id", query_id="user_id", prior=prior)
        model.compile()
        model.save(folder / f"{name}.keras")
    return folder


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("user_id,age,diet,recipe_id\n7,30,vegan,11\n5,31,any,12\n5,,any,12\n4,,,13\n")
    return path


def test_each_query_says_what_is_known_of_it(saved, rows, run):
    queries = run("recommend", saved / "features.keras", "--queries", rows, "--json").document()["queries"]
    assert [(query["knowledge"], query["known_columns"]) for query in queries] == [
        ("hot", ["age", "diet"]),
        ("warm", ["age", "diet"]),
        ("warm", ["diet"]),
        ("cold", []),
    ]
    assert list(queries[0])[-1] == "recommendations"
    parts = run("recommend", saved / "features.keras", "--queries", rows).out.split("Recommendations for ")[1:]
    assert "Not seen" not in parts[0]
    assert "Not seen in training; ranked from age, diet." in parts[1]
    assert "Not seen in training; ranked from diet." in parts[2]
    assert f"Not seen in training, and {COLD}." in parts[3]


def test_what_is_known_of_a_query_is_never_its_id(saved, tmp_path, run):
    path = tmp_path / "rows.csv"
    path.write_text("age\n7\n40\n")
    words = ("recommend", saved / "features.keras", "--queries", path)
    queries = run(*words, "--json").document()["queries"]
    assert [(query["row"], query["id"], query["known"], query["features"]) for query in queries] == [
        (1, None, None, {"age": 7}),
        (2, None, None, {"age": 40}),
    ]
    assert "Recommendations for row 2 (age=40):" in run(*words).out


def test_with_a_prior_a_cold_query_is_ranked_by_popularity(saved, run):
    out = run("recommend", saved / "ids.keras", "--id", 7, "--id", 5).out
    hot, cold = out.split("Recommendations for ")[1:]
    assert f"Not seen in training, and {COLD}, close to popularity." in cold
    assert "Not seen" not in hot


def test_evaluate_says_the_shares_of_the_rows(saved, rows, run):
    out = run("evaluate", saved / "features.keras", rows).out
    assert "Queries of the rows: 25% hot (trained), 50% warm (only features known), 25% cold" in out
    document = run("evaluate", saved / "features.keras", rows, "--json").document()
    assert document["query_knowledge"] == {"hot": 0.25, "warm": 0.5, "cold": 0.25}
    segments = run("evaluate", saved / "features.keras", rows, "--seen", rows).out
    ranked = segments.split("By query")[1].split("What is recommended")[0].splitlines()[1:]
    assert max(map(len, ranked)) <= 80
    named = [line[:15].strip() for line in ranked if " model " in line]
    assert named == [
        "all",
        "known queries",
        "new queries",
        "hot queries",
        "warm queries",
        "cold queries",
        "popular",
        "rare",
    ]


def test_train_says_the_shares_of_the_rows(trained):
    assert trained[1]["query_knowledge"].keys() == {"hot", "warm", "cold"}
    assert sum(trained[1]["query_knowledge"].values()) == pytest.approx(1)


@pytest.mark.parametrize("words", [(), ("--id", 7)], ids=["rows", "table"])
def test_a_misspelt_column_of_a_file_is_one_line(saved, tmp_path, run, words):
    path = tmp_path / "rows.csv"
    path.write_text("user_id,agee,diet\n7,30,vegan\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=UserWarning)
        finished = run("recommend", saved / "features.keras", "--queries", path, *words, "--json")
    assert finished.document()
    (line,) = finished.err.splitlines()
    assert line.startswith("reciperec: warning: ")
    assert "nothing reads the column 'agee', and 'age', which the query tower reads, is not given" in line
