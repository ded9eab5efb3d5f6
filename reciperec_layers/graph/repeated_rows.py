"""Rows that a batch has several times: computed once, and summed once in the gradient."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


@tf.custom_gradient
def repeat_rows(rows: tf.Tensor, positions: tf.Tensor) -> Any:
    """Gathers rows; the gradient is their sum, dense, where TensorFlow's own would be unsummed slices.

    Args:
        rows: Floats of shape `(num_distinct, ...)`.
        positions: Which row comes where, integers of shape `(n,)`.

    Returns:
        Tensor of shape `(n, ...)`.

    Example:
        >>> repeat_rows(tf.constant([[1.0], [2.0]]), tf.constant([1, 0, 1])).numpy().ravel().tolist()
        [2.0, 1.0, 2.0]
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return tf.math.unsorted_segment_sum(upstream, positions, tf.shape(rows)[0]), None

    return tf.gather(rows, positions), gradient
