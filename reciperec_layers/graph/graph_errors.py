"""The same errors from eager code and graphs: raised directly in eager code, carried by `tf.debugging` in graphs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from reciperec_layers.errors import ArgumentError, DivergedError, IdError, ReciperecError, UnknownIdError

_CARRIED: dict[str, type[ReciperecError]] = {
    cls.__name__: cls for cls in (ArgumentError, DivergedError, IdError, UnknownIdError)
}
# What to do about embeddings that are not finite.
NOT_FINITE_FIX = "Fill in missing values of the columns that the tower reads, or train again with a lower learning rate"

_MARKED = re.compile(r"\[\[(\w+)\]\] (.*?) \[\[end\]\]", re.DOTALL)
_ESCAPED = re.compile(rb"\\([0-7]{3}|.)")
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def check(condition: tf.Tensor, error: type[ReciperecError], text: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Raises `error` unless a condition holds; in a graph, when the graph runs.

    Args:
        condition: Scalar boolean tensor.
        error: One of the classes that a graph can carry: `ArgumentError`, `DivergedError`, `IdError`,
            `UnknownIdError`.
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


def checked_finite(embeddings: tf.Tensor, owner: str, what: str) -> tf.Tensor:
    """Returns embeddings after checking that they are finite. Part of a graph.

    Args:
        embeddings: Floats of shape `(n, dim)`.
        owner: Name of the caller, for messages.
        what: What they are, for messages.

    Raises:
        DivergedError: One is not.

    Example:
        >>> checked_finite(tf.constant([[1.0], [float("nan")]]), "RetrievalModel", "query embeddings")
        Traceback (most recent call last):
        reciperec_layers.errors.DivergedError: RetrievalModel: 1 of 2 query embeddings are not finite. ...
    """
    is_finite = tf.math.is_finite(embeddings)

    def text() -> tf.Tensor:
        count = tf.math.count_nonzero(~tf.reduce_all(is_finite, axis=1))
        numbers = [f"{owner}: ", tf.as_string(count), " of ", tf.as_string(tf.shape(embeddings)[0])]
        return tf.strings.join([*numbers, f" {what} are not finite. {NOT_FINITE_FIX}."])

    with tf.control_dependencies([check(tf.reduce_all(is_finite), DivergedError, text)]):
        return tf.identity(embeddings)


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
