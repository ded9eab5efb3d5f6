"""The benchmarks run, on sizes that say nothing about speed, and their tables have the rows that they promise."""

from __future__ import annotations

import importlib
import json
import runpy
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import reciperec_layers  # noqa: F401 - the sides are in this process
from benchmarks import side_by_side

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def run(script: str, *options: str) -> list[str]:
    """Returns the lines that a script printed, with single spaces."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, "--repeats", "1", *options],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


class SideHere:
    """A side in this process, in place of `side_by_side.Worker`. Peers may warn, as in a process of their own."""

    def __init__(self, side: side_by_side.Side, threads: int) -> None:
        package = sys.modules["reciperec_layers"]
        with warnings.catch_warnings(action="ignore"):
            self._run = side.build(**json.loads(json.dumps(side.arguments)))
        sys.modules["reciperec_layers"] = package  # which sides that must do without it have hidden

    def answer(self) -> None:
        """As it is built by now."""

    def run(self) -> dict[str, float]:
        with warnings.catch_warnings(action="ignore"):
            return self._run()

    def close(self) -> None:
        """As there is no process."""


class ProcessHere:
    """`subprocess.run` of a benchmark that measures new processes: code or a script is run in this one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, command: list[object], **options: object) -> subprocess.CompletedProcess[str]:
        before = self._capsys.readouterr().out
        _, first, *others = map(str, command)
        if first == "-c":
            exec(others[0], {})
        else:
            with self._monkeypatch.context() as patch:
                patch.setattr(sys, "argv", [first, *others])
                runpy.run_path(first, run_name="__main__")
        printed = self._capsys.readouterr().out
        print(before, end="")
        return subprocess.CompletedProcess(command, 0, stdout=printed)


@pytest.fixture
def lines_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Runs a script and its sides in this process, which has imported TensorFlow, and returns the lines printed.

    Sides of legacy Keras have processes of their own.
    """

    def lines(script: str, *options: str) -> list[str]:
        monkeypatch.syspath_prepend(BENCHMARKS)
        sides = importlib.import_module("side_by_side")
        worker = sides.Worker
        start = lambda side, threads: (worker if side.legacy_keras else SideHere)(side, threads)  # noqa: E731
        monkeypatch.setattr(sides, "Worker", start)
        monkeypatch.setattr(sys, "argv", [script, "--repeats", "1", *options])
        runpy.run_path(str(BENCHMARKS / script), run_name="__main__")
        return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    return lines


def test_table_size(lines_of):
    lines = lines_of(
        "table_size.py",
        *("--rows", "20,40", "--keras-rows", "", "--optimizers", "Adagrad"),
        *("--batch", "8", "--model-batch", "0", "--dim", "2", "--steps", "2"),
    )
    assert lines[1] == "side measured rows ms_a_step spread ratio"
    assert [line.rsplit(" ", 3)[0] for line in lines[2:]] == [
        "reciperec_layers EmbeddingTable, Adagrad 20",
        "reciperec_layers EmbeddingTable, Adagrad 40",
    ]
    assert lines[2].endswith(" 1.00")


def test_keras_embedding(lines_of):
    lines = lines_of(
        "keras_embedding.py",
        *("--users", "30", "--items", "20", "--batch", "8", "--dim", "2", "--steps", "2", "--keras-steps", "2"),
    )
    assert [line.rsplit(" ", 3)[0] for line in lines[1:]] == ["side", "reciperec_layers", "Keras 3"]


def test_step_parts(lines_of):
    lines = lines_of("step_parts.py", *("--batches", "8", "--recipes", "30,20", "--examples", "16"))
    assert lines[1] == "batch part us spread of_step gflop_per_s"
    assert [line.split(" ")[0] for line in lines[2:]] == ["8"] * 6
    assert lines[-1].startswith("8 a whole step ")
    assert lines[-1].endswith(" 1.00")


def test_evaluation(lines_of):
    sizes = ("--recipes", "30,20", "--recipe-rows", "25", "--steps-per-executions", "2")
    lines = lines_of("evaluation.py", *sizes, *("--large", "30,120", "--large-rows", "40", "--large-batch", "16"))
    assert [line.rsplit(" ", 5)[0] for line in lines[2:]] == [
        "recipes 25 20 10 2 reciperec_layers",
        "recipes 25 20 10 2 TFRS streaming",
        "large 40 120 16 1 reciperec_layers",
        "large 40 120 16 1 TFRS streaming",
        "large 40 120 16 1 TFRS BruteForce",
    ]


def test_tfrs_notebook(lines_of, shared_data):
    lines = lines_of("tfrs_notebook.py", str(shared_data / "recipes"), *("--sizes", "160,20"))
    assert lines[1] == "measure TFRS reciperec_layers.tfrs ratio"
    names = ["evaluate", "evaluate, 32 steps", "fit", "fit, no metrics"]
    assert [line.rsplit(" ", 3)[0] for line in lines[2:6]] == names
    assert sorted(line.split(" ")[0] for line in lines[6:]) == ["top-1", "top-10", "top-100", "top-5", "top-50"]


def test_first_recommendation(lines_of, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", ProcessHere(monkeypatch, capsys))
    lines = lines_of("first_recommendation.py", *("--candidates", "50", "--dim", "4"))
    assert lines[1] == "ids file_mb load first second load_and_first"
    assert [line.split(" ")[0] for line in lines[2:]] == ["int64", "text"]


def test_exact_top_k(lines_of):
    lines = lines_of("exact_top_k.py", *("--candidates", "300", "--dim", "4", "--batches", "3,1", "-k", "5"))
    sides = ["reciperec_layers", "TensorFlow", "faiss", "product"]
    assert [line.split(" ")[:2] for line in lines[2:]] == [[batch, side] for batch in "31" for side in sides]
    assert [line.split(" ")[5] for line in lines[2:] if "product" not in line] == ["True"] * 6


def test_approximate_search(lines_of):
    sizes = ("--candidates", "3000", "--dim", "4", "--queries", "2", "--lists", "10,20", "-k", "5")
    lines = lines_of("approximate_search.py", *sizes, "--data", "loose, skewed lengths")
    assert lines[1] == "data side recall part_percent ms spread ratio"
    sides = ["InvertedFileIndex", "BruteForceIndex", "faiss, 10 lists", "faiss, 20 lists"]
    assert [line.rsplit(" ", 5)[0] for line in lines[2:]] == [f"loose, skewed lengths {side}" for side in sides]
    assert lines[3].startswith("loose, skewed lengths BruteForceIndex 1.000 100.00 ")


def test_memory_over_models(lines_of, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", ProcessHere(monkeypatch, capsys))
    lines = lines_of("memory_over_models.py", *("--models", "3", "--users", "30", "--items", "20", "--dim", "2"))
    assert lines[1] == "side models mb_first mb_last mb_a_model"
    assert [line.rsplit(" ", 4)[0] for line in lines[2:]] == ["reciperec_layers", "Keras 3"]


def test_exported_bundle(lines_of):
    lines = lines_of("exported_bundle.py", *("--candidates", "300", "--dim", "4", "--calls", "3", "-k", "5"))
    assert [line.rsplit(" ", 4)[0] for line in lines[2:] if "exclude" not in line] == ["bundle", "product", "recommend"]
    assert [line.rsplit(" ", 1)[1] for line in lines[2:] if "exclude" not in line] == ["True"] * 3
    assert lines[3].startswith("bundle, exclude ")


def test_training_over_tfrs(lines_of):
    lines = lines_of(
        "training_over_tfrs.py",
        *("--cases", "recipes", "--recipes", "30,20", "--recipe-batch", "8", "--examples", "8"),
        *("--steps-per-executions", "2"),
    )
    assert "distinct_users distinct_items" in lines[1]
    assert [line.split(" ")[:5] + line.split(" ")[7:9] for line in lines[2:]] == [
        ["recipes", "30", "20", "skewed", "8", "2", "reciperec_layers"],
        ["recipes", "30", "20", "skewed", "8", "2", "TFRS"],
    ]


def test_in_batch_softmax(lines_of):
    lines = lines_of("in_batch_softmax.py", "--batches", "16,8", "--dim", "2", "--memory-batch", "16")
    losses = ("plain", "correction", "accidental hits")
    for batch in (16, 8):
        for loss in losses:
            for side in ("reciperec_layers", "TensorFlow"):
                assert sum(line.startswith(f"{batch} {loss} {side} ") for line in lines) == 1
        assert sum(line.startswith(f"{batch} plain matrix products ") for line in lines) == 1
    memory = lines[-2:]
    assert memory[0].startswith("reciperec_layers 16 ")
    assert memory[0].endswith(" measured")
    assert memory[1].startswith("logits alone 16 ")


def test_batches_io(lines_of):
    lines = lines_of("batches_io.py", "--rows", "100", "--peer-rows", "50", "--batch", "8")
    assert [line.rsplit(" ", 3)[0] for line in lines[2:]] == [
        "batches(frame) 100",
        "batches(Parquet file) 100",
        "from_tensor_slices.shuffle.batch 50",
    ]


def test_propose(lines_of):
    lines = lines_of("propose.py", "--rows", "300")
    assert lines[1] == "frame rows columns accepted seconds spread"
    assert [line.rsplit(" ", 2)[0] for line in lines[2:]] == [
        "candidates 300 10 8",
        "candidates beside interactions 300 10 9",
        "interactions 300 10 4",
    ]


def test_import_time():
    lines = run("import_time.py")
    names = ("import tensorflow", "import tensorflow, keras", "import tensorflow, keras, reciperec_layers")
    for line, name in zip(lines[2:], (*names, "reciperec --help"), strict=True):
        assert line.startswith(f"{name} ")


def test_side_that_fails():
    worker = side_by_side.Worker(side_by_side.Side(side_by_side.summary, {"values": []}), threads=1)
    with pytest.raises(SystemExit, match=r"side_by_side:summary failed, exit code 1:[\s\S]*no median for empty data"):
        worker.answer()
    worker.close()


@pytest.mark.parametrize("script", sorted(path.name for path in BENCHMARKS.glob("*.py")))
def test_documented(script: str):
    assert f"`{script}`" in (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    if "__main__" in (BENCHMARKS / script).read_text(encoding="utf-8") and script != "side_by_side.py":
        assert f"python benchmarks/{script}" in (BENCHMARKS.parent / "docs" / "benchmarks.md").read_text(
            encoding="utf-8"
        )


def test_one_recommendation(lines_of):
    lines = lines_of(
        "one_recommendation.py", *("--candidates", "20", "--callers", "1,2", "--calls", "4", "--dim", "2", "-k", "3")
    )
    assert lines[1] == "candidates side callers per_second ms spread over_one"
    sides = ("recommend", "recommend, features", "bundle", "NumPy")
    assert [line.rsplit(" ", 4)[0] for line in lines[2:]] == [f"20 {side} {num}" for side in sides for num in (1, 2)]


def test_half_life(shared_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["half_life.py", str(shared_data), "--splits", "1"])
    runpy.run_path(str(BENCHMARKS / "half_life.py"), run_name="__main__")
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["recipes", "recipes,", "worst", "ml-latest-small", "ml-latest-small,", "worst"]
    assert len(rows) == 6
    assert rows[0].startswith("likelihood, newest tenth, 5 steps (ours) ")
    assert all(0.3 < float(value) <= 1 for row in rows for value in row.split()[-4:])


def test_yardsticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    electronics, movies = tmp_path / "amazon_electronics_ultragcn", tmp_path / "ml-latest-small"
    electronics.mkdir()
    movies.mkdir()
    (electronics / "train.txt").write_text("\n".join(f"{user} {user % 4} {(user + 1) % 4}" for user in range(20)))
    (electronics / "test.txt").write_text("\n".join(f"{user} {(user + 2) % 4}" for user in range(20)))
    ratings = pd.DataFrame([(user, movie) for user in range(8) for movie in range(6)], columns=["userId", "movieId"])
    ratings.to_csv(movies / "ratings.csv", index=False)
    monkeypatch.setattr(sys, "argv", ["yardsticks.py", str(tmp_path), "--epochs", "1"])
    runpy.run_path(str(BENCHMARKS / "yardsticks.py"), run_name="__main__")
    lines = [line.split(" ")[0] for line in capsys.readouterr().out.splitlines()]
    rows = ["", "recommender", "model", "popularity", "item-kNN", "EASE", "ALS"]
    assert lines == ["electronics:", *rows, "ml-latest-small:", *rows]


@pytest.fixture
def movies(tmp_path: Path) -> Path:
    generator = np.random.default_rng(4)
    ratings = pd.DataFrame({"userId": generator.integers(0, 9, 200), "movieId": generator.integers(0, 20, 200)})
    ratings["timestamp"] = 10**9 + 86_400 * np.arange(200)
    genres = ["Drama|Comedy" if movie % 2 else "Horror" for movie in range(20)]
    films = pd.DataFrame({"movieId": range(20), "title": [f"Film {movie}" for movie in range(20)], "genres": genres})
    ratings.drop_duplicates(["userId", "movieId"]).to_csv(tmp_path / "ratings.csv", index=False)
    films.to_csv(tmp_path / "movies.csv", index=False)
    return tmp_path


def test_feature_steps(lines_of):
    lines = lines_of("feature_steps.py", *("--batch", "16", "--candidates", "40", "--steps", "1"))
    assert lines[1] == "side ms_a_step spread of_ids"
    assert [line.rsplit(" ", 3)[0] for line in lines[2:]] == ["ids", "features", "brought", "vectors", "encoded once"]


def test_corpus_softmax(lines_of):
    lines = lines_of("corpus_softmax.py", *("--queries", "8", "--candidates", "40", "--rows", "20", "--dim", "2"))
    assert lines[1] == "side ms spread processor_ms of_products processor_of_products"
    sides = ["products, tiles of 8", "TensorFlow", "CorpusSoftmax", "step"]
    assert [line.rsplit(" ", 5)[0] for line in lines[2:]] == sides


def test_frozen_encoder(lines_of, shared_data: Path, tmp_path: Path):
    recipes = pd.read_csv(shared_data / "recipes" / "mock-data_recipe.csv", nrows=200)
    pairs = pd.read_csv(shared_data / "recipes" / "mock-data_interaction.csv")
    recipes.to_csv(tmp_path / "mock-data_recipe.csv", index=False)
    pairs = pairs[pairs["recipe_id"].isin(recipes["recipe_id"])]
    pairs[:500].to_csv(tmp_path / "mock-data_interaction.csv", index=False)
    lines = lines_of("frozen_encoder.py", str(tmp_path), *("--encoder", "length", "--batch", "256"))
    assert lines[0].startswith("encoded in ")
    assert [line.rsplit(" ", 3)[0] for line in lines[2:]] == ["ids", "plain vectors", "encoded by length"]


def test_towers_by_name(lines_of, movies: Path):
    lines = lines_of("towers_by_name.py", str(movies), *("--towers", "id", "--seeds", "1", "--epochs", "1"))
    assert [line.split(" 0.")[0] for line in lines[2:]] == ["id", "popularity", "recent popularity"]


def test_cold_candidates(lines_of, movies: Path):
    lines = lines_of("cold_candidates.py", str(movies), *("--share", "0.5", "--draws", "1", "--epochs", "1"))
    assert lines[1] == "draw withheld recall@10 chance ratio"
    assert [line.split(" ")[:2] for line in lines[2:]] == [["0", "10"], ["mean", "10"]]
    assert lines[-1].endswith(" 1.00 1.00 1.00")  # all of the withheld are among ten
