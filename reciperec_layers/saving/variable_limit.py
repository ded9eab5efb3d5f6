"""A limit to the variables that a file makes Keras create: a config may name sizes that the file does not have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.errors import ModelFileError, explain

# What a model may have beside the arrays in its file: counters, metrics, and running counts that are stored sparsely.
_ALWAYS_ALLOWED_BYTES = 2**28
_ALLOWED_SHARE = 2
_ALWAYS_ALLOWED_NUMBER = 1000
_ALLOWED_NUMBER_SHARE = 4


@contextmanager
def limited_variables(num_stored: int, stored_bytes: int, owner: str) -> Iterator[None]:
    """Refuses variables of this thread that are much more or larger than the arrays of a file, before they are made.

    Args:
        num_stored: Number of arrays in the file.
        stored_bytes: Size of the arrays in the file.
        owner: Name of the caller, for messages.

    Raises:
        ModelFileError: The variables are too many or too large.

    Example:
        >>> with limited_variables(2, 100, "load_model"):
        ...     keras.layers.Dense(10**9).build((None, 10**9))
        Traceback (most recent call last):
        reciperec_layers.errors.ModelFileError: load_model: the config describes weights of 4000000000000000000 bytes...
    """
    limit = _ALLOWED_SHARE * stored_bytes + _ALWAYS_ALLOWED_BYTES
    most = _ALLOWED_NUMBER_SHARE * num_stored + _ALWAYS_ALLOWED_NUMBER
    number, total = 0, 0

    def create(next_creator: Callable[..., Any], **options: Any) -> Any:
        nonlocal number, total
        number, total = number + 1, total + _num_bytes(options)
        if number > most:
            problem = f"the config describes {number} weights or more, and the file has {num_stored}"
            raise ModelFileError(explain(owner, problem, fix="Use an intact copy of the file"))
        if total > limit:
            problem = f"the config describes weights of {total} bytes or more, and the file has {stored_bytes}"
            raise ModelFileError(explain(owner, problem, fix="Use an intact copy of the file"))
        return next_creator(**options)

    with tf.variable_creator_scope(create):
        yield


def _num_bytes(options: dict[str, Any]) -> int:
    """Returns the bytes of a variable that is about to be made, which only its initial value knows."""
    value = options.get("initial_value")
    if not callable(value):
        return 0  # it is in memory already
    for cell in getattr(value, "__closure__", None) or ():
        if isinstance(cell.cell_contents, keras.Variable):  # Keras hands over a function of its own variable
            value = cell.cell_contents
            return math.prod(value.shape) * tf.as_dtype(value.dtype).size
    with tf.Graph().as_default():
        made = value()
    return (made.shape.num_elements() or 0) * made.dtype.size
