"""The exceptions of the package, and the one form of their messages.

Every exception derives from `ReciperecError` and from the builtin that a caller would expect, so that both
`except ReciperecError` and `except ValueError` work. Messages are made by `explain`: who complains, what was
expected, what was received, and what to do.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

_MAX_VALUE_CHARS = 80


class ReciperecError(Exception):
    """Base of every exception that the package raises on purpose."""

    # Keras rewrites what a layer's `call` raises, with the arguments of each layer on the way out, unless an exception
    # carries this mark; ours say what is wrong in one line already.
    _keras_call_info_injected = True

    def __str__(self) -> str:
        # KeyError shows the repr of its message and OSError its own form; all of ours show the message.
        return Exception.__str__(self)


class ArgumentError(ReciperecError, ValueError):
    """An argument has a value that cannot be used."""


class ArgumentTypeError(ReciperecError, TypeError):
    """An argument has a type that cannot be used."""


class ColumnError(ReciperecError, KeyError):
    """A column or feature is missing."""


class IdError(ReciperecError, ValueError):
    """Ids are missing, repeated, of mixed types, or of a type that is no id."""


class UnknownIdError(IdError):
    """Ids are not in the vocabulary or corpus, and nothing stands for unknown ones."""


class VocabularyMismatchError(ReciperecError, ValueError):
    """Weights or files belong to another vocabulary or catalogue than the one in use."""


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
    """A method was called before what it needs, for example `recommend` on a model without candidates."""


class DivergedError(ReciperecError, FloatingPointError):
    """Training produced a loss or embeddings that are not finite."""


class ModelFileError(ReciperecError, ValueError):
    """A file is not a saved model, or is damaged."""


class OutputExistsError(ReciperecError, FileExistsError):
    """A file would be overwritten."""


class OutputError(ReciperecError, OSError):
    """A file cannot be written."""


def explain(owner: str, problem: str, *, fix: str, **received: Any) -> str:
    """Returns the text of an error, in the one form that all have: owner, problem, what was received, fix.

    Args:
        owner: Class or function that complains.
        problem: What was expected, or what is wrong; no full stop at the end.
        fix: What to do; no full stop at the end.
        **received: The values received, by argument name. Arrays are shown as shape and dtype, other values are
            cut at 80 characters.

    Returns:
        One line of text.

    Example:
        >>> explain("IdTower", "`embedding_dim` must be positive", embedding_dim=0, fix="Use for example 32")
        'IdTower: `embedding_dim` must be positive. Received: embedding_dim=0. Use for example 32.'
    """
    shown = ", ".join(f"{name}={describe_value(value)}" for name, value in received.items())
    parts = [f"{owner}: {problem}.", f"Received: {shown}." if shown else "", f"{fix}."]
    return " ".join(part for part in parts if part)


def describe_value(value: Any) -> str:
    """Returns a value as error messages show it.

    Arrays and frames are shown as shape and dtype, a `Path` whole, since half a path is of no use, and everything else
    cut at 80 characters.

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


def describe_ids(ids: Any, limit: int = 5) -> str:
    """Returns the first few ids for a message, as text: `'r_17', 'r_991', ...`.

    Example:
        >>> describe_ids([7, 9, 11], limit=2)
        '7, 9, ...'
    """
    shown = [repr(item.item() if hasattr(item, "item") else item) for item in list(ids[: limit + 1])]
    shown = [text if len(text) <= _MAX_VALUE_CHARS else text[: _MAX_VALUE_CHARS - 3] + "..." for text in shown]
    return ", ".join(shown[:limit]) + (", ..." if len(shown) > limit else "")
