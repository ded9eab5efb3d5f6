"""MRR: the mean reciprocal rank of the best held-out candidate."""

from __future__ import annotations

import tensorflow as tf

from reciperec_layers.metrics.rank_metric import TopKMetric
from reciperec_layers.saving.keras_names import serializable


@serializable
class MRR(TopKMetric):
    """Mean over queries of 1 / rank of the best held-out candidate, 0 if it is not among the k best.

    Args:
        k: Number of top candidates to look at, >= 1, or `None` for all.
        name: Key in logs, `mrr` or `mrr@{k}` by default.
        per: `"query"` or `"row"`; see `RankMetric`.

    Raises:
        ArgumentError: `k` is not a positive integer, or `per` is neither of the two.

    Example:
        >>> metric = MRR()
        >>> metric.update_state([[2, 5], [4, 0]])
        >>> float(metric.result())
        0.375

    Source:
        Voorhees, The TREC-8 Question Answering Track Report, 1999.
    """

    short_name = "mrr"

    def __init__(self, k: int | None = None, name: str | None = None, per: str = "query") -> None:
        super().__init__(k, name, per)

    def values(self, ranks: tf.Tensor, num_held_out: tf.Tensor, num_candidates: tf.Tensor | None) -> tf.Tensor:
        best = ranks[:, :1]
        return (self.hits(best) / tf.cast(best, tf.float64))[:, 0]
