"""Ways to read a dataset that tests of several sources share."""

from __future__ import annotations

import tensorflow as tf


def total_in_graph(dataset: tf.data.Dataset) -> int:
    """Returns the sum of the column `row`, read inside a graph."""

    @tf.function
    def total() -> tf.Tensor:
        result = tf.constant(0, tf.int64)
        for batch in dataset:
            result += tf.reduce_sum(batch["row"])
        return result

    return int(total())
