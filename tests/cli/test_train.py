"""`reciperec train`: from two CSV files to a saved model, and its errors."""

from __future__ import annotations

import csv
import os
import re
import shlex
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import keras
import pandas as pd
import pytest

import reciperec_layers as rl
from reciperec_layers.cli.training_data import Split
from reciperec_layers.cli.training_options import TrainingOptions
from reciperec_layers.cli.training_run import make_model

REPOSITORY = Path(__file__).resolve().parents[2]
PAIRS = "".join(f"{user},{recipe}\n" for user in (1, 2, 3) for recipe in (11, 12, 13))
RECIPES = "11,Soup\n12,Pie\n13,Stew\n"
KEYS = [f"factorized_top_k/top_{k}_categorical_accuracy" for k in (1, 5, 10, 50, 100)]


@pytest.mark.saving
def test_the_model_beats_popularity_and_says_what_it_did(data, trained):
    out, report = trained
    assert (report["split"], report["num_train_rows"], report["num_test_rows"]) == ("time", 480, 120)
    assert list(report["metrics"]) == ["model", "popularity", "recent popularity"]
    assert all(list(values) == KEYS for values in report["metrics"].values())
    model, popularity, recent = (values[KEYS[2]] for values in report["metrics"].values())
    assert model > max(popularity, recent)
    assert "the model beats popularity (" in report["verdict"]
    assert " and recent popularity (" in report["verdict"]
    assert out.exists()
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_popularity_is_that_of_the_training_rows(data, trained):
    with data[0].open(encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["dateLastModified"])
    train, test = rows[:480], rows[480:]
    times = [datetime.fromisoformat(row["dateLastModified"]) for row in train]
    half_life = trained[1]["half_life_days"]
    weights = {"popularity": [1.0] * len(train)}
    weights["recent popularity"] = [
        1.0 if half_life is None else 0.5 ** ((times[-1] - time).total_seconds() / 86_400 / half_life) for time in times
    ]
    for name, of_rows in weights.items():
        counts = dict.fromkeys((str(200 + i) for i in range(20)), 0.0)
        for row, weight in zip(train, of_rows, strict=True):
            counts[row["recipe_id"]] += weight
        best = sorted(counts, key=lambda recipe: -counts[recipe])[:10]
        expected = sum(row["recipe_id"] in best for row in test) / len(test)
        assert trained[1]["metrics"][name][KEYS[2]] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("popularity", "recent", "half_life", "verdict"),
    [
        (1, None, None, "beats popularity (.5000): .6000."),
        (0, None, None, "is level with popularity (.5000): .6000."),
        (-1, None, None, "is behind popularity (.5000): .6000."),
        (1, 1, 90, "beats popularity (.5000) and recent popularity (.7000, rows count half every 90 days): .6000."),
        (
            0,
            -1,
            1,
            "is level with popularity (.5000) and is behind recent popularity (.7000, rows count half every day): "
            ".6000.",
        ),
        (
            -1,
            1,
            0.5,
            "beats recent popularity (.7000, rows count half every 0.5 days) and is behind popularity (.5000): .6000.",
        ),
        (0, 0, None, "is level with popularity (.5000) and recent popularity (.7000, all rows count alike): .6000."),
    ],
)
def test_the_verdict_says_which_baselines_are_beaten(popularity, recent, half_life, verdict):
    from reciperec_layers.cli.training_run import Accuracies

    outcomes = {"popularity": popularity, "recent popularity": recent}
    outcomes = {name: outcome for name, outcome in outcomes.items() if outcome is not None}
    values = {"popularity": 0.5, "recent popularity": 0.7}
    baselines = {name: {KEYS[2]: values[name]} for name in outcomes}
    assert Accuracies({KEYS[2]: 0.6}, baselines, outcomes, half_life).verdict() == f"At top-10 the model {verdict}"


def test_the_next_command_works(trained, run):
    words = shlex.split(trained[1]["next_command"])
    assert words[0] == "reciperec"
    assert run(*words[1:]).code == 0


def test_a_table_is_printed(data, tmp_path, run):
    finished = run("train", *data, "--out", tmp_path / "model.keras", "--epochs", 1, "--name-column", "minutes")
    assert finished.code == 0, finished.err
    assert "popularity" in finished.out
    assert "top-100" in finished.out
    assert "epoch 1/1: loss" in finished.err
    row = re.compile(r"^ (model|popularity|recent popularity) +\S+ +\S+ +(\S+)", re.MULTILINE)
    assert [name for name, _ in row.findall(finished.out)] == ["model", "popularity", "recent popularity"]
    top_10 = dict(row.findall(finished.out))
    verdict = next(line for line in finished.out.splitlines() if line.startswith("At top-10 the model"))
    assert verdict.endswith(f": {top_10['model']}.")
    assert f"recent popularity ({top_10['recent popularity']}, " in verdict


def test_the_index_is_in_the_file(data, tmp_path, run):
    path = tmp_path / "model.keras"
    finished = run("train", *data, "--out", path, "--epochs", 1, "--index", "inverted_file", "--json")
    assert finished.code == 0, finished.err
    assert type(rl.load_model(path).candidate_index()) is rl.indexes.InvertedFileIndex


def test_an_index_that_cannot_be_built_fails_before_training(data, tmp_path, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    fitted = []
    monkeypatch.setattr(rl.RetrievalModel, "fit", lambda *args, **kwargs: fitted.append(args))
    finished = run("train", *data, "--out", tmp_path / "model.keras", "--epochs", 1, "--index", "inverted_file")
    assert finished.code == 1
    assert 'pip install "reciperec-layers[indexes]"' in finished.only_error()
    assert not fitted
    assert not list(tmp_path.glob("*.keras"))


def test_sizes_split_at_random(data, tmp_path, run):
    sizes = ("--train-size", 400, "--test-size", 50, "--epochs", 1, "--json")
    report = run("train", *data, "--out", tmp_path / "model.keras", *sizes).document()
    assert (report["split"], report["num_train_rows"], report["num_test_rows"]) == ("random", 400, 50)


def test_the_last_row_of_each_query_is_left_out(data, tmp_path, run):
    options = ("--split", "leave-last-out", "--epochs", 1, "--query-tower", "mlp", "--loss", "in_batch_softmax")
    options = (*options, "--no-sampling-correction")
    report = run("train", *data, "--out", tmp_path / "model.keras", *options, "--json").document()
    assert report["num_test_rows"] == 30


def test_ids_with_zeros_stay_text(tables, tmp_path, run):
    out = tmp_path / "model.keras"
    pairs = PAIRS.replace("1,", "00123,", 1)
    report = run("train", *tables(pairs, RECIPES), "--out", out, "--test-size", 1, "--seed", 0, "--json").document()
    assert report["split"] == "random"
    assert list(report["metrics"]) == ["model", "popularity"]
    assert "recent" not in report["verdict"]
    assert report["half_life_days"] is None
    document = run("recommend", out, "--id", "00123", "--id", "123", "--json").document()
    assert [(query["id"], query["known"]) for query in document["queries"]] == [("00123", True), ("123", False)]


def test_a_recipe_may_lack_a_name(tables, tmp_path, run):
    out = tmp_path / "model.keras"
    assert run("train", *tables(PAIRS, "11,Soup\n12,\n13,Stew\n"), "--out", out, "--json").code == 0
    (query,) = run("recommend", out, "--id", "1", "--json").document()["queries"]
    assert {each["recipe_name"] for each in query["recommendations"]} == {"Soup", "", "Stew"}


def test_unknown_candidates_are_an_error_or_misses(tables, tmp_path, run):
    paths = tables(PAIRS + "1,99\n2,99\n", RECIPES)
    error = run("train", *paths, "--out", tmp_path / "model.keras")
    assert error.code == 2
    assert "2 of 11 rows" in error.only_error()
    assert "99" in error.only_error()
    assert "--unknown-candidates miss" in error.only_error()
    words = ("--unknown-candidates", "miss", "--split", "leave-last-out", "--json")
    report = run("train", *paths, "--out", tmp_path / "model.keras", *words).document()
    assert (report["num_test_rows"], report["num_unknown_candidates"]) == (3, 2)
    assert [values[KEYS[4]] for values in report["metrics"].values()] == pytest.approx([1 / 3, 1 / 3])


@pytest.mark.parametrize(
    ("interactions", "recipes", "options", "expected"),
    [
        ("", RECIPES, (), "no rows"),
        (PAIRS, "", (), "no rows"),
        (PAIRS + ",11\n", RECIPES, (), "column 'user_id' are missing, in rows 10"),
        (PAIRS, RECIPES + "11,Again\n", (), "recipes.csv: column 'recipe_id'"),
        (PAIRS, RECIPES, ("--query-id", "user"), "The closest is 'user_id'"),
        (PAIRS, RECIPES, ("--split", "time"), "--time"),
        (PAIRS, RECIPES, ("--time", "when"), "no column 'when'"),
        (PAIRS, RECIPES, ("--name-column", "nam"), "no column 'nam'"),
        (PAIRS, RECIPES, ("--split", "time", "--test-size", "2"), "need a random split"),
        (PAIRS, RECIPES, ("--test-fraction", "2"), "test_fraction"),
        (PAIRS, RECIPES, ("--query-tower", "idd"), "Did you mean 'id'"),
        (PAIRS, RECIPES, ("--index", "inverted"), "Did you mean 'inverted_file'"),
        (PAIRS, RECIPES, ("--batch-size", "0"), "batch_size"),
        (PAIRS, RECIPES, ("--embedding-dim", "0"), "embedding_dim"),
        (PAIRS, RECIPES, ("--temperature", "0"), "temperature"),
        (PAIRS, RECIPES, ("--id-dropout", "1"), "id_dropout"),
        (PAIRS, RECIPES, ("--epochs", "0"), "--epochs"),
        (PAIRS, RECIPES, ("--seed", "x"), "--seed"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(tables, tmp_path, run, interactions, recipes, options, expected):
    finished = run("train", *tables(interactions, recipes), "--out", tmp_path / "model.keras", *options)
    assert finished.code == 2
    assert expected in finished.only_error()
    assert not list(tmp_path.glob("*.keras"))


def test_a_missing_column_names_the_options(tables, tmp_path, run):
    finished = run("train", *tables(PAIRS, RECIPES, "user_id,meal"), "--out", tmp_path / "model.keras")
    assert finished.code == 2
    assert "--candidate-id" in finished.only_error()


def test_a_missing_file(tables, tmp_path, run):
    _, recipes = tables(PAIRS, RECIPES)
    finished = run("train", tmp_path / "none.csv", recipes, "--out", tmp_path / "model.keras")
    assert finished.code == 2
    assert "No such file" in finished.only_error()


def test_separators_are_recognized(tables, tmp_path, run):
    paths = tables(PAIRS, RECIPES)
    for path, separator in zip(paths, "\t;", strict=True):
        path.write_text(path.read_text().replace(",", separator))
    out = tmp_path / "model.keras"
    assert run("train", *paths, "--out", out, "--json").code == 0
    assert run("evaluate", out, paths[0], "--json").code == 0
    assert run("recommend", out, "--id", 1, "--interactions", paths[0], "--json").code == 0


def test_a_separator_is_named(tables, tmp_path, run):
    paths = tables(PAIRS, RECIPES)
    for path in paths:
        path.write_text(path.read_text().replace(",", ":"))
    out = tmp_path / "model.keras"
    finished = run("train", *paths, "--out", out)
    assert finished.code == 2
    assert "one column only" in finished.only_error()
    assert "--sep" in finished.only_error()
    finished = run("train", *paths, "--out", out, "--sep", "::")
    assert (finished.code, "`sep` must be one character" in finished.only_error()) == (2, True)
    report = run("train", *paths, "--out", out, "--sep", ":", "--json").document()
    assert run(*shlex.split(report["next_command"])[1:]).code == 0
    finished = run("evaluate", out, paths[0])
    assert (finished.code, "one column only" in finished.only_error()) == (2, True)
    assert run("evaluate", out, paths[0], "--sep", ":", "--seen", paths[0], "--json").code == 0
    assert run("recommend", out, "--id", 1, "--sep", ":", "--interactions", paths[0], "--json").code == 0


@pytest.mark.parametrize(("name", "options"), [("id", ()), ("code", ("--candidates-id-column", "code"))])
def test_ids_of_candidates_may_have_another_name(tables, tmp_path, run, name, options):
    interactions, recipes = tables(PAIRS, RECIPES)
    recipes.write_text(recipes.read_text().replace("recipe_id", name))
    out = tmp_path / "model.keras"
    assert run("train", interactions, recipes, "--out", out, *options, "--json").code == 0
    assert rl.load_model(out).corpus.names == ("recipe_id", "recipe_name")
    assert run("evaluate", out, interactions, "--json").code == 0


def test_an_unusual_name_of_ids_names_the_option(tables, tmp_path, run):
    interactions, recipes = tables(PAIRS, RECIPES)
    recipes.write_text(recipes.read_text().replace("recipe_id", "code"))
    finished = run("train", interactions, recipes, "--out", tmp_path / "model.keras")
    assert finished.code == 2
    assert "--candidates-id-column" in finished.only_error()


@pytest.mark.parametrize("wrong", ["interactions", "recipes"])
def test_leading_zeros_in_one_file_are_named_as_the_cause(tables, tmp_path, run, wrong):
    pairs, recipes = PAIRS.replace(",1", ",01"), RECIPES
    if wrong == "recipes":
        pairs, recipes = PAIRS, "".join(f"0{line}\n" for line in RECIPES.splitlines())
    for options in ((), ("--unknown-candidates", "miss")):
        finished = run("train", *tables(pairs, recipes), "--out", tmp_path / "model.keras", *options)
        assert finished.code == 2
        here, there = ("'011'", "'11'") if wrong == "interactions" else ("'11'", "'011'")
        assert f"The ids differ in leading zeros: {here} here, {there} there" in finished.only_error()


def test_folders_are_named(tables, tmp_path, run, monkeypatch):
    interactions, recipes = tables(PAIRS, RECIPES)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "model.keras"
    for words in ((".", recipes), (interactions, "."), ("", recipes), (tmp_path, recipes)):
        finished = run("train", *words, "--out", out)
        assert finished.code == 2
        name = tmp_path.name if words[0] == tmp_path else "."
        assert f"read_csv: {name}: the file cannot be read (Is a directory)" in finished.only_error()
    for command in (("recommend", ".", "--id", 1), ("evaluate", ".", interactions), ("export", ".", "bundle")):
        finished = run(*command)
        assert finished.code == 2
        assert "it is a folder" in finished.only_error()
        assert "'.'" in finished.only_error()


@pytest.mark.parametrize("name", ["none/model.keras", "model.h5", "folder.keras"])
def test_outputs_that_cannot_be(tables, tmp_path, run, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.keras").mkdir()
    finished = run("train", *tables(PAIRS, RECIPES), "--out", name)
    assert finished.code == 2
    assert name in finished.only_error()


def test_an_output_that_exists_stays_whole(tables, tmp_path, run):
    out = tmp_path / "model.keras"
    out.write_text("precious")
    finished = run("train", *tables(PAIRS, RECIPES), "--out", out)
    assert finished.code == 2
    assert "--overwrite" in finished.only_error()
    assert out.read_text() == "precious"
    assert run("train", *tables(PAIRS, RECIPES), "--out", out, "--overwrite", "--json").code == 0
    assert run("recommend", out, "--id", 1).code == 0


def test_a_checkpoint_of_an_earlier_run_is_not_overwritten(tables, tmp_path, run):
    checkpoint = tmp_path / "model.checkpoint.keras"
    checkpoint.write_text("precious")
    finished = run("train", *tables(PAIRS, RECIPES), "--out", tmp_path / "model.keras")
    assert finished.code == 2
    assert "checkpoint" in finished.only_error()
    assert "--overwrite" in finished.only_error()
    assert checkpoint.read_text() == "precious"


def test_two_trainings_at_once_lose_nothing(data, tmp_path, run, monkeypatch):
    from reciperec_layers.cli.progress import TrainingProgress

    out, others = tmp_path / "model.keras", []

    def another_starts(self, epoch, logs=None):
        if epoch == 0 and not others:
            others.append(None)  # not again in the other
            others[0] = run("train", *data, "--out", out, "--epochs", 1)
            (tmp_path / "model.checkpoint.keras").write_text("of a third, which goes on")

    monkeypatch.setattr(TrainingProgress, "on_epoch_begin", another_starts)
    finished = run("train", *data, "--out", out, "--epochs", 2)
    assert (others[0].code, finished.code) == (0, 2)
    assert f"the file exists. Received: path='{out}'" in finished.only_error()
    kept = tmp_path / "model.checkpoint-2.keras"
    assert f"The last finished epoch is kept in {kept}." in finished.only_error()
    assert (tmp_path / "model.checkpoint.keras").read_text() == "of a third, which goes on"
    for path in (out, kept):
        assert run("recommend", path, "--id", 7000).code == 0
    assert len(list(tmp_path.iterdir())) == 3
    assert "Replace the file by it with --resume --overwrite." in finished.only_error()
    assert run("train", *data, "--out", out, "--epochs", 2, "--resume", "--overwrite").code == 0
    assert not kept.exists()


def test_a_name_as_long_as_it_can_be(data, tmp_path, run):
    stem = "é" * 124
    out = tmp_path / f"{stem}.keras"
    assert run("train", *data, "--out", out, "--epochs", 1).code == 0
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    longer = run("train", *data, "--out", tmp_path / f"{stem}aa.keras")
    assert longer.code == 2
    assert "File name too long" in longer.only_error()


def test_names_that_no_file_can_have(data, trained, tmp_path, run):
    evaluate = ("evaluate", trained[0], data[0], "--plots")
    for words in (("train", *data, "--out"), ("export", trained[0]), evaluate, ("demo", "--keep")):
        for name, problem in (("a\udcff.keras", "not valid Unicode text"), ("a" * 300 + ".keras", "too long")):
            finished = run(*words, tmp_path / name)
            assert finished.code in (1, 2)
            assert problem in finished.only_error()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_the_last_checkpoint_and_the_old_file(data, tmp_path, run, monkeypatch):
    from reciperec_layers.cli.progress import TrainingProgress

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingProgress, "on_epoch_begin", interrupt)
    out = tmp_path / "model.keras"
    out.write_text("precious")
    finished = run("train", *data, "--out", out, "--overwrite")
    assert finished.code == 130
    assert "Interrupted" in finished.only_error()
    assert "model.checkpoint.keras" in finished.only_error()
    assert out.read_text() == "precious"
    assert run("recommend", tmp_path / "model.checkpoint.keras", "--id", 7000).code == 0


def test_ctrl_c_ends_the_process_with_its_code(data, tmp_path):
    words = ["train", *map(str, data), "--out", str(tmp_path / "model.keras"), "--epochs", "10000"]
    # A shell starts what runs in its background with SIGINT ignored, and processes below inherit that.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from reciperec_layers.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stderr is not None
    while not process.stderr.readline().startswith("epoch 2/"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    kept = tmp_path / "model.checkpoint.keras"
    assert err.splitlines()[-1].endswith(f"kept in {kept}. Go on with --resume.")
    assert [path.name for path in tmp_path.glob("*")] == ["model.checkpoint.keras"]
    assert keras.models.load_model(tmp_path / "model.checkpoint.keras").corpus is not None


def test_a_loss_that_is_not_finite_stops_training(data, tmp_path, run):
    options = ("--learning-rate", "1e30", "--batch-size", 16, "--query-tower", "mlp")
    finished = run("train", *data, "--out", tmp_path / "model.keras", *options)
    assert finished.code == 1
    error = finished.only_error()
    assert "step" in error
    assert "lower learning rate" in error
    assert "of epoch 1" in error
    assert "nothing was kept" in error
    assert not (tmp_path / "model.keras").exists()


@pytest.mark.saving
def test_the_real_recipes(shared_data, tmp_path, run):
    recipes = shared_data / "recipes"
    paths = recipes / "mock-data_interaction.csv", recipes / "mock-data_recipe.csv"
    out = tmp_path / "recipes.keras"
    report = run("train", *paths, "--out", out, "--json").document()
    assert report["num_candidates"] == 100
    assert list(report["metrics"]) == ["model", "popularity", "recent popularity"]
    # Popularity whose rows count half as much every 90 days.
    recent = (0.2496, 0.6651, 0.7372, 0.9533)
    found = [report["metrics"]["model"][key] for key in KEYS]
    assert all(value > least - 5e-5 for value, least in zip(found, recent, strict=False)), found
    leaks = {"reviews", "review_nums", "aver_rate"}
    assert {name for name, reason in report["left_out"].items() if reason.startswith("leak")} == leaks
    sizes = ("--train-size", 6000, "--test-size", 2000, "--epochs", 1)
    at_random = run("train", *paths, "--out", tmp_path / "random.keras", *sizes, "--json").document()["metrics"]
    assert all(at_random["model"][key] > at_random["popularity"][key] for key in KEYS[:4]), at_random
    names = run("recommend", out, "--id", 8542392, "-k", 100, "--interactions", paths[0], "--json").document()
    found = {each["recipe_name"] for each in names["queries"][0]["recommendations"]}
    assert "Homemade Bacon" not in found  # the first row of the file: this user has had it
    assert len(found) >= 90


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("CorpusSoftmax", 0.2, 4096)),
        ({"temperature": 0.3}, ("CorpusSoftmax", 0.3, 4096)),
        ({"loss": "corpus_softmax"}, ("CorpusSoftmax", 0.2, 4096)),
        ({"loss": "in_batch_softmax", "sampling_correction": False}, ("InBatchSoftmax", 0.1, None)),
    ],
)
def test_the_loss_of_a_large_corpus_is_what_was_asked_for(options, expected, data, monkeypatch):
    monkeypatch.setattr("reciperec_layers.training.compile_arguments._LARGE", 19)
    interactions, recipes = map(pd.read_csv, data)
    split = Split(interactions, interactions, recipes, "user_id", "recipe_id")
    loss = make_model(split, TrainingOptions(**options)).in_batch_loss
    assert (type(loss).__name__, round(loss.temperature, 6), getattr(loss, "num_sampled", None)) == expected
    corrects = options.get("sampling_correction", True)
    assert getattr(loss, "sampling_correction", "counts") == ("counts" if corrects else None)
