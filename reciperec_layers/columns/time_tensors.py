"""Times as tensors: one unit for integers of any."""

from __future__ import annotations

import tensorflow as tf

from reciperec_layers.columns.time_arrays import MICROSECONDS_BELOW, MILLISECONDS_BELOW, SECONDS_BELOW


def to_microseconds(times: tf.Tensor) -> tf.Tensor:
    """Returns microseconds since 1970 of times whose size tells the unit, as `to_time_array` gives them.

    Args:
        times: int64 of any shape. Part of a graph.

    Example:
        >>> to_microseconds(tf.constant([1_500_000_000, 1_500_000_000_000], tf.int64)).numpy().tolist()
        [1500000000000000, 1500000000000000]
    """
    size = tf.abs(times)
    smaller = tf.where(
        size < MILLISECONDS_BELOW, times * 10**3, tf.where(size < MICROSECONDS_BELOW, times, times // 1000)
    )
    return tf.where(size < SECONDS_BELOW, times * 10**6, smaller)
