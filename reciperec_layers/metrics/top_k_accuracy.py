"""TopKAccuracy: how often the held-out candidate is among the k best."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.arguments import check_positive
from reciperec_layers.metrics.rank_metric import RankMetric
from reciperec_layers.serialization import serializable


@serializable
class TopKAccuracy(RankMetric):
    """Share of held-out pairs whose candidate is among the k best of the corpus, in [0, 1].

    With one held-out candidate a row it equals recall@k and hit rate@k.

    Args:
        k: How many candidates are looked at, >= 1.
        name: Key in logs, `factorized_top_k/top_{k}_categorical_accuracy` by default, as in TFRS.

    Raises:
        ArgumentError: `k` is not a positive integer.

    Example:
        >>> metric = TopKAccuracy(2)
        >>> metric.update_state(tf.constant([1, 3], tf.int64))
        >>> float(metric.result())
        0.5

    Source:
        `tfrs.metrics.FactorizedTopK` of TensorFlow Recommenders 0.7.7; ties are resolved as `true_ranks` says.
    """

    def __init__(self, k: int, name: str | None = None) -> None:
        check_positive("TopKAccuracy", "k", k)
        super().__init__(name or f"factorized_top_k/top_{k}_categorical_accuracy")
        self.k = int(k)

    def gain(self, ranks: tf.Tensor) -> tf.Tensor:
        return tf.cast(ranks <= self.k, tf.float64)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}
