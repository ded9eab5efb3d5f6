"""DistinctQueries: the queries of one evaluation, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import tensorflow as tf

from reciperec_layers.candidates.ranks_by_query import query_keys
from reciperec_layers.graph.growing_rows import GrowingRows

_FIRST_CAPACITY = 1024
_UNKNOWN = -1


@dataclass(frozen=True)
class Queries:
    """Distinct queries.

    Args:
        embeddings: float32 of shape `(n, dim)`.
        seen_rows: Where each is among the queries of a `Seen`, int64 of shape `(n,)`.
        weights: Mean of the weights of a query's rows, float64 of shape `(n,)`.

    Example:
        >>> Queries(tf.zeros((2, 4)), tf.constant([1, 0]), tf.ones(2)).embeddings.shape[0]
        2
    """

    embeddings: tf.Tensor
    seen_rows: tf.Tensor
    weights: tf.Tensor


class DistinctQueries:
    """Collects queries in the graph, each once: the embedding of an id's first row, and the mean of its weights.

    Example:
        >>> log = DistinctQueries(1)
        >>> log.append(tf.constant([7, 9, 7]), tf.constant([[1.0], [2.0], [3.0]]), tf.constant([0, 1, 0]), tf.ones(3))
        >>> [queries.embeddings.numpy().ravel().tolist() for queries in log.in_parts(8)]
        [[1.0, 2.0]]
    """

    def __init__(self, embedding_dim: int) -> None:
        # With a name, TensorFlow would keep it for ever.
        self._slots = tf.lookup.experimental.MutableHashTable(
            tf.int64, tf.int64, _UNKNOWN, experimental_is_anonymous=True
        )
        self._rows = GrowingRows(
            _FIRST_CAPACITY,
            embeddings=((embedding_dim,), tf.float32),
            seen_rows=((), tf.int64),
            weights=((2,), tf.float64),
        )

    def append(self, query_ids: tf.Tensor, embeddings: tf.Tensor, seen_rows: tf.Tensor, weights: tf.Tensor) -> None:
        """Adds the rows of a batch.

        Args:
            query_ids: Ids of the queries, integers or text, shape `(n,)`.
            embeddings: Floats of shape `(n, dim)`.
            seen_rows: Integers of shape `(n,)`, as in `Queries`.
            weights: Numbers of shape `(n,)`.
        """
        distinct, of_row = tf.unique(query_keys(query_ids))
        slots = tf.ensure_shape(self._slots.lookup(distinct), [None])  # in a graph the table does not say
        is_new = slots < 0
        size = self._rows.size.read_value()
        slots = tf.where(is_new, size + tf.cumsum(tf.cast(is_new, tf.int64), exclusive=True), slots)
        stop = size + tf.math.count_nonzero(is_new)
        first_rows = tf.math.unsorted_segment_min(tf.range(tf.size(of_row)), of_row, tf.size(distinct))
        new_slots, rows = tf.boolean_mask(slots, is_new), tf.boolean_mask(first_rows, is_new)
        weights = tf.cast(weights, tf.float64)
        added = tf.math.unsorted_segment_sum(
            tf.stack([weights, tf.ones_like(weights)], axis=1), of_row, tf.size(distinct)
        )
        columns = self._rows.columns
        with tf.control_dependencies([self._rows.reserve(stop)]):
            self._slots.insert(tf.boolean_mask(distinct, is_new), new_slots)
            embeddings = tf.cast(tf.gather(embeddings, rows), tf.float32)
            columns["embeddings"].scatter_update(tf.IndexedSlices(embeddings, new_slots))
            seen_rows = tf.cast(tf.gather(seen_rows, rows), tf.int64)
            columns["seen_rows"].scatter_update(tf.IndexedSlices(seen_rows, new_slots))
            columns["weights"].scatter_add(tf.IndexedSlices(added, slots))
            self._rows.size.assign(stop)

    def clear(self) -> None:
        """Forgets all queries."""
        self._slots.remove(self._slots.export()[0])
        self._rows.clear()
        self._rows.columns["weights"].assign(tf.zeros_like(self._rows.columns["weights"]))  # to which others are added

    def in_parts(self, num_queries: int) -> Iterator[Queries]:
        """Yields all queries in the order in which they came, some at a time.

        Args:
            num_queries: How many of them, >= 1.
        """
        size = int(self._rows.size.numpy())
        columns = self._rows.columns
        for start in range(0, size, num_queries):
            chosen = slice(start, min(start + num_queries, size))
            weights = columns["weights"][chosen]
            yield Queries(columns["embeddings"][chosen], columns["seen_rows"][chosen], weights[:, 0] / weights[:, 1])
