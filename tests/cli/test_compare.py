"""`reciperec compare`: several models on the same rows, with an interval over seeds."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.cli.conftest import reciperec

KEYS = [f"factorized_top_k/top_{k}_categorical_accuracy" for k in (1, 5, 10, 50, 100)]


@pytest.fixture(scope="module")
def compared(data, tmp_path_factory):
    config = tmp_path_factory.mktemp("configs") / "small.yaml"
    config.write_text("query_tower: id\ncandidate_tower: id\nembedding_dim: 4\n")
    words = ("--towers", "id,feature", "--config", config, "--seeds", 2, "--epochs", 1, "--batch-size", 64)
    return reciperec("compare", *data, *words, "--json")


def test_each_model_has_quality_over_seeds_size_and_time(data, compared, tmp_path, run):
    report = compared.document()
    assert list(report["models"]) == ["id", "feature", "small"]
    assert (report["split"], report["num_test_rows"], report["num_seeds"]) == ("time", 120, 2)
    for model in report["models"].values():
        assert list(model["metrics"]) == KEYS
        assert all(each["min"] <= each["mean"] <= each["max"] for each in model["metrics"].values())
        assert model["seconds"] > 0
    # Tables of 30 users and 20 recipes with a row for unknown ids each, and a gate for each number of an embedding.
    assert report["models"]["id"]["num_parameters"] == (31 + 21) * 32
    assert report["models"]["small"]["num_parameters"] == (31 + 21) * 4
    assert [line for line in compared.err.splitlines() if "seed" in line] == [
        f"{name}, seed {seed}" for name in ("id", "feature", "small") for seed in (42, 43)
    ]


def test_the_numbers_are_those_of_train(data, compared, tmp_path, run):
    options = ("--query-tower", "id", "--candidate-tower", "id", "--epochs", 1, "--batch-size", 64)
    trained = []
    for seed in (42, 43):
        out = tmp_path / f"{seed}.keras"
        trained.append(run("train", *data, "--out", out, *options, "--seed", seed, "--json").document())
    of_id = compared.document()["models"]["id"]
    for key in KEYS:
        values = [report["metrics"]["model"][key] for report in trained]
        assert of_id["metrics"][key] == pytest.approx({"mean": sum(values) / 2, "min": min(values), "max": max(values)})
        for baseline, measured in compared.document()["baselines"].items():
            assert measured[key] == pytest.approx(trained[0]["metrics"][baseline][key])
    assert list(compared.document()["baselines"]) == ["popularity", "recent popularity"]
    assert compared.document()["half_life_days"] == trained[0]["half_life_days"]
    assert "At top-10 id " in of_id["verdict"]


def test_a_table_is_printed(data, run):
    words = ("--towers", "id", "--seeds", 2, "--epochs", 1, "--train-size", 300, "--test-size", 50)
    out = run("compare", *data, *words).out
    assert "300 training and 50 test rows (split: random)" in out
    names = re.findall(r"^ +(id|min|max|popularity|recent popularity) ", out, re.MULTILINE)
    assert names == ["id", "min", "max", "popularity", "recent popularity"]
    assert max(map(len, out.splitlines()[:8])) <= 100
    assert "At top-10 id " in out


def test_a_model_that_loses_to_a_yardstick_is_told_so(data, run):
    options = {"--towers": "mlp", "--seeds": 1, "--epochs": 1, "--learning-rate": 0.0001, "--prior": "none"}
    words = (*(word for option in options.items() for word in option), "--yardsticks")
    finished = run("compare", *data, *words)
    lines = finished.out.splitlines()
    names = re.findall(r"^ +(mlp|popularity|recent popularity|item-kNN|EASE|ALS) ", finished.out, re.MULTILINE)
    assert names == ["mlp", "popularity", "recent popularity", "item-kNN", "EASE", "ALS"]
    found = next(line for line in lines if line.startswith("mlp loses to EASE: recall@10 "))
    assert re.fullmatch(r".* (\S+) against (\S+) \(difference -\S+ to -\S+\)\.", found)
    report = run("compare", *data, *words, "--json").document()
    for sentence in report["models"]["mlp"]["symptoms"]:
        assert f"mlp: {sentence}" in lines
    assert found in report["models"]["mlp"]["losses"]
    assert report["models"]["mlp"]["differences"]["EASE"]["high"] < 0
    assert all(seconds > 0 for seconds in report["baseline_seconds"].values())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "it is not said which models to compare"),
        (("--towers", "id,feture"), "Did you mean 'feature'"),
        (("--towers", "id,id"), "two models are called 'id'"),
        (("--towers", "id", "--config", "id.yaml"), "two models are called 'id'"),
        (("--config", "other.yaml"), "other.yaml: there is no option 'tower'. The closest is 'query_tower'"),
        (("--towers", "id", "--seeds", 0), "--seeds"),
        (("--towers", "id", "--time", "when"), "no column 'when'"),
    ],
)
def test_wrong_use_is_one_line(data, tmp_path, run, monkeypatch, options, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "id.yaml").write_text("epochs: 1")
    (tmp_path / "other.yaml").write_text("tower: 1")
    finished = run("compare", *data, *options)
    assert finished.code == 2
    assert expected in finished.only_error()


def test_a_model_that_cannot_be_made_is_told_before_any_is_trained(data, tmp_path, run):
    config = tmp_path / "bad.yaml"
    config.write_text("candidate_tower: {tower: feature, columns: [recipe_nam]}\n")
    finished = run("compare", *data, "--towers", "id", "--config", config, "--epochs", 1)
    assert finished.code == 2
    assert "recipe_nam" in finished.err
    assert "This is of the model 'bad'." in finished.err
    assert "seed 42" not in finished.err


def test_seen_candidates_are_left_out_where_asked(data, tmp_path, run):
    def popular_at(k):
        rows = [line.split(",")[:2] for line in data[0].read_text().splitlines()[1:]]  # in the order of time
        train, test = rows[:480], rows[480:]
        recipes = [line.split(",")[0] for line in data[1].read_text().splitlines()[1:]]
        counts = Counter(recipe for _, recipe in train)
        hits = 0
        for user, recipe in test:
            seen = {other for who, other in train if who == user}
            left = [each for each in recipes if each not in seen]
            hits += recipe in sorted(left, key=lambda each: -counts[each])[:k]
        return hits / len(test), sum([user, recipe] in train for user, recipe in test)

    expected, num_seen = popular_at(5)
    words = ("--epochs", 1, "--batch-size", 64, "--exclude-seen")
    compared = run("compare", *data, "--towers", "id", "--seeds", 1, *words, "--json").document()
    trained = run("train", *data, "--out", tmp_path / "model.keras", *words, "--json").document()
    assert compared["seen_left_out"]
    assert trained["seen_left_out"]
    assert compared["baselines"]["popularity"][KEYS[1]] == pytest.approx(expected)
    assert trained["metrics"]["popularity"][KEYS[1]] == pytest.approx(expected)
    assert trained["num_seen_candidates"] == num_seen > 0
    said = run("train", *data, "--out", tmp_path / "said.keras", *words).out
    assert "Candidates that a query had in training are left out of its ranking.\n" in said
    assert f"{num_seen} test rows have a candidate that was already seen; they are misses.\n" in said
    assert trained["metrics"]["model"][KEYS[-1]] <= 1 - num_seen / 120 + 1e-9
