"""Search of many queries in chunks, eagerly and in graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from reciperec_layers.graph.row_chunks import in_row_chunks


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


def find_in_chunks(
    queries: tf.Tensor, rows_of_chunk: int, find: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what `find` does, as a part of a graph, in which the number of queries need not be known.

    Args:
        queries: Float tensor of shape `(num_queries, dim)`.
        rows_of_chunk: Queries in a chunk, at least 1.
        find: Function from queries to scores and rows, of shape `(num_queries, k)`.

    Example:
        >>> queries = tf.constant([[5.0], [6.0], [7.0]])
        >>> find_in_chunks(queries, 2, lambda some: (some, tf.cast(some, tf.int64)))[1].numpy().tolist()
        [[5], [6], [7]]
    """
    num_queries = tf.shape(queries)[0]
    specs = [tf.TensorSpec((None, None), dtype) for dtype in (queries.dtype, tf.int64)]

    def in_turn() -> tuple[tf.Tensor, tf.Tensor]:
        scores, rows = in_row_chunks(num_queries, rows_of_chunk, lambda chosen: find(queries[chosen]), specs)
        return scores, rows

    return tf.cond(num_queries <= rows_of_chunk, lambda: find(queries), in_turn)
