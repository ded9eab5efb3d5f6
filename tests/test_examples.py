"""The examples run as people run them, on small data; the numbers of the notebook are in the documented range."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import reciperec_layers as rl

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(*command: str | Path, folder: Path, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_recipes_of_files(recipe_files: Path, preloaded: list[str]):
    done = run(*preloaded, EXAMPLES / "recipes.py", "interactions.csv", "recipes.csv", folder=recipe_files)
    assert done.returncode == 0, done.stderr
    table, recommended = done.stdout.split("saved and loaded recipes.keras")
    names = ("plain", "corrected", " popularity", "recent popularity")
    for text in (*names, "factorized_top_k/top_10_categorical_accuracy"):
        assert text in table
    assert recommended.count("Stew number") == 10  # five for each of two users, by name
    scores, ids = rl.load_model(recipe_files / "recipes.keras").recommend({"user_id": [6_145_350]}, k=3)
    assert ids.shape == scores.shape == (1, 3)


def test_recipes_synthetic_and_random_split(tmp_path: Path, preloaded: list[str]):
    sizes = ("--split", "random", "--train-size", "4000", "--test-size", "500", "--epochs", "1")
    done = run(*preloaded, EXAMPLES / "recipes.py", "--synthetic", *sizes, "--out", "model.keras", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4000 rows to train, 500 to test" in done.stdout
    assert (tmp_path / "model.keras").is_file()


@pytest.mark.parametrize("arguments", [(), ("interactions.csv",), ("--synthetic", "interactions.csv", "recipes.csv")])
def test_recipes_wrong_use(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["recipes.py", *arguments])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(EXAMPLES / "recipes.py"), run_name="__main__")
    assert "either two CSV files or --synthetic" in capsys.readouterr().err


def test_recipes_from_shell(recipe_files: Path, shell_path: str):
    words = ("interactions.csv", "recipes.csv", "--split", "time")
    done = run("bash", EXAMPLES / "recipes.sh", *words, folder=recipe_files, path=shell_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Stew number" in done.stdout
    assert (recipe_files / "recipes.keras").is_file()


def test_recipe_notebook(shared_data: Path):
    measured = runpy.run_path(str(EXAMPLES / "recipe_notebook.py"))["measure"](shared_data / "recipes")
    top_10 = measured["top-10"]
    plain = top_10[top_10.index.str.startswith("plain")]
    assert plain.between(0.15, 0.35).all(), plain
    assert top_10["corrected softmax, mean"] >= 0.58
