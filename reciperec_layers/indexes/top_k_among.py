"""The k best of a list of candidates of each query."""

from __future__ import annotations

import tensorflow as tf

from reciperec_layers.indexes.chunks import search_in_chunks

# Candidates that are gathered at one time: 256 MiB of float32.
_MAX_GATHERED = 2**26


def top_k_among(
    queries: tf.Tensor, candidates: tf.Tensor, k: int, allowed: tf.RaggedTensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns scores and rows of the k allowed candidates with the largest inner products.

    Costs what the lists are long, not what the corpus is large. Ties go to the candidate that comes first in a list.

    Args:
        queries: Float tensor of shape `(num_queries, dim)`.
        candidates: Float tensor of shape `(num_candidates, dim)`.
        k: Any number.
        allowed: Rows that may be returned, int64 of shape `(num_queries, None)`, each once in a list.

    Returns:
        Scores, float of shape `(num_queries, k)`, best first, and rows, int64. Where fewer than k are allowed the
        score is -inf and the row -1.

    Example:
        >>> lists = tf.ragged.constant([[0, 2]], dtype=tf.int64)
        >>> scores, rows = top_k_among(tf.constant([[1.0]]), tf.constant([[2.0], [9.0], [3.0]]), 3, lists)
        >>> scores.numpy().tolist(), rows.numpy().tolist()
        ([[3.0, 2.0, -inf]], [[2, 0, -1]])
    """
    rows = allowed.to_tensor(default_value=-1)
    missing = max(0, k - int(rows.shape[1]))
    rows = tf.pad(rows, [[0, 0], [0, missing]], constant_values=-1)
    step = max(1, _MAX_GATHERED // max(1, rows.shape[1] * candidates.shape[1]))
    return search_in_chunks(queries, step, k, lambda chosen: _top_k(queries[chosen], candidates, k, rows[chosen]))


def _top_k(queries: tf.Tensor, candidates: tf.Tensor, k: int, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    embeddings = tf.gather(candidates, tf.maximum(rows, 0))
    scores = tf.squeeze(tf.matmul(embeddings, queries[:, :, tf.newaxis]), axis=2)
    values, places = tf.math.top_k(tf.where(rows >= 0, scores, -float("inf")), k)
    return values, tf.gather(rows, places, batch_dims=1)
