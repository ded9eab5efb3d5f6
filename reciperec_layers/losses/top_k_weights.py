"""Weights of pairs by how near their candidate is to the k best of its query."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from reciperec_layers.graph.long_rows import top_k_of_long_rows
from reciperec_layers.losses.tiles import over_tiles, tile_of

# A tile of 16 MB.
_LOGITS_OF_TILE = 2**22
# Of places that are sums of exponentials of logs.
_ROUNDING = 1e-3


def top_k_weights(
    queries: tf.Tensor,
    candidates: tf.Tensor,
    positive_columns: tf.Tensor,
    query_rows: tf.Tensor | None,
    k: int,
    temperature: float,
    log_weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns how much each pair counts: half at the place k of its query's candidates, less below, more above.

        s[i, j]   = queries[i] . candidates[j]
        weight[p] = sigmoid((s[i, own] - the k-th highest of s[i]) / temperature)

    where `i` is `query_rows[p]` and `own` is `positive_columns[p]`. Not differentiated.

    Args:
        queries: float32 of shape `(num_queries, embedding_dim)`.
        candidates: float32 of shape `(num_candidates, embedding_dim)`.
        positive_columns: The candidate of each pair, int32 of shape `(num_pairs,)`.
        query_rows: The query of each pair, int32 of shape `(num_pairs,)`; `None` where pair `i` has query `i`.
        k: The place, at least 1. Where there are fewer candidates, the last one's.
        temperature: Of the weights, in the unit of the scores.
        log_weights: Log of how many candidates each stands for, 0 or more, float32 of shape `(num_candidates,)`, -inf
            for none; `None` where each stands for itself.

    Returns:
        float32 of shape `(num_pairs,)`, in [0, 1].

    Example:
        >>> scores = tf.constant([[3.0], [2.0], [1.0]])
        >>> top_k_weights(tf.ones((1, 1)), scores, tf.range(3), tf.zeros(3, tf.int32), 2, 0.5).numpy().round(2)
        array([0.88, 0.5 , 0.12], dtype=float32)

    Source:
        Yang et al., "Breaking the Top-K Barrier: Advancing Top-K Ranking Metrics Optimization in Recommender Systems",
        KDD 2025: the weights of SL@K, with the quantile taken anew in each step.
    """
    queries, candidates = tf.stop_gradient(queries), tf.stop_gradient(candidates)
    transposed = tf.transpose(candidates)
    num_candidates = candidates.shape[0]
    num_kept = tf.minimum(k, tf.shape(candidates)[0]) if num_candidates is None else min(k, num_candidates)

    def of_tile(start: Any, stop: Any, unused: tf.Tensor | None) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
        scores = tf.matmul(tile_of(queries, start, stop), transposed)
        if log_weights is not None:
            scores = tf.where(log_weights > -math.inf, scores, -math.inf)
        # Each stands for one candidate at least, so that the place k is among so many.
        highest, columns = top_k_of_long_rows(scores, num_kept)
        if log_weights is None:
            thresholds = highest[:, -1]
        else:
            places = tf.cumsum(tf.exp(tf.gather(log_weights, columns)), axis=1)
            place = tf.minimum(float(k), places[:, -1:]) - _ROUNDING
            at = tf.reduce_sum(tf.cast(places < place, tf.int32), axis=1)
            thresholds = tf.gather(highest, at, batch_dims=1)
        return (thresholds,), tf.zeros(()) if unused is None else unused

    (thresholds,), _ = over_tiles(queries, candidates, of_tile, [[None]], tf.zeros(()), _LOGITS_OF_TILE)
    if query_rows is not None:
        queries, thresholds = tf.gather(queries, query_rows), tf.gather(thresholds, query_rows)
    own = tf.reduce_sum(queries * tf.gather(candidates, positive_columns), axis=1)
    return tf.sigmoid((own - thresholds) / temperature)
