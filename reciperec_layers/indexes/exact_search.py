"""Exact search of the k best candidates of each query."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.indexes.query_chunks import search_in_chunks

# Scores held in memory at a time: 256 MiB of float32.
MAX_SCORES = 2**26


def exact_top_k(
    queries: tf.Tensor, candidates: tf.Tensor, k: int, excluded: tf.RaggedTensor | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns scores and rows of the k candidates with the largest inner products.

    Ties go to the candidate that comes first.

    Args:
        queries: Float tensor of shape `(num_queries, dim)`.
        candidates: Float tensor of shape `(num_candidates, dim)`.
        k: At most `num_candidates`.
        excluded: Rows that may not be returned, int64 of shape `(num_queries, None)`.

    Returns:
        Scores, float of shape `(num_queries, k)`, best first, and rows, int64. If fewer than k are left, the rest has
        score -inf and row -1.

    Example:
        >>> scores, rows = exact_top_k(tf.constant([[1.0]]), tf.constant([[2.0], [3.0], [2.0]]), k=2)
        >>> scores.numpy().tolist(), rows.numpy().tolist()
        ([[3.0, 2.0]], [[1, 0]])
    """
    step = max(1, MAX_SCORES // max(1, candidates.shape[0]))

    def search(some: tf.Tensor, left_out: tf.RaggedTensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        return top_k_of_all(some, candidates, k, None if left_out is None else left_out.to_tensor(default_value=-1))

    return search_in_chunks(queries, excluded, step, k, search)


def top_k_of_all(
    queries: tf.Tensor, candidates: tf.Tensor, k: Any, excluded: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Does what `exact_top_k` does, for all queries at once. Part of a graph.

    Args:
        queries: As for `exact_top_k`.
        candidates: As for `exact_top_k`.
        k: Integer or int32 tensor, at most `num_candidates`.
        excluded: Rows that may not be returned, int64 of shape `(num_queries, m)`, padded with -1.

    Example:
        >>> top_k_of_all(tf.constant([[1.0]]), tf.constant([[2.0], [3.0]]), 1, tf.constant([[1, -1]], tf.int64))[1]
        <tf.Tensor: shape=(1, 1), dtype=int64, numpy=array([[0]])>
    """
    scores = tf.matmul(queries, candidates, transpose_b=True)
    if excluded is not None:
        places = tf.where(excluded >= 0)
        scores = mask_places(scores, tf.stack([places[:, 0], tf.gather_nd(excluded, places)], axis=1))
    values, rows = tf.math.top_k(scores, k)
    return values, tf.where(values > -float("inf"), tf.cast(rows, tf.int64), -1)


def mask_rows(scores: tf.Tensor, excluded: tf.RaggedTensor) -> tf.Tensor:
    """Sets the scores of excluded candidates to -inf.

    Args:
        scores: Float tensor of shape `(num_queries, num_candidates)`.
        excluded: Candidate rows, int64 of shape `(num_queries, None)`.

    Example:
        >>> mask_rows(tf.constant([[1.0, 2.0]]), tf.ragged.constant([[1]], dtype=tf.int64)).numpy()
        array([[  1., -inf]], dtype=float32)
    """
    return mask_places(scores, tf.stack([excluded.value_rowids(), excluded.values], axis=1))


def mask_places(scores: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Sets the scores at some places to -inf.

    Args:
        scores: Float tensor of shape `(num_queries, num_candidates)`.
        places: Their rows and columns, int64 of shape `(n, 2)`.

    Example:
        >>> mask_places(tf.constant([[1.0, 2.0]]), tf.constant([[0, 1]])).numpy()
        array([[  1., -inf]], dtype=float32)
    """
    return tf.tensor_scatter_nd_update(scores, places, tf.fill(tf.shape(places)[:1], -float("inf")))
