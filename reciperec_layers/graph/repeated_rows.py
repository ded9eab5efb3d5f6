"""Repeated rows of a batch: computed once, with their gradients summed once."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


@tf.custom_gradient
def repeat_rows(rows: tf.Tensor, positions: tf.Tensor) -> Any:
    """Gathers rows. The gradient is a dense sum, while TensorFlow's own would be unsummed slices.

    Args:
        rows: Floats of shape `(num_distinct, ...)`.
        positions: The row to gather at each position, integers of shape `(n,)`.

    Returns:
        Tensor of shape `(n, ...)`.

    Example:
        >>> repeat_rows(tf.constant([[1.0], [2.0]]), tf.constant([1, 0, 1])).numpy().ravel().tolist()
        [2.0, 1.0, 2.0]
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return tf.math.unsorted_segment_sum(upstream, positions, tf.shape(rows)[0]), None

    return tf.gather(rows, positions), gradient
