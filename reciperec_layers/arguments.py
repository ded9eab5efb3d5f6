"""Checks of arguments that many classes take."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain

_OF_EVERY_LAYER = ("activity_regularizer", "autocast", "dtype", "trainable")


def is_integer(value: Any) -> bool:
    """Returns whether a value is an integer, Python's or NumPy's; `True` is none.

    Example:
        >>> [is_integer(value) for value in (0, np.int64(2), 2.0, True)]
        [True, True, False, False]
    """
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_positive_integer(value: Any) -> bool:
    """Returns whether a value is an integer >= 1.

    Example:
        >>> [is_positive_integer(value) for value in (1, 0, 2.0, True)]
        [True, False, False, False]
    """
    return is_integer(value) and int(value) >= 1


def check_positive(owner: str, argument: str, value: Any) -> None:
    """Raises `ArgumentError` unless a value is a positive integer.

    Example:
        >>> check_positive("IdTower", "embedding_dim", 0)
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: IdTower: `embedding_dim` must be a positive integer. Received: ...
    """
    if not is_positive_integer(value):
        problem = f"`{argument}` must be a positive integer"
        raise ArgumentError(explain(owner, problem, fix=f"Use for example {argument}=32", **{argument: value}))


def check_dropout(owner: str, argument: str, value: Any) -> None:
    """Raises `ArgumentError` unless a value is a number in [0, 1).

    Example:
        >>> check_dropout("MLP", "dropout", 1)
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: MLP: `dropout` must be a number in [0, 1). Received: dropout=1. ...
    """
    if not isinstance(value, (int, float)) or not 0 <= value < 1:
        problem = f"`{argument}` must be a number in [0, 1)"
        raise ArgumentError(explain(owner, problem, fix="Use for example 0.1", **{argument: value}))


def refuse_unknown(cls: type, kwargs: dict[str, Any]) -> None:
    """Raises `ArgumentTypeError` where the rest of a layer's arguments has some that no Keras layer takes.

    Example:
        >>> class Doubled:
        ...     def __init__(self, factor=2, **kwargs): ...
        >>> refuse_unknown(Doubled, {"faktor": 3})
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentTypeError: Doubled: there are no arguments 'faktor'. Accepted: factor, ...
    """
    unknown = sorted(kwargs.keys() - set(_OF_EVERY_LAYER))
    if unknown:
        own = [name for name in inspect.signature(cls).parameters if name not in ("args", "kwargs")]
        problem = f"there are no arguments {', '.join(map(repr, unknown))}"
        fix = f"Accepted: {', '.join([*own, *(name for name in _OF_EVERY_LAYER if name not in own)])}"
        raise ArgumentTypeError(explain(cls.__name__, problem, fix=fix))
