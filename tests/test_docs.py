"""Every ```python and ```bash block of the README and of the pages under docs/ runs; ```sh and ```text are only shown.

The blocks of one page share their names and a temporary folder, which holds `interactions.csv` and `recipes.csv`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

REPOSITORY = Path(__file__).resolve().parents[1]


def run_shell(example: Example) -> str | None:
    """Runs a block with the installed `reciperec` on the path; what it returns is shown as a failure."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed],
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return f"exit code {finished.returncode}\n{finished.stdout}" if finished.returncode else None


SYBIL = Sybil([CodeBlockParser("python", PythonEvaluator()), CodeBlockParser("bash", run_shell)])
PAGES = [
    page
    for page in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    if list(SYBIL.parse(page).examples())
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_code_of_page_runs(page: Path, recipe_files: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(recipe_files)
    document = SYBIL.parse(page)
    document.namespace["__name__"] = "__main__"
    for example in document.examples():
        example.evaluate()
