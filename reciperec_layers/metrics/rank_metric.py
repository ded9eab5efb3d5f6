"""RankMetric: the mean of something that follows from a rank."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import keras
import tensorflow as tf


class RankMetric(keras.metrics.Metric):
    """Mean over held-out pairs of a gain that depends on the rank alone. Base of the corpus metrics.

    The value does not depend on how data are cut into batches: sums are kept in float64.

    Args:
        name: Key of the metric in logs.

    Example:
        >>> from reciperec_layers.metrics import TopKAccuracy
        >>> issubclass(TopKAccuracy, RankMetric)
        True
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float64")
        self.total = self.add_variable((), initializer="zeros", name="total")
        self.count = self.add_variable((), initializer="zeros", name="count")

    @abstractmethod
    def gain(self, ranks: tf.Tensor) -> tf.Tensor:
        """Returns the gain of each rank, float64 of the same shape.

        Args:
            ranks: int64 of shape `(n,)`, 1 for the best, `MISS` for a candidate that cannot be recommended.
        """

    def update_state(self, ranks: tf.Tensor, sample_weight: Any = None) -> None:
        """Adds held-out pairs.

        Args:
            ranks: int64 of shape `(n,)`, from `true_ranks`.
            sample_weight: Weight of each pair, shape `(n,)`, or `None` for 1 each.
        """
        weights = tf.ones(tf.shape(ranks), tf.float64) if sample_weight is None else tf.cast(sample_weight, tf.float64)
        self.total.assign_add(tf.reduce_sum(self.gain(ranks) * weights))
        self.count.assign_add(tf.reduce_sum(weights))

    def result(self) -> tf.Tensor:
        """Returns the weighted mean, 0 before any pair."""
        return tf.math.divide_no_nan(self.total.value, self.count.value)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}
