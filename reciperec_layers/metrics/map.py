"""MAP: mean average precision."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.metrics.rank_metric import TopKMetric
from reciperec_layers.saving.keras_names import serializable


@serializable
class MAP(TopKMetric):
    """Mean over queries of the average precision, in [0, 1].

    For a query with T held-out candidates, of which the j-th best has rank `r[j]`:

        (sum over j with r[j] <= k of j / r[j]) / T

    Args:
        k: Number of top candidates to look at, >= 1, or `None` for all.
        name: Key in logs, `map@{k}` by default.
        per: `"query"` or `"row"`; see `RankMetric`.
        at_most_k: Whether to divide by `min(k, T)` instead of T, so that 1 can be reached when T is more than k.

    Raises:
        ArgumentError: `k` is not a positive integer, or `per` is neither of the two.

    Example:
        >>> metric = MAP(10)
        >>> metric.update_state([[1, 4], [2, 0]])
        >>> float(metric.result())
        0.625

    Source:
        Manning, Raghavan and Schuetze, Introduction to Information Retrieval, section 8.4.
    """

    short_name = "map"

    def __init__(
        self, k: int | None = None, name: str | None = None, per: str = "query", at_most_k: bool = False
    ) -> None:
        super().__init__(k, name, per)
        self.at_most_k = bool(at_most_k)

    def values(self, ranks: tf.Tensor, num_held_out: tf.Tensor, num_candidates: tf.Tensor | None) -> tf.Tensor:
        found = tf.cast(tf.range(1, tf.shape(ranks)[1] + 1), tf.float64)
        precisions = self.hits(ranks) * found / tf.cast(ranks, tf.float64)
        divisor = self.num_findable(num_held_out) if self.at_most_k else tf.cast(num_held_out, tf.float64)
        return tf.reduce_sum(precisions, axis=1) / divisor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "at_most_k": self.at_most_k}
