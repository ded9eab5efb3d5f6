"""Output of the commands: plain text, JSON, and one-line errors."""

from __future__ import annotations

import json
import os
import sys
import traceback
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from reciperec_layers.errors import ModelFileError, OutputExistsError, ReciperecError

EXIT_FAILURE = 1
EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141  # what a shell reports of a process that SIGPIPE has ended

_BIDI_CONTROLS = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))


def plain(text: object) -> str:
    r"""Returns text that is safe to print to a terminal: control characters become escapes.

    Example:
        >>> print(plain("Soup\x1b[31m [/b] é\n"))
        Soup\x1b[31m [/b] é\n
    """
    return "".join(_escaped(char) if _is_control(char) else char for char in str(text))


def say(text: str = "") -> None:
    """Prints a line to standard output.

    Example:
        >>> say("[b]Soup[/b]")
        [b]Soup[/b]
    """
    print(plain(text))


def say_error(*parts: object) -> None:
    """Prints an error on one line to standard error."""
    print("reciperec: error:", *map(plain, parts), file=sys.stderr)


def say_json(document: dict[str, Any]) -> None:
    """Prints a JSON document to standard output. NumPy scalars become plain numbers.

    Example:
        >>> import numpy as np
        >>> say_json({"k": np.int64(10)})
        {
          "k": 10
        }
    """
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False, default=lambda value: value.item()))


@contextmanager
def reported_errors(debug: bool) -> Iterator[None]:
    """Turns an exception into one line on standard error and an exit code, and warnings into such lines.

    Args:
        debug: Whether to print the traceback as well.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _WarningLines()
            yield
    except BrokenPipeError as error:
        # Who read the output has had enough, as `head` does; what is left of it must not fail at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_BROKEN_PIPE) from error
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        say_error(_describe(error), *getattr(error, "__notes__", ()))
        raise typer.Exit(_exit_code(error)) from error


class _WarningLines:
    """Prints each warning once, on one line, to standard error."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, message: Warning | str, *details: Any, **others: Any) -> None:
        if str(message) not in self._said:
            self._said.add(str(message))
            print("reciperec: warning:", plain(message), file=sys.stderr)


def _describe(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted."
    if isinstance(error, ReciperecError):
        return " ".join(str(error).split("\n"))
    first_line = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {first_line}. Use --debug for the traceback."


def _exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    is_wrong_use = isinstance(error, (ValueError, TypeError, KeyError, OutputExistsError))
    if isinstance(error, ReciperecError) and is_wrong_use and not isinstance(error, ModelFileError):
        return EXIT_WRONG_USE
    return EXIT_FAILURE


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _BIDI_CONTROLS


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
