"""Running the command line in this process, and one small model for all tests."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reciperec_layers.cli import main

_PROGRESS = ("epoch ", "too few rows to hold some out")


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def document(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        return json.loads(self.out)

    def only_error(self) -> str:
        """The one line that a failed command prints to the standard error, and nothing to the standard output."""
        assert self.out == ""
        lines = [line for line in self.err.splitlines() if not line.startswith(_PROGRESS)]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("reciperec: error: ")
        return lines[0]


def reciperec(*words: object) -> Finished:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(word) for word in words])
    return Finished(code, out.getvalue(), err.getvalue())


def write_data(folder: Path) -> tuple[Path, Path]:
    """Writes interactions of 30 users with 20 recipes, who like those of their own parity, and the recipes."""
    generator = np.random.default_rng(0)
    lines = ["user_id,recipe_id,rating,dateLastModified"]
    for row in range(600):
        user = int(generator.integers(30))
        recipe = int(generator.integers(10)) * 2 + user % 2
        time = f"2017-{1 + row // 60:02d}-{1 + row % 60 // 3:02d}T12:00:0{row % 3}"
        lines.append(f"{7000 + user},{200 + recipe},5,{time}")
    names = {0: "Soup [/b] [red]", 1: "</script><b>Pie</b>", 2: "Bell\x07 \x1b[31mred"}
    recipes = ["recipe_id,recipe_name,minutes", *(f"{200 + i},{names.get(i, f'Dish {i}')},{i}" for i in range(20))]
    paths = folder / "interactions.csv", folder / "recipes.csv"
    for path, content in zip(paths, (lines, recipes), strict=True):
        path.write_text("\n".join(content) + "\n", encoding="utf-8")
    return paths


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def trained(data: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A model's file, and what `train --json` said of it."""
    out = tmp_path_factory.mktemp("model") / "recipes.keras"
    options = ("--epochs", 10, "--batch-size", 64, "--learning-rate", 0.02)
    finished = reciperec("train", *data, "--out", out, *options, "--json")
    return out, finished.document()


@pytest.fixture
def run() -> Any:
    return reciperec


@pytest.fixture
def tables(tmp_path: Path) -> Any:
    """Writes two CSV files with ids `user_id`, `recipe_id` from lines below the names of the columns."""

    def write(interactions: str, recipes: str, names: str = "user_id,recipe_id") -> tuple[Path, Path]:
        paths = tmp_path / "interactions.csv", tmp_path / "recipes.csv"
        paths[0].write_text(f"{names}\n{interactions}", encoding="utf-8")
        paths[1].write_text(f"recipe_id,recipe_name\n{recipes}", encoding="utf-8")
        return paths

    return write
