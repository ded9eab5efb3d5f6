"""The same errors from eager code and graphs: raised directly in eager code, carried by `tf.debugging` in graphs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from reciperec_layers.errors import (
    ArgumentError,
    ArgumentTypeError,
    DivergedError,
    IdError,
    ReciperecError,
    UnknownIdError,
)

_CARRIED: dict[str, type[ReciperecError]] = {
    cls.__name__: cls for cls in (ArgumentError, ArgumentTypeError, DivergedError, IdError, UnknownIdError)
}
_MARKED = re.compile(r"\[\[(\w+)\]\] (.*?) \[\[end\]\]", re.DOTALL)
_ESCAPED = re.compile(rb"\\([0-7]{3}|.)")
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def check(condition: tf.Tensor, error: type[ReciperecError], text: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Raises `error` unless a condition holds; in a graph, when the graph runs.

    Args:
        condition: Scalar boolean tensor.
        error: One of the classes that a graph can carry: `ArgumentError`, `ArgumentTypeError`, `DivergedError`,
            `IdError`, `UnknownIdError`.
        text: Returns the message as a scalar string tensor; called only if the check fails.

    Returns:
        Scalar `True`, for `tf.control_dependencies`; without one, later operations may fail before the check runs.

    Example:
        >>> check(tf.constant(False), UnknownIdError, lambda: tf.constant("1 of 2 ids is unknown"))
        Traceback (most recent call last):
        reciperec_layers.errors.UnknownIdError: 1 of 2 ids is unknown
    """
    if tf.executing_eagerly():
        if not condition:
            raise error(text().numpy().decode("utf-8", "replace"))
        return tf.constant(True)

    def fail() -> tf.Tensor:
        marked = tf.strings.join([f"[[{error.__name__}]] ", text(), " [[end]]"])
        with tf.control_dependencies([tf.debugging.Assert(False, [marked])]):
            return tf.constant(False)

    return tf.cond(condition, lambda: tf.constant(True), fail)


def carried(error: ReciperecError) -> ReciperecError:
    """Marks an error raised by a Python function inside a graph, so that `raised_as_ours` recognizes it.

    Args:
        error: An error of one of the classes that a graph can carry.

    Example:
        >>> str(carried(IdError("2 ids are missing")))
        '[[IdError]] 2 ids are missing [[end]]'
    """
    escaped = str(error).replace("\\", "\\\\")
    return type(error)(f"[[{type(error).__name__}]] {escaped} [[end]]")


def shown_ids(ids: tf.Tensor, limit: int = 5) -> tf.Tensor:
    """Returns the first few ids as text for a message, like `errors.describe_ids` outside a graph.

    Example:
        >>> shown_ids(tf.constant(["r_1", "r_2", "r_3"]), limit=2).numpy()
        b"'r_1', 'r_2', ..."
    """
    shown = tf.as_string(ids[:limit])
    if ids.dtype == tf.string:
        shown = tf.strings.join(["'", shown, "'"])
    more = tf.where(tf.size(ids) > limit, ", ...", "")
    return tf.strings.join([tf.strings.reduce_join(shown, separator=", "), more])


@contextmanager
def raised_as_ours() -> Iterator[None]:
    """Re-raises a failed `check` of a graph as the class that eager code raises.

    Example:
        >>> @tf.function
        ... def run():
        ...     check(tf.constant(1) > 2, UnknownIdError, lambda: tf.constant("1 of 2 ids is unknown: 'é'"))
        >>> with raised_as_ours():
        ...     run()
        Traceback (most recent call last):
        reciperec_layers.errors.UnknownIdError: 1 of 2 ids is unknown: 'é'
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = _MARKED.search(str(error))
        if found is None or found[1] not in _CARRIED:
            raise
        raise _CARRIED[found[1]](_unescape(found[2])) from None


def _unescape(text: str) -> str:
    """Reverts the C escapes by which TensorFlow shows quotes, control characters and bytes."""
    return _ESCAPED.sub(_plain, text.encode("utf-8")).decode("utf-8", "replace")


def _plain(escaped: re.Match[bytes]) -> bytes:
    shown = escaped[1]
    return bytes([int(shown, 8)]) if len(shown) == 3 else _CONTROLS.get(shown, shown)
