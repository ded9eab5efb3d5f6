"""Sample weights of queries."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.errors import ArgumentError, explain


def to_weights(owner: str, sample_weight: Any, num_queries: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Returns the weight of each query, float64 of shape `(n,)`.

    Args:
        owner: Name of the caller, for messages.
        sample_weight: Numbers of shape `(n,)`, or `None` for 1 each.
        num_queries: n as a scalar tensor, for graphs that learn it only when they run.
        shape: `(n,)`, or `(None,)` if n is not known yet.

    Raises:
        ArgumentError: The static shape of the weights does not fit.

    Example:
        >>> to_weights("Recall", None, tf.constant(2), tf.TensorShape([2])).numpy()
        array([1., 1.])
    """
    if sample_weight is None:
        return tf.ones(tf.reshape(num_queries, [1]), tf.float64)
    weights = tf.cast(sample_weight, tf.float64)
    if not weights.shape.is_compatible_with(shape):
        problem = f"`sample_weight` must have one weight for each query, shape {tuple(shape)}"
        fix = "Pass one weight for each row"
        raise ArgumentError(explain(owner, problem, sample_weight=weights, fix=fix))
    return weights
