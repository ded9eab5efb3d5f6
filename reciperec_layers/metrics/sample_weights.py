"""Weights of queries, which must be as many as there are queries."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.errors import ArgumentError, explain


def weights_of(owner: str, sample_weight: Any, num_queries: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Returns the weight of each query, float64 of shape `(n,)`.

    Args:
        owner: Who asks, for messages.
        sample_weight: Numbers of shape `(n,)`, or `None` for 1 each.
        num_queries: n, as far as only a graph that runs knows it.
        shape: `(n,)` as far as it is known now.

    Raises:
        ArgumentError: Weights are known to be of another shape.

    Example:
        >>> weights_of("Recall", None, tf.constant(2), tf.TensorShape([2])).numpy()
        array([1., 1.])
    """
    if sample_weight is None:
        return tf.ones(tf.reshape(num_queries, [1]), tf.float64)
    weights = tf.cast(sample_weight, tf.float64)
    if not weights.shape.is_compatible_with(shape):
        problem = f"`sample_weight` must have one weight for each query, shape {tuple(shape)}"
        fix = "Pass one weight for each row of what is added"
        raise ArgumentError(explain(owner, problem, sample_weight=weights, fix=fix))
    return weights
