"""DistinctQueries: the queries of one evaluation, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import tensorflow as tf

from reciperec_layers.corpus.held_out_log import query_keys

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
    """Collects queries in the graph, in memory for the distinct ones: of one id the first row counts, and all weights.

    Example:
        >>> log = DistinctQueries()
        >>> log.append(tf.constant([7, 9, 7]), tf.constant([[1.0], [2.0], [3.0]]), tf.constant([0, 1, 0]), tf.ones(3))
        >>> [queries.embeddings.numpy().ravel().tolist() for queries in log.chunks(8)]
        [[1.0, 2.0]]
    """

    def __init__(self) -> None:
        self._slots = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, _UNKNOWN)
        # Of unknown length: a longer evaluation needs no other graph.
        self._embeddings = tf.Variable(tf.zeros((0, 0)), shape=(None, None), trainable=False)
        self._seen_rows = tf.Variable(tf.zeros((0,), tf.int64), shape=(None,), trainable=False)
        self._weights = tf.Variable(tf.zeros((0, 2), tf.float64), shape=(None, 2), trainable=False)
        self._size = tf.Variable(0, dtype=tf.int64, trainable=False)

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
        slots = tf.where(is_new, self._size.value() + tf.cumsum(tf.cast(is_new, tf.int64), exclusive=True), slots)
        stop = self._size.value() + tf.math.count_nonzero(is_new)
        first_rows = tf.math.unsorted_segment_min(tf.range(tf.size(of_row)), of_row, tf.size(distinct))
        new_slots, rows = tf.boolean_mask(slots, is_new), tf.boolean_mask(first_rows, is_new)
        weights = tf.cast(weights, tf.float64)
        added = tf.math.unsorted_segment_sum(
            tf.stack([weights, tf.ones_like(weights)], axis=1), of_row, tf.size(distinct)
        )
        capacity = tf.shape(self._weights.value(), tf.int64)[0]
        dim = tf.shape(embeddings)[1]
        with tf.control_dependencies([tf.cond(stop > capacity, lambda: self._grow(stop, dim), lambda: capacity)]):
            self._slots.insert(tf.boolean_mask(distinct, is_new), new_slots)
            self._embeddings.scatter_update(
                tf.IndexedSlices(tf.cast(tf.gather(embeddings, rows), tf.float32), new_slots)
            )
            self._seen_rows.scatter_update(tf.IndexedSlices(tf.cast(tf.gather(seen_rows, rows), tf.int64), new_slots))
            self._weights.scatter_add(tf.IndexedSlices(added, slots))
            self._size.assign(stop)

    def clear(self) -> None:
        """Forgets all queries."""
        self._slots.remove(self._slots.export()[0])
        self._embeddings.assign(tf.zeros((0, 0)))
        self._seen_rows.assign(tf.zeros((0,), tf.int64))
        self._weights.assign(tf.zeros((0, 2), tf.float64))
        self._size.assign(0)

    def chunks(self, num_queries: int) -> Iterator[Queries]:
        """Yields all queries in the order in which they came, some at a time.

        Args:
            num_queries: How many of them, >= 1.
        """
        size = int(self._size.numpy())
        for start in range(0, size, num_queries):
            chosen = slice(start, min(start + num_queries, size))
            weights = self._weights[chosen]
            means = weights[:, 0] / weights[:, 1]
            yield Queries(self._embeddings[chosen], self._seen_rows[chosen], means)

    def _grow(self, needed: tf.Tensor, dim: tf.Tensor) -> tf.Tensor:
        before = tf.shape(self._weights.value(), tf.int64)[0]
        capacity = tf.maximum(tf.maximum(2 * before, needed), _FIRST_CAPACITY)
        added = capacity - before
        embeddings = tf.reshape(self._embeddings.value(), tf.stack([before, tf.cast(dim, tf.int64)]))
        self._embeddings.assign(tf.pad(embeddings, [[0, added], [0, 0]]))
        self._seen_rows.assign(tf.pad(self._seen_rows.value(), [[0, added]]))
        self._weights.assign(tf.pad(self._weights.value(), [[0, added], [0, 0]]))
        return capacity
