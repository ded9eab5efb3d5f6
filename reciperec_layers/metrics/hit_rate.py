"""HitRate: the share of queries with a held-out candidate among the k best."""

from __future__ import annotations

import tensorflow as tf

from reciperec_layers.metrics.rank_metric import TopKMetric
from reciperec_layers.saving.keras_names import serializable


@serializable
class HitRate(TopKMetric):
    """Share of queries with at least one held-out candidate among the k best, in [0, 1].

    Args:
        k: Number of top candidates to look at, >= 1.
        name: Key in logs, `hit_rate@{k}` by default.
        per: `"query"` or `"row"`; see `RankMetric`.

    Raises:
        ArgumentError: `k` is not a positive integer, or `per` is neither of the two.

    Example:
        >>> metric = HitRate(2)
        >>> metric.update_state([[1, 5], [3, 0]])
        >>> float(metric.result())
        0.5
    """

    short_name = "hit_rate"

    def __init__(self, k: int, name: str | None = None, per: str = "query") -> None:
        super().__init__(k, name, per)

    def values(self, ranks: tf.Tensor, num_held_out: tf.Tensor, num_candidates: tf.Tensor | None) -> tf.Tensor:
        return self.hits(ranks)[:, 0]  # the best of the query's ranks
