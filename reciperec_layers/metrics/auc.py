"""AUC: the share of the other candidates that rank below the held-out ones."""

from __future__ import annotations

import tensorflow as tf

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.metrics.rank_metric import RankMetric
from reciperec_layers.metrics.ranks import MISS
from reciperec_layers.saving.keras_names import serializable


@serializable
class AUC(RankMetric):
    """Mean over queries of the area under the ROC curve, in [0, 1]; .5 is chance.

    The value of a query is the share of pairs of a held-out and another candidate in which the held-out one ranks
    higher. A held-out candidate that cannot be recommended counts 0; one without any other candidates counts 1.

    Args:
        name: Key in logs.
        per: `"query"` or `"row"`; see `RankMetric`. By row, the other held-out candidates of the query count among
            the others.

    Raises:
        ArgumentError: `per` is neither of the two, or `update_state` is called without `num_candidates`.

    Example:
        >>> metric = AUC()
        >>> metric.update_state([[1, 3]], num_candidates=4)
        >>> float(metric.result())
        0.75

    Source:
        Equal to the Wilcoxon-Mann-Whitney statistic, Hanley and McNeil, Radiology 1982.
    """

    def __init__(self, name: str = "auc", per: str = "query") -> None:
        super().__init__(name, per)

    def values(self, ranks: tf.Tensor, num_held_out: tf.Tensor, num_candidates: tf.Tensor | None) -> tf.Tensor:
        if num_candidates is None:
            fix = "Pass num_candidates=... to update_state: how many candidates each query chooses from"
            raise ArgumentError(explain("AUC", "`num_candidates` is needed", num_candidates=None, fix=fix))
        places = tf.range(tf.shape(ranks, tf.int64)[1])
        num_found = tf.math.count_nonzero(ranks < MISS, axis=1)
        num_others = tf.maximum(num_candidates - num_found, 0)[:, tf.newaxis]
        above = tf.cast(ranks - 1 - places, tf.float64)
        share = 1 - tf.math.divide_no_nan(above, tf.cast(num_others, tf.float64))
        total = tf.reduce_sum(tf.where(ranks < MISS, share, 0), axis=1)
        return total / tf.cast(num_held_out, tf.float64)
