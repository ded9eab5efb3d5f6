"""NDCG: how high the held-out candidates rank, with the first places counting most."""

from __future__ import annotations

import math

import tensorflow as tf

from reciperec_layers.metrics.rank_metric import TopKMetric
from reciperec_layers.saving.keras_names import serializable


@serializable
class NDCG(TopKMetric):
    """Mean over queries of the normalized discounted cumulative gain, in [0, 1].

    For a query with T held-out candidates at ranks r:

        (sum over r <= k of 1 / log2(1 + r)) / (sum over i = 1 .. min(k, T) of 1 / log2(1 + i))

    Args:
        k: Number of top candidates to look at, >= 1, or `None` for all.
        name: Key in logs, `ndcg@{k}` by default.
        per: `"query"` or `"row"`; see `RankMetric`.

    Raises:
        ArgumentError: `k` is not a positive integer, or `per` is neither of the two.

    Example:
        >>> metric = NDCG(2)
        >>> metric.update_state([[2, 0], [1, 2]])
        >>> round(float(metric.result()), 4)
        0.8155

    Source:
        Jarvelin and Kekalainen, ACM TOIS 2002, with gains of 0 and 1 and the discount of Burges et al., ICML 2005.
    """

    short_name = "ndcg"

    def __init__(self, k: int | None = None, name: str | None = None, per: str = "query") -> None:
        super().__init__(k, name, per)

    def values(self, ranks: tf.Tensor, num_held_out: tf.Tensor, num_candidates: tf.Tensor | None) -> tf.Tensor:
        gains = tf.reduce_sum(self.hits(ranks) * _discount(tf.cast(ranks, tf.float64)), axis=1)
        places = tf.range(1, tf.shape(ranks)[1] + 1)
        best = tf.cumsum(_discount(tf.cast(places, tf.float64)))
        return gains / tf.gather(best, tf.cast(self.num_findable(num_held_out), tf.int32) - 1)


def _discount(ranks: tf.Tensor) -> tf.Tensor:
    return math.log(2) / tf.math.log1p(ranks)
