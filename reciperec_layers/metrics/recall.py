"""Recall: the share of the held-out candidates that is among the k best."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.metrics.rank_metric import TopKMetric
from reciperec_layers.saving.keras_names import serializable


@serializable
class Recall(TopKMetric):
    """Mean over queries of the share of held-out candidates that are among the k best, in [0, 1].

    Args:
        k: Number of top candidates to look at, >= 1.
        name: Key in logs, `recall@{k}` by default.
        per: `"query"` or `"row"`; see `RankMetric`.
        at_most_k: Whether to divide by `min(k, number of held-out candidates)`, so that 1 can be reached when there
            are more than k of them.

    Raises:
        ArgumentError: `k` is not a positive integer, or `per` is neither of the two.

    Example:
        >>> metric = Recall(2)
        >>> metric.update_state([[1, 5, 9], [2, 0, 0]])
        >>> round(float(metric.result()), 4)
        0.6667

    Source:
        With `at_most_k` as in Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018, section
        4.2; without it the textbook definition, as in the code of the LightGCN paper.
    """

    short_name = "recall"

    def __init__(self, k: int, name: str | None = None, per: str = "query", at_most_k: bool = False) -> None:
        super().__init__(k, name, per)
        self.at_most_k = bool(at_most_k)

    def values(self, ranks: tf.Tensor, num_held_out: tf.Tensor, num_candidates: tf.Tensor | None) -> tf.Tensor:
        findable = self.num_findable(num_held_out) if self.at_most_k else tf.cast(num_held_out, tf.float64)
        return tf.reduce_sum(self.hits(ranks), axis=1) / findable

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "at_most_k": self.at_most_k}
