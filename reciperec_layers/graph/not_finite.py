"""Values that are NaN or infinite: where they are, as text for errors of graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from reciperec_layers.errors import DivergedError
from reciperec_layers.graph.graph_errors import check

FIX_OF_DATA = "Replace these values, or leave the rows out"
_FIX_OF_TRAINING = "Training may have diverged: train again with a lower learning rate"


def checked_finite(embeddings: tf.Tensor, owner: str, what: str, columns: Mapping[str, Any] | None = None) -> tf.Tensor:
    """Returns embeddings after checking that they are finite. Part of a graph.

    Args:
        embeddings: Floats of shape `(n, dim)`.
        owner: Name of the caller, for messages.
        what: What they are, for messages.
        columns: The columns that they were computed from, among which the message names the cause.

    Raises:
        DivergedError: One is not.

    Example:
        >>> columns = {"age": tf.constant([30.0, float("nan")])}
        >>> checked_finite(tf.constant([[1.0], [float("nan")]]), "RetrievalModel", "query embeddings", columns)
        Traceback (most recent call last):
        reciperec_layers.errors.DivergedError: RetrievalModel: 1 of 2 query embeddings are not finite. Not finite: 1 of
        2 rows of the column 'age'. Replace these values, or leave the rows out.
    """
    is_finite = tf.math.is_finite(embeddings)

    def text() -> tf.Tensor:
        count = tf.math.count_nonzero(~tf.reduce_all(is_finite, axis=1))
        return not_finite_text(count, tf.shape(embeddings)[0], columns or {}, owner, what)

    with tf.control_dependencies([check(tf.reduce_all(is_finite), DivergedError, text)]):
        return tf.identity(embeddings)


def not_finite_text(count: Any, num_rows: Any, columns: Mapping[str, Any], owner: str, what: str) -> tf.Tensor:
    """Returns the message of `checked_finite`, a scalar of text.

    Args:
        count: How many embeddings are not finite, an integer.
        num_rows: How many there are.
        columns: As for `checked_finite`.
        owner: As for `checked_finite`.
        what: As for `checked_finite`.

    Example:
        >>> not_finite_text(1, 2, {}, "RetrievalModel.recommend", "query embeddings").numpy().decode()[:60]
        'RetrievalModel.recommend: 1 of 2 query embeddings are not fi'
    """
    numbers = [f"{owner}: ", tf.as_string(count), " of ", tf.as_string(num_rows), f" {what} are not finite. "]
    named = {f"the column {name!r}": column for name, column in columns.items()}
    return tf.strings.join([*numbers, advice(named, f"{_FIX_OF_TRAINING}.")])


def advice(named: Mapping[str, Any], otherwise: str) -> tf.Tensor:
    """Returns which of some inputs are not finite and what to do about it, or another advice if all are.

    Args:
        named: Inputs by what a message calls them: tensors, ragged or sparse tensors with rows in the first axis.
        otherwise: Returned if all are finite.

    Example:
        >>> advice({"the column 'age'": tf.constant([30.0, float("inf")])}, "").numpy()
        b"Not finite: 1 of 2 rows of the column 'age'. Replace these values, or leave the rows out."
    """
    floats = {name: column for name, column in named.items() if column.dtype.is_floating}
    if not floats:
        return tf.constant(otherwise)
    counts = [num_rows_not_finite(column) for column in floats.values()]
    parts = [
        tf.strings.join([tf.as_string(count), " of ", tf.as_string(tf.shape(column)[0]), f" rows of {name}"])
        for count, (name, column) in zip(counts, floats.items(), strict=True)
    ]
    found = tf.strings.reduce_join(tf.boolean_mask(tf.stack(parts), tf.stack(counts) > 0), separator=", ")
    return tf.where(tf.add_n(counts) > 0, tf.strings.join(["Not finite: ", found, f". {FIX_OF_DATA}."]), otherwise)


def num_rows_not_finite(column: Any) -> tf.Tensor:
    """Returns how many rows of a column have a value that is NaN or infinite, int32.

    Args:
        column: A tensor, ragged or sparse tensor of floats, with rows in the first axis.

    Example:
        >>> int(num_rows_not_finite(tf.constant([[1.0, float("nan")], [2.0, 3.0]])))
        1
    """
    if isinstance(column, tf.SparseTensor):
        rows = tf.boolean_mask(column.indices[:, 0], ~tf.math.is_finite(column.values))
        return tf.size(tf.unique(rows)[0])
    if isinstance(column, tf.RaggedTensor):
        bad: Any = column.with_flat_values(~tf.math.is_finite(column.flat_values))
    else:
        bad = ~tf.math.is_finite(column)
    of_rows = tf.reduce_any(bad, axis=list(range(1, column.shape.rank)))
    return tf.math.count_nonzero(of_rows, dtype=tf.int32)
