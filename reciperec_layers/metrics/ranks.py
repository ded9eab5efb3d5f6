"""Ranks of held-out candidates, from which every rank metric is computed."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

# Rank of a candidate that cannot be recommended: outside the corpus, or excluded because the query has seen it.
MISS = tf.int64.max


def true_ranks(scores: Any, true_rows: Any) -> tf.Tensor:
    """Returns the rank of each query's held-out candidate among all candidates, 1 for the best.

    Ties go to the candidate that comes first in the corpus, as in `tf.math.top_k`, so a rank of at most k means that
    the candidate is among the k recommended. The score of the held-out candidate is taken from `scores`: if it were
    computed again, it could differ in the last bit and lose a place.

    Args:
        scores: Float tensor of shape `(num_queries, num_candidates)`; -inf where a candidate is excluded.
        true_rows: Corpus row of each held-out candidate, integers of shape `(num_queries,)`; -1 if outside the corpus.

    Returns:
        int64 of shape `(num_queries,)`; `MISS` where the row is -1 or the score is -inf or NaN.

    Example:
        >>> true_ranks(tf.constant([[3.0, 1.0, 3.0], [1.0, 2.0, 3.0]]), [2, -1]).numpy()
        array([                  2, 9223372036854775807])
    """
    scores, true_rows = tf.convert_to_tensor(scores), tf.cast(true_rows, tf.int64)
    if not scores.dtype.is_floating:
        scores = tf.cast(scores, tf.float64)
    rows = tf.maximum(true_rows, 0)[:, tf.newaxis]
    true_scores = tf.gather(scores, rows, batch_dims=1)
    columns = tf.range(tf.shape(scores, out_type=tf.int64)[1])
    ahead = (scores > true_scores) | ((scores == true_scores) & (columns < rows))
    ranks = 1 + tf.math.count_nonzero(ahead, axis=1)
    found = (true_rows >= 0) & (true_scores[:, 0] > -float("inf"))
    return tf.where(found, ranks, MISS)
