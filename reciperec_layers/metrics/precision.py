"""Precision: the share of the k best that was held out."""

from __future__ import annotations

import tensorflow as tf

from reciperec_layers.metrics.rank_metric import TopKMetric
from reciperec_layers.saving.keras_names import serializable


@serializable
class Precision(TopKMetric):
    """Mean over queries of the share of the k best that are held-out candidates, in [0, 1].

    Args:
        k: Number of top candidates to look at, >= 1; if the corpus has fewer, the share is still of k.
        name: Key in logs, `precision@{k}` by default.
        per: `"query"` or `"row"`; see `RankMetric`.

    Raises:
        ArgumentError: `k` is not a positive integer, or `per` is neither of the two.

    Example:
        >>> metric = Precision(2)
        >>> metric.update_state([[1, 2, 9], [2, 0, 0]])
        >>> float(metric.result())
        0.75
    """

    short_name = "precision"

    def __init__(self, k: int, name: str | None = None, per: str = "query") -> None:
        super().__init__(k, name, per)

    def values(self, ranks: tf.Tensor, num_held_out: tf.Tensor, num_candidates: tf.Tensor | None) -> tf.Tensor:
        assert self.k is not None
        return tf.reduce_sum(self.hits(ranks), axis=1) / self.k
