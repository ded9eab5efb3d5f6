"""`reciperec evaluate` on saved models."""

from __future__ import annotations

import sys

import pytest

import reciperec_layers as rl
from reciperec_layers.seen import Seen

KEY = "factorized_top_k/top_10_categorical_accuracy"


def test_a_model_alone(data, trained, run):
    document = run("evaluate", trained[0], data[0], "--json").document()
    assert document["num_rows"] == 600
    assert document["num_candidates"] == 20
    assert not document["seen_left_out"]
    assert list(document["metrics"]) == ["model"]
    assert 0.5 < document["metrics"]["model"][KEY] <= 1
    finished = run("evaluate", trained[0], data[0])
    assert "--seen" in finished.out
    assert "popularity" not in finished.out.split("--seen")[0]


def test_seen_candidates_are_left_out_and_popularity_compared(data, trained, run):
    finished = run("evaluate", trained[0], data[0], "--seen", data[0])
    assert finished.code == 0, finished.err
    assert "600 rows have a candidate that was already seen" in finished.out
    document = run("evaluate", trained[0], data[0], "--seen", data[0], "--json").document()
    assert document["metrics"] == {name: dict.fromkeys(values, 0.0) for name, values in document["metrics"].items()}
    assert list(document["metrics"]) == ["model", "popularity", "recent popularity"]
    assert document["num_seen_candidates"] == 600
    assert document["verdict"].startswith(
        "At top-10 the model is level with popularity (.0000) and recent popularity (.0000"
    )
    assert document["verdict"] in finished.out


def test_the_column_of_times_is_named(tables, trained, run):
    interactions, _ = tables(
        "".join(f"{7000 + row % 30},{200 + row % 7},2024-01-{1 + row:02d}\n" for row in range(30)),
        "",
        names="user_id,recipe_id,when",
    )
    words = ("evaluate", trained[0], interactions, "--json")
    assert list(run(*words, "--seen", interactions).document()["metrics"]) == ["model", "popularity"]
    named = run(*words, "--seen", interactions, "--time", "when").document()
    assert list(named["metrics"]) == ["model", "popularity", "recent popularity"]
    for wrong, expected in (
        (("--time", "when"), "Add --seen TRAIN.csv"),
        (("--seen", interactions, "--time", "whne"), "The closest is 'when'"),
    ):
        finished = run(*words, *wrong)
        assert finished.code == 2
        assert expected in finished.only_error()


def test_segments_are_those_of_compare(data, trained, run):
    test, train = data[0], data[0]
    finished = run("evaluate", trained[0], test, "--seen", train)
    ranked, recommended = finished.out.split("By query")[1].split("What is recommended")
    lines = ranked.splitlines()
    assert [line.split()[0] for line in lines[4:7]] == ["all", "popularity", "recent"]
    assert max(map(len, lines[1:])) <= 80
    assert [line.split()[:2] for line in lines if "model" in line] == [
        ["all", "model"],
        ["known", "queries"],
        ["new", "queries"],
        ["popular", "model"],
        ["rare", "model"],
    ]
    records = run("evaluate", trained[0], test, "--seen", train, "--json").document()["segments"]
    assert [record["segment"] for record in records[::3]][:2] == ["all", "known queries"]
    assert records[0]["num_rows"] == 600
    assert recommended.splitlines()[2].split() == ["coverage@10", "interactions@10"]
    coverage, interactions = records[0]["coverage@10"], records[0]["interactions@10"]
    shown = recommended.splitlines()[4].split()
    assert shown == ["all", "model", f"{coverage:.4f}".removeprefix("0"), f"{interactions:,.1f}"]
    new = next(record for record in records if record["segment"] == "new queries")
    assert (new["num_rows"], new["recall@10"]) == (0, None)
    assert run("evaluate", trained[0], test, "--json").document()["segments"] == []


def test_yardsticks_stand_beside_popularity(data, trained, run):
    test, train = data[0], data[0]
    words = ("evaluate", trained[0], test, "--seen", train, "--yardsticks")
    document = run(*words, "--json").document()
    names = ["popularity", "recent popularity", "item-kNN", "EASE", "ALS"]
    assert list(document["metrics"]) == ["model", *names]
    assert list(document["baseline_seconds"]) == list(document["differences"]) == names
    assert {record["recommender"] for record in document["segments"]} == {"model", *names}
    of_ease = document["differences"]["EASE"]
    assert list(of_ease) == ["metric", "value", "other", "low", "high", "difference"]
    assert (of_ease["metric"], of_ease["difference"], document["losses"]) == ("recall@10", 0, [])
    (leaked,) = document["symptoms"]
    assert leaked.startswith("600 of 600 held-out pairs are among the training rows, so as seen ones they are misses.")
    finished = run(*words)
    assert leaked in finished.out.splitlines()
    assert [line.split()[-1] for line in finished.out.splitlines()[2:3]] == ["seconds"]
    assert max(map(len, finished.out.splitlines()[:11])) <= 80
    alone = run("evaluate", trained[0], test, "--yardsticks")
    assert alone.code == 2
    assert "Add --seen TRAIN.csv" in alone.only_error()


def test_everything_is_ranked_once(data, trained, run, tmp_path, monkeypatch):
    calls = []

    def count(owner, name):
        method = getattr(owner, name)

        def counted(*args, **options):
            calls.append(f"{owner.__name__}.{name}")
            return method(*args, **options)

        monkeypatch.setattr(owner, name, counted)

    for name in ("held_out_ranks", "recommend", "test_step"):
        count(rl.RetrievalModel, name)
    for name in ("__init__", "recommend"):
        count(rl.data.Popularity, name)
    count(Seen, "__init__")
    finished = run("evaluate", trained[0], data[0], "--seen", data[0], "--plots", tmp_path / "plots")
    assert finished.code == 0, finished.err
    assert sorted(calls) == [
        *["Popularity.__init__"] * 2,  # and recent popularity
        *["Popularity.recommend"] * 2,
        "RetrievalModel.held_out_ranks",
        "RetrievalModel.recommend",
        "Seen.__init__",
    ]


def test_unknown_candidates(tables, trained, run):
    interactions, _ = tables("7000,200\n7000,999\n", "")
    finished = run("evaluate", trained[0], interactions)
    assert finished.code == 2
    assert "999" in finished.only_error()
    document = run("evaluate", trained[0], interactions, "--unknown-candidates", "miss", "--json").document()
    assert document["num_unknown_candidates"] == 1
    assert document["metrics"]["model"]["factorized_top_k/top_100_categorical_accuracy"] == 0.5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "no rows"),
        ("x7,200\n", "the model's ids are integers"),
        ("7000,00200\n", "00200"),
        ("7000,\n", "missing"),
    ],
)
def test_wrong_interactions(tables, trained, run, content, expected):
    interactions, _ = tables(content, "")
    finished = run("evaluate", trained[0], interactions)
    assert finished.code == 2
    assert expected in finished.only_error()


def test_a_missing_column(tables, trained, run):
    interactions, _ = tables("7000,200\n", "", names="user_id,meal")
    finished = run("evaluate", trained[0], interactions)
    assert finished.code == 2
    assert "no column 'recipe_id'" in finished.only_error()


def test_plots(data, trained, run, tmp_path, monkeypatch):
    folder = tmp_path / "for_me" / "plots"
    words = ("evaluate", trained[0], data[0], "--seen", data[0], "--plots", folder)
    names = ["recall_over_k.png", "recommendation_spread.png", "embedding_map.png"]
    document = run(*words, "--json").document()
    assert document["plots"] == [str(folder / name) for name in names]
    (folder / names[0]).write_text("old")
    finished = run(*words)
    assert finished.err == ""
    assert [line for line in finished.out.splitlines() if str(folder) in line] == [
        f"The plots are in {folder}: {', '.join(names)}."
    ]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in names)
    assert run("evaluate", trained[0], data[0], "--json").document()["plots"] == []
    assert run("evaluate", trained[0], data[0], "--plots", folder).code == 0

    monkeypatch.setattr("reciperec_layers.cli.training_run.accuracies_of", None)  # what follows must fail before
    blocked = run("evaluate", trained[0], data[0], "--plots", data[0])
    assert blocked.code == 1
    assert "the folder cannot be created" in blocked.only_error()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    missing = run(*words)
    assert missing.code == 1
    assert "reciperec-layers[plots]" in missing.only_error()
