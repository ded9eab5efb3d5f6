"""A search of many queries, some at a time."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def search_in_chunks(
    queries: tf.Tensor, rows_of_chunk: int, k: int, search: Callable[[slice], tuple[tf.Tensor, tf.Tensor]]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns scores and rows of all queries, of shape `(num_queries, k)`.

    Args:
        queries: Float tensor of shape `(num_queries, dim)`, of any number of rows.
        rows_of_chunk: Queries at a time, 1 or more.
        k: Results of a query.
        search: Takes which queries, and returns their scores, in the dtype of the queries, and rows, int64.

    Example:
        >>> queries = tf.constant([[5.0], [6.0], [7.0]])
        >>> search_in_chunks(queries, 2, 1, lambda chosen: (queries[chosen], queries[chosen]))[0].numpy().tolist()
        [[5.0], [6.0], [7.0]]
    """
    num_queries = int(queries.shape[0])
    if not num_queries:
        return tf.zeros((0, k), queries.dtype), tf.zeros((0, k), tf.int64)
    if num_queries <= rows_of_chunk:
        return search(slice(None))
    parts = [search(slice(start, start + rows_of_chunk)) for start in range(0, num_queries, rows_of_chunk)]
    scores, rows = zip(*parts, strict=True)
    return tf.concat(scores, axis=0), tf.concat(rows, axis=0)
