"""Contract suite for what reads files, run by one line of a test."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reciperec_layers.errors import ReciperecError
from reciperec_layers.saving.asset import forget_assets
from reciperec_layers.testing.file_damage import damaged_files

_FORBIDDEN = (
    "ctypes.dlopen", "os.exec", "os.fork", "os.posix_spawn", "os.system", "pickle.find_class", "socket.connect",
    "socket.getaddrinfo", "subprocess.Popen", "urllib.Request", "webbrowser.open",
)  # fmt: skip
_READ_BY_PYTHON = tuple({sys.prefix, sys.base_prefix, sys.exec_prefix, "/proc", "/sys", "/dev"})


def check_damaged_files(
    path: str | Path,
    load: Callable[[Path], Any],
    answer: Callable[[Any], Any],
    *,
    files: Iterable[tuple[str, bytes]] | None = None,
) -> dict[str, int]:
    """Checks that damaged and hostile copies of a file are refused by an error of this package, or change nothing.

    No copy may execute something, import a package, or open a file elsewhere than beside it. Of the kinds that
    `damaged_files` describes, a `trap` must be refused, and an `edit` may give another answer.

    Args:
        path: A saved model, its weights, or an index, as small as possible.
        load: Loads a file, such as `rl.load_model` or `indexes.load_index`.
        answer: What must not change of the loaded object: arrays, or numbers and texts, in lists and dicts.
        files: Names and contents; by default those of `damaged_files(path)`.

    Returns:
        How many copies were `"refused"`, `"unchanged"` and `"edited"`.

    Raises:
        AssertionError: A copy has another outcome; names all of them.

    Example:
        >>> from reciperec_layers.indexes import BruteForceIndex, load_index
        >>> index, path = BruteForceIndex(), Path(tempfile.mkdtemp()) / "pies.index"
        >>> index.assign([[1.0], [2.0]], ids=["pie", "soup"])
        >>> index.save(path)
        >>> copies = damaged_files(path, num_cuts=5, num_flips=5, num_edits=5)
        >>> outcomes = check_damaged_files(path, load_index, lambda index: index.search([[1.0]], 1), files=copies)
        >>> outcomes["refused"] > 40
        True
    """
    expected = answer(load(Path(path)))
    outcomes, wrong = {"refused": 0, "unchanged": 0, "edited": 0}, []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / Path(path).name
        for name, content in damaged_files(path) if files is None else files:
            copy.write_bytes(content)
            outcome = _outcome(name, copy, load, answer, expected)
            if outcome in outcomes:
                outcomes[outcome] += 1
            else:
                wrong.append(f"{name}: {outcome}")
    assert not wrong, f"{len(wrong)} copies of {Path(path).name} are neither refused nor unchanged:\n" + "\n".join(
        wrong
    )
    return outcomes


def _outcome(name: str, copy: Path, load: Callable[[Path], Any], answer: Callable[[Any], Any], expected: Any) -> str:
    forget_assets()  # otherwise those of a file are not read where equal ones are alive
    try:
        with _watched() as events:
            found = answer(load(copy))
    except ReciperecError as error:
        if len(str(error).splitlines()) > 1:
            return f"an error of several lines: {error}"
        outcome = "refused"
    except Exception as error:
        return f"{type(error).__module__}.{type(error).__name__}: {str(error)[:200]}"
    else:
        outcome = "unchanged" if _same(found, expected) else "edited" if name.startswith("edit") else "a changed answer"
        if name.startswith("trap"):
            outcome = "loaded"
    if events:
        return f"it does what a file must not do: {events}"
    return outcome


def _same(found: Any, expected: Any) -> bool:
    one, other = keras.tree.flatten(found), keras.tree.flatten(expected)
    return len(one) == len(other) and all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


_events: list[str] | None = None  # those of the copy that is being loaded; an audit hook can never be removed
_is_hooked = False


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Collects what a program does that a file must not make it do. What C code opens is not seen."""
    global _events, _is_hooked
    if not _is_hooked:
        sys.addaudithook(_audit)
        _is_hooked = True
    events: list[str] = []
    _events = events
    try:
        yield events
    finally:
        _events = None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _events is None:
        return
    is_forbidden = (
        event in _FORBIDDEN
        or (event == "open" and not _may_open(arguments[0]))
        or (event == "import" and str(arguments[0]).partition(".")[0] not in sys.modules)
    )
    if is_forbidden:
        _events.append(f"{event} {str(arguments)[:200]}")


def _may_open(path: Any) -> bool:
    if not isinstance(path, (str, bytes)):
        return True  # a number of a file that is open already
    full = os.path.abspath(os.fsdecode(path))
    return full.startswith((*_READ_BY_PYTHON, *sys.path[1:], tempfile.gettempdir()))
