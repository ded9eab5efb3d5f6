"""The exceptions of the package, and the common form of their messages.

Every exception derives from `ReciperecError` and from the builtin exception that callers would expect, so that both
`except ReciperecError` and `except ValueError` work. `explain` builds the messages: who complains, what was expected,
what was received, and what to do.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

_MAX_VALUE_CHARS = 80
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_KERAS_HEADING = "Exception encountered when calling "
_MAX_ERROR_CHARS = 300


class ReciperecError(Exception):
    """Base of every exception that the package raises on purpose."""

    # Keras adds the arguments of every enclosing layer to an exception raised in `call`, unless it carries this mark;
    # our messages already say what is wrong in one line.
    _keras_call_info_injected = True

    def __str__(self) -> str:
        # KeyError shows the repr of its message, and OSError has its own form; ours show the message as it is.
        return Exception.__str__(self)


class ArgumentError(ReciperecError, ValueError):
    """An argument has a value that cannot be used."""


class ArgumentTypeError(ReciperecError, TypeError):
    """An argument has a type that cannot be used."""


class ColumnError(ReciperecError, KeyError):
    """A column or feature is missing."""


class IdError(ReciperecError, ValueError):
    """Ids are missing, repeated, of mixed types, or of a type that cannot be an id."""


class UnknownIdError(IdError):
    """Ids are not in the vocabulary or corpus, and unknown ids are not allowed."""


class VocabularyMismatchError(ReciperecError, ValueError):
    """Weights or files belong to a different vocabulary or catalogue."""


class UnknownNameError(ReciperecError, KeyError):
    """A name is not registered."""


class RegistrationError(ReciperecError, ValueError):
    """A name cannot be registered."""


class PluginError(ReciperecError, ImportError):
    """A plugin is broken, ambiguous, or not installed."""


class MissingExtraError(ReciperecError, ImportError):
    """An optional library is not installed."""


class BackendError(ReciperecError, ImportError):
    """Keras runs on a backend that the package does not support."""


class StateError(ReciperecError, RuntimeError):
    """An object is not ready for this call, for example `recommend` on a model without candidates."""


class NotIndexedError(StateError, ValueError):
    """An index is asked before it has candidates; a `ValueError`, as in TensorFlow Recommenders."""


class DivergedError(ReciperecError, FloatingPointError):
    """Training produced a loss or embeddings that are not finite."""


class ModelFileError(ReciperecError, ValueError):
    """A file is not a saved model, or is damaged."""


class OutputExistsError(ReciperecError, FileExistsError):
    """A file would be overwritten."""


class OutputError(ReciperecError, OSError):
    """A file cannot be written."""


def explain(owner: str, problem: str, *, fix: str, **received: Any) -> str:
    """Builds an error message in the common form: owner, problem, received values, fix.

    Args:
        owner: Name of the class or function that complains.
        problem: What was expected, or what is wrong; no full stop at the end.
        fix: What to do; no full stop at the end.
        **received: Received values by argument name. Arrays are shown as shape and dtype, other values are cut at
            80 characters.

    Returns:
        One line of text.

    Example:
        >>> explain("IdTower", "`embedding_dim` must be > 0", embedding_dim=0, fix="Use for example 32")
        'IdTower: `embedding_dim` must be > 0. Received: embedding_dim=0. Use for example 32.'
    """
    shown = ", ".join(f"{name}={describe_value(value)}" for name, value in received.items())
    parts = [_sentence(f"{owner}: {problem}"), _sentence(f"Received: {shown}") if shown else "", _sentence(fix)]
    return " ".join(part for part in parts if part)


def _sentence(text: str) -> str:
    return text if text.endswith("...") else f"{text}."  # what was cut has its dots


def describe_value(value: Any) -> str:
    """Returns a value as error messages show it.

    Arrays and frames are shown as shape and dtype, a `Path` in full, since part of a path is useless, and everything
    else is cut at 80 characters.

    Example:
        >>> import numpy as np
        >>> describe_value(np.zeros((2, 3)))
        'ndarray(shape=(2, 3), dtype=float64)'
        >>> describe_value("x" * 100)[-9:]
        'xxxxxx...'
    """
    if isinstance(value, PurePath):
        return repr(str(value))
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and not isinstance(value, type) and shape != ():
        of_type = "" if dtype is None else f", dtype={getattr(dtype, 'name', dtype)}"
        return f"{type(value).__name__}(shape={tuple(shape)}{of_type})"
    text = repr(value)
    return text if len(text) <= _MAX_VALUE_CHARS else text[: _MAX_VALUE_CHARS - 3] + "..."


def describe_error(error: BaseException) -> str:
    r"""Returns another library's error for a message of ours: its first line, printable, cut at 300 characters.

    A line that announces the next one by a colon, as Keras's does, is followed by it; one that only names a layer is
    left out. What a file contains may be quoted in such an error, so control characters, which a terminal obeys, are
    escaped.

    Example:
        >>> describe_error(OSError("truncated file\nat 0x7f"))
        'truncated file'
        >>> describe_error(ValueError("1 object could not be loaded:\n\nshapes differ\n\nList of objects"))
        '1 object could not be loaded: shapes differ'
        >>> describe_error(RecursionError())
        'RecursionError'
    """
    try:
        text = _COLORS.sub("", Exception.__str__(error))
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith(_KERAS_HEADING)] or lines
    except Exception:  # the text of an error may be computed, and fail
        lines = []
    line = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1]).rstrip(".")
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line[: _MAX_ERROR_CHARS + 1])
    return (shown if len(shown) <= _MAX_ERROR_CHARS else shown[: _MAX_ERROR_CHARS - 3] + "...") or type(error).__name__


def describe_ids(ids: Any, limit: int = 5) -> str:
    """Returns the first few ids for a message, as text: `'r_17', 'r_991', ...`.

    Example:
        >>> describe_ids([7, 9, 11], limit=2)
        '7, 9, ...'
    """
    shown = [repr(item.item() if hasattr(item, "item") else item) for item in list(ids[: limit + 1])]
    shown = [text if len(text) <= _MAX_VALUE_CHARS else text[: _MAX_VALUE_CHARS - 3] + "..." for text in shown]
    return ", ".join(shown[:limit]) + (", ..." if len(shown) > limit else "")
