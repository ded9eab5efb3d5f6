"""Divergence: a loss that is not finite stops training before it reaches the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from reciperec_layers.errors import ArgumentError, DivergedError
from reciperec_layers.graph.graph_errors import check
from reciperec_layers.graph.not_finite import advice

NOT_FINITE = "the loss is not finite"

_FIX = (
    "Try a lower learning rate, normalize=True with a temperature near 0.1, or clipnorm=1.0, and check "
    "that all sample weights are finite."
)


def check_finite_loss(
    total_loss: tf.Tensor,
    columns: Callable[[], Mapping[str, Any]],
    sample_weight: Any,
    before: Iterable[tuple[Any, tf.Tensor]],
    owner: str,
) -> tf.Tensor:
    """Raises `DivergedError` for a loss that is not finite; in a graph, when the graph runs.

    The message says where the batch has values that are not finite. It is made only then.

    Args:
        total_loss: Scalar, not scaled.
        columns: Returns the batch's columns: tensors, ragged or sparse tensors with rows in the first axis.
        sample_weight: Shape `(batch,)`, or `None`.
        before: Pairs of a variable that computing the loss may have changed, such as batch statistics, and the value
            that it had before and then gets again.
        owner: Name of the class that trains, for messages.

    Returns:
        Scalar `True`, for `tf.control_dependencies`: what happens under them happens only if the loss is finite.

    Example:
        >>> columns = {"minutes": tf.constant([10.0, float("nan")]), "id": tf.constant([7, 9])}
        >>> check_finite_loss(tf.constant(float("nan")), lambda: columns, None, [], "RetrievalModel")
        Traceback (most recent call last):
        reciperec_layers.errors.DivergedError: RetrievalModel: the loss is not finite. Received: total_loss=nan. Not
        finite: 1 of 2 rows of the column 'minutes'. Replace these values, or leave the rows out.
    """

    def text() -> tf.Tensor:
        with tf.control_dependencies([variable.assign(value) for variable, value in before]):
            shown = tf.where(tf.math.is_nan(total_loss), "nan", tf.as_string(total_loss))  # not -nan
            received = tf.strings.join([f"{owner}: {NOT_FINITE}. Received: total_loss=", shown])
            named = {f"the column {name!r}": column for name, column in columns().items()}
            named |= {} if sample_weight is None else {"`sample_weight`": tf.convert_to_tensor(sample_weight)}
            return tf.strings.join([received, ". ", advice(named, _FIX)])

    return check(tf.math.is_finite(total_loss), DivergedError, text)


def check_finite_weights(sample_weight: Any, owner: str) -> tf.Tensor:
    """Raises `ArgumentError` for sample weights that are not finite; in a graph, when the graph runs.

    Args:
        sample_weight: Shape `(batch,)`, or `None`.
        owner: Name of the class that evaluates, for messages.

    Returns:
        Scalar `True`, for `tf.control_dependencies`.

    Example:
        >>> check_finite_weights(tf.constant([1.0, float("nan")]), "RetrievalModel")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: RetrievalModel: 1 of 2 rows of `sample_weight` are not finite. ...
    """
    if sample_weight is None or not (weights := tf.convert_to_tensor(sample_weight)).dtype.is_floating:
        return tf.constant(True)

    def text() -> tf.Tensor:
        rows = tf.reduce_any(~tf.math.is_finite(weights), axis=list(range(1, weights.shape.rank)))
        counts = [tf.as_string(tf.math.count_nonzero(rows)), " of ", tf.as_string(tf.shape(weights)[0])]
        problem = " rows of `sample_weight` are not finite. Replace these values, or leave the rows out."
        return tf.strings.join([f"{owner}: ", *counts, problem])

    return check(tf.reduce_all(tf.math.is_finite(weights)), ArgumentError, text)
