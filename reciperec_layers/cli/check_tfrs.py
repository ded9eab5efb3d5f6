"""`reciperec check-tfrs`: what changes in scripts and notebooks of TensorFlow Recommenders."""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from reciperec_layers.cli.options import Debug, Json
from reciperec_layers.cli.output import reported_errors, say, say_json
from reciperec_layers.cli.tfrs_findings import CHANGE, Finding, edited, findings_of
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.saving.atomic_files import check_writable, write_beside

_OWNER = "check-tfrs"
# Of the lines to look at, in the summary.
_PLACES_SHOWN = 8


@dataclass(frozen=True)
class _Checked:
    """A file, what was found in each of its cells (a script is one), and its new contents."""

    path: Path
    findings: Sequence[tuple[int | None, Finding]]
    contents: str


def check_tfrs(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Scripts and notebooks (.py, .ipynb).")],
    write: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write copies with all safe changes into this folder.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files in that folder.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List what changes in code for TensorFlow Recommenders when it runs on `reciperec_layers.tfrs`. Nothing is run."""
    with reported_errors(debug):
        checked = [_check(path) for path in files]
        written = [] if write is None else _write(checked, write, overwrite)
        if json:
            say_json(
                {
                    "files": [{"path": str(each.path), "findings": _records(each)} for each in checked],
                    "written": [str(path) for path in written],
                }
            )
            return
        others = []
        for each in checked:
            for cell, finding in each.findings:
                where = f"{finding.line}" if cell is None else f"cell {cell}:{finding.line}"
                say(f"{each.path}:{where}: {finding.kind}: {finding.text}")
                others += [f"{each.path.name}:{where}"] if finding.kind != CHANGE else []
        changes = sum(len(each.findings) for each in checked) - len(others)
        at = "" if not others else f" ({', '.join(others[:_PLACES_SHOWN])}{', ...' if others[_PLACES_SHOWN:] else ''})"
        say(f"{_counted(changes, 'safe change')}, {_counted(len(others), 'line')} to look at{at}.")
        for path in written:
            say(f"Written to {path}.")
        if write is None and changes:
            say("--write FOLDER makes the safe changes in copies.")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _check(path: Path) -> _Checked:
    if path.suffix not in (".py", ".ipynb"):
        raise ArgumentError(explain(_OWNER, "a file must end with .py or .ipynb", file=path, fix="Pass such files"))
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        problem = "there is no such file" if is_missing else f"it cannot be read ({error.strerror})"
        raise ArgumentError(explain(_OWNER, problem, file=path, fix="Check the path")) from None
    except UnicodeDecodeError as error:
        raise ArgumentError(explain(_OWNER, f"it is not UTF-8 ({error})", file=path, fix="Save it so")) from None
    if path.suffix == ".py":
        (findings,) = _findings([text], path)
        return _Checked(path, [(None, finding) for finding in findings], edited(text, findings))
    return _check_notebook(text, path)


def _check_notebook(text: str, path: Path) -> _Checked:
    try:
        notebook: Any = jsons.loads(text)
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError, TypeError) as error:
        problem = f"it is no notebook ({type(error).__name__})"
        raise ArgumentError(explain(_OWNER, problem, file=path, fix="Save it again in Jupyter")) from None
    found = _findings(sources, path)
    for cell, source, findings in zip(cells, sources, found, strict=True):
        cell["source"] = edited(source, findings).splitlines(keepends=True)
    numbered = [(number, finding) for number, findings in enumerate(found, 1) for finding in findings]
    return _Checked(path, numbered, jsons.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def _findings(cells: list[str], path: Path) -> list[list[Finding]]:
    try:
        return findings_of(cells)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        cell = "" if path.suffix == ".py" else f" of cell {getattr(error, 'filename', '')}"
        where = "it" if line is None else f"line {line}{cell}"
        problem = f"{where} is no Python: {getattr(error, 'msg', error)}"
        raise ArgumentError(explain(_OWNER, problem, file=path, fix="Mend it, then check again")) from None


def _write(checked: list[_Checked], folder: Path, overwrite: bool) -> list[Path]:
    targets = [folder / each.path.name for each in checked]
    twice = next((target for target in targets if targets.count(target) > 1), None)
    if twice is not None:
        fix = "Check them in two calls, each with a folder of its own"
        raise ArgumentError(explain(_OWNER, f"two files are called {twice.name!r}", fix=fix))
    folder.mkdir(parents=True, exist_ok=True)
    for target in targets:
        check_writable(target, overwrite)
    for each, target in zip(checked, targets, strict=True):
        write_beside(target, partial(_write_text, text=each.contents), overwrite)
    return targets


def _write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def _records(checked: _Checked) -> list[dict[str, Any]]:
    return [
        {"cell": cell, "line": finding.line, "kind": finding.kind, "text": finding.text}
        for cell, finding in checked.findings
    ]
