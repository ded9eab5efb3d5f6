"""Search of many queries in chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def search_in_chunks(
    queries: tf.Tensor,
    lists: tf.Tensor | tf.RaggedTensor | None,
    rows_of_chunk: int,
    k: int,
    search: Callable[[tf.Tensor, Any], tuple[tf.Tensor, tf.Tensor]],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns scores and rows of all queries, of shape `(num_queries, k)`.

    Args:
        queries: Float tensor of shape `(num_queries, dim)`, of any number of rows.
        lists: One list for each query, or `None`.
        rows_of_chunk: Queries in a chunk, at least 1.
        k: Results per query.
        search: Function from queries and their lists to scores, in the dtype of the queries, and rows, int64.

    Example:
        >>> queries = tf.constant([[5.0], [6.0], [7.0]])
        >>> search_in_chunks(queries, None, 2, 1, lambda some, lists: (some, some))[0].numpy().tolist()
        [[5.0], [6.0], [7.0]]
    """
    num_queries = int(queries.shape[0])
    if not num_queries:
        return tf.zeros((0, k), queries.dtype), tf.zeros((0, k), tf.int64)
    if num_queries <= rows_of_chunk:
        return search(queries, lists)  # slicing would take as long as a small search
    chunks = [slice(start, start + rows_of_chunk) for start in range(0, num_queries, rows_of_chunk)]
    parts = [search(queries[chosen], None if lists is None else lists[chosen]) for chosen in chunks]
    scores, rows = zip(*parts, strict=True)
    return tf.concat(scores, axis=0), tf.concat(rows, axis=0)
