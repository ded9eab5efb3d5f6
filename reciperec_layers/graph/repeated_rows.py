"""Repeated rows of a batch: computed once, with their gradients summed once."""

from __future__ import annotations

import tensorflow as tf

from reciperec_layers.graph.own_gradients import Gradient, with_own_gradient


def repeat_rows(rows: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
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

    def gathered(rows: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        num_rows = tf.shape(rows)[0]
        return tf.gather(rows, positions), lambda upstream: [
            tf.math.unsorted_segment_sum(upstream, positions, num_rows)
        ]

    return with_own_gradient(gathered, rows)
