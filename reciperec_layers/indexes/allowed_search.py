"""The k best candidates of each query among those that are allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from reciperec_layers.indexes.query_chunks import search_in_chunks

# Numbers that are gathered at a time: 256 MiB of float32.
_MAX_GATHERED = 2**26


def top_k_among(
    queries: tf.Tensor, embeddings_of: Callable[[tf.Tensor], tf.Tensor], k: int, allowed: tf.RaggedTensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns scores and rows of the k allowed candidates with the largest inner products.

    The cost depends on the length of the lists, not on the corpus. Ties go to the candidate that comes first in a list.

    Args:
        queries: Float tensor of shape `(num_queries, dim)`.
        embeddings_of: Function from rows of candidates, int64 of any shape, to their embeddings, `(*shape, dim)`.
        k: How many, also more than there are.
        allowed: Rows that may be returned, int64 of shape `(num_queries, None)`, without repeats in a list.

    Returns:
        Scores, float of shape `(num_queries, k)`, best first, and rows, int64. If fewer than k are allowed, the rest
        has score -inf and row -1.

    Example:
        >>> candidates = tf.constant([[2.0], [9.0], [3.0]])
        >>> lists = tf.ragged.constant([[0, 2]], dtype=tf.int64)
        >>> embeddings_of = lambda rows: tf.gather(candidates, rows)
        >>> scores, rows = top_k_among(tf.constant([[1.0]]), embeddings_of, 3, lists)
        >>> scores.numpy().tolist(), rows.numpy().tolist()
        ([[3.0, 2.0, -inf]], [[2, 0, -1]])
    """
    rows = allowed.to_tensor(default_value=-1)
    step = max(1, _MAX_GATHERED // max(1, rows.shape[1] * queries.shape[1]))

    def search(some: tf.Tensor, lists: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return top_k_of_lists(some, embeddings_of, k, lists)

    return search_in_chunks(queries, rows, step, k, search)


def top_k_of_lists(
    queries: tf.Tensor, embeddings_of: Callable[[tf.Tensor], tf.Tensor], k: Any, rows: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Does what `top_k_among` does, for all queries at once. Part of a graph.

    Args:
        queries: As for `top_k_among`.
        embeddings_of: As for `top_k_among`.
        k: Integer or int32 tensor.
        rows: Rows that may be returned, int64 of shape `(num_queries, m)`, padded with -1.

    Example:
        >>> candidates, rows = tf.constant([[2.0], [9.0]]), tf.constant([[0, -1]], tf.int64)
        >>> top_k_of_lists(tf.constant([[1.0]]), lambda rows: tf.gather(candidates, rows), 1, rows)[1]
        <tf.Tensor: shape=(1, 1), dtype=int64, numpy=array([[0]])>
    """
    embeddings = embeddings_of(tf.maximum(rows, 0))
    scores = tf.squeeze(tf.matmul(embeddings, queries[:, :, tf.newaxis]), axis=2)
    found = tf.minimum(k, tf.shape(rows)[1])
    values, places = tf.math.top_k(tf.where(rows >= 0, scores, -float("inf")), found)
    missing = [[0, 0], [0, k - found]]
    padded = tf.pad(values, missing, constant_values=-float("inf"))
    return padded, tf.pad(tf.gather(rows, places, batch_dims=1), missing, constant_values=-1)
