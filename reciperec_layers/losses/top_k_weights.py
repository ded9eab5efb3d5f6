"""Weights of pairs by how near their candidate is to the k best of its query."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from reciperec_layers.graph.long_rows import top_k_of_long_rows

# Of places that are sums of exponentials of logs.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class TopKWeights:
    """How much each pair counts: half at the place `k` of its query's candidates, less below, more above.

        weight[p] = sigmoid((logit[i, own] - the k-th highest of logit[i]) / width)

    where `i` is the query and `own` the candidate of the pair `p`.

    Attributes:
        k: The place, at least 1. Where there are fewer candidates, the last one's.
        width: In the unit of the logits; above 0.

    Example:
        >>> weights = TopKWeights(k=2, width=0.5)
        >>> logits = tf.constant([[3.0, 2.0, 1.0]])
        >>> weights.of(logits[0], weights.thresholds(logits)).numpy().round(2)
        array([0.88, 0.5 , 0.12], dtype=float32)

    Source:
        Yang et al., "Breaking the Top-K Barrier: Advancing Top-K Ranking Metrics Optimization in Recommender Systems",
        KDD 2025: the weights of SL@K, with the quantile taken anew in each step.
    """

    k: int
    width: Any

    def thresholds(self, logits: tf.Tensor, log_weights: tf.Tensor | None = None) -> tf.Tensor:
        """Returns the logit at the place `k` of each row, float32 of shape `(num_queries,)`.

        Args:
            logits: float32 of shape `(num_queries, num_candidates)`; plus `log_weights`, where there are any.
            log_weights: Log of how many candidates each stands for, 0 or more, float32 of shape `(num_candidates,)`,
                -inf for none; `None` where each stands for itself.
        """
        num_candidates = logits.shape[1]
        num_kept = tf.minimum(self.k, tf.shape(logits)[1]) if num_candidates is None else min(self.k, num_candidates)
        if log_weights is None:
            return top_k_of_long_rows(logits, num_kept)[0][:, -1]
        logits = tf.where(log_weights > -math.inf, logits - log_weights, -math.inf)
        # Each stands for one candidate at least, so that the place k is among so many.
        highest, columns = top_k_of_long_rows(logits, num_kept)
        places = tf.cumsum(tf.exp(tf.gather(log_weights, columns)), axis=1)
        place = tf.minimum(float(self.k), places[:, -1:]) - _ROUNDING
        at = tf.reduce_sum(tf.cast(places < place, tf.int32), axis=1)
        return tf.gather(highest, at, batch_dims=1)

    def of(self, own_logits: tf.Tensor, thresholds: tf.Tensor) -> tf.Tensor:
        """Returns the weights of pairs, in [0, 1], by the logit and the threshold of each."""
        return tf.sigmoid((own_logits - thresholds) / self.width)
