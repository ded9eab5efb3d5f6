"""Every ```python and ```bash block of the README and of the pages under docs/ runs; ```sh and ```text are only shown.

The blocks of one page share their names and a temporary folder with `interactions.csv` and `recipes.csv`. All code fits
into the content column of the built site, so that nothing is cut off or scrolls.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

REPOSITORY = Path(__file__).resolve().parents[1]
# What docs/stylesheets/extra.css leaves room for, beside both sidebars, in a window of 1280 pixels.
MAX_CODE_WIDTH = 88


def run_shell(example: Example) -> str | None:
    """Runs a block with `reciperec` on the path; a returned text is shown as a failure."""
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return f"exit code {finished.returncode}\n{finished.stdout}" if finished.returncode else None


SYBIL = Sybil([CodeBlockParser("python", PythonEvaluator()), CodeBlockParser("bash", run_shell)])
ALL_PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
PAGES = [page for page in ALL_PAGES if list(SYBIL.parse(page).examples())]


def code_lines(text: str) -> Iterator[str]:
    """Yields the lines inside fenced blocks."""
    is_code = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif is_code:
            yield line


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_code_of_page_fits_the_site(page: Path):
    assert [line for line in code_lines(page.read_text("utf-8")) if len(line) > MAX_CODE_WIDTH] == []


def test_code_lines_are_found():
    assert list(code_lines("a\n```python\nb\n\nc\n```\nd\n```sh\ne\n```\n")) == ["b", "", "c", "e"]


@pytest.mark.usefixtures("short_trainings")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_code_of_page_runs(page: Path, recipe_files: Path, shell_path: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(recipe_files)
    monkeypatch.setenv("PATH", shell_path)
    document = SYBIL.parse(page)
    document.namespace["__name__"] = "__main__"
    for example in document.examples():
        example.evaluate()


PLUGIN_PAGE = REPOSITORY / "docs" / "own_tower.md"


def shown_files(page: Path) -> dict[str, str]:
    """Returns the blocks after a comment `<!-- file: PATH -->`, by path."""
    pattern = r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$"
    return dict(re.findall(pattern, page.read_text("utf-8"), re.MULTILINE | re.DOTALL))


def test_the_plugin_of_the_guide_is_the_one_of_the_examples():
    shown = shown_files(PLUGIN_PAGE)
    plugin = REPOSITORY / "examples" / "plugin"
    explained = [plugin / "pyproject.toml", plugin / "tests" / "test_contracts.py"]
    explained += [path for path in plugin.glob("reciperec_kitchen/*.py") if path.name != "__init__.py"]
    assert shown.keys() == {str(path.relative_to(REPOSITORY)) for path in explained}
    for path, code in shown.items():
        assert code == (REPOSITORY / path).read_text("utf-8"), path
