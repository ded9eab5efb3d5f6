"""RanksByQuery: collects the held-out pairs of one evaluation and groups them by query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from reciperec_layers.graph.growing_rows import GrowingRows

_FIRST_CAPACITY = 4096
# Ranks of so many queries at a time: the padded ranks of one chunk stay small, whatever one query has.
_PAIRS_OF_CHUNK = 2**20


@dataclass(frozen=True)
class HeldOut:
    """Queries with their held-out pairs.

    Args:
        ranks: int64 of shape `(n, m)`, 0 where a query has fewer than m.
        weights: Mean of the weights of a query's pairs, float64 of shape `(n,)`.
        num_candidates: Number of candidates each query chooses from, int64 of shape `(n,)`.

    Example:
        >>> HeldOut(np.array([[1, 3], [2, 0]]), np.ones(2), np.array([9, 9])).ranks.shape
        (2, 2)
    """

    ranks: np.ndarray
    weights: np.ndarray
    num_candidates: np.ndarray


class RanksByQuery:
    """Collects pairs in the graph, in the order of the batches, and gives them query by query.

    Example:
        >>> log = RanksByQuery()
        >>> log.append(tf.constant([7, 9, 7]), tf.constant([1, 5, 3]), tf.ones(3), tf.constant([8, 8, 8]))
        >>> [held_out.ranks.tolist() for held_out in log.by_query()]
        [[[5, 0], [1, 3]]]
    """

    def __init__(self) -> None:
        self._rows = GrowingRows(
            _FIRST_CAPACITY,
            queries=((), tf.int64),
            ranks=((), tf.int64),
            weights=((), tf.float64),
            num_candidates=((), tf.int64),
        )

    def append(self, queries: tf.Tensor, ranks: tf.Tensor, weights: tf.Tensor, num_candidates: tf.Tensor) -> None:
        """Adds the pairs of a batch.

        Args:
            queries: Ids of the queries, integers or text, shape `(n,)`.
            ranks: Ranks of their held-out candidates, integers of shape `(n,)`.
            weights: Weights, numbers of shape `(n,)`.
            num_candidates: Number of candidates the query chooses from, integers of shape `(n,)`.
        """
        self._rows.append(
            queries=query_keys(queries),
            ranks=tf.cast(ranks, tf.int64),
            weights=tf.cast(weights, tf.float64),
            num_candidates=tf.cast(num_candidates, tf.int64),
        )

    def clear(self) -> None:
        """Forgets all pairs."""
        self._rows.clear()

    def by_query(self) -> Iterator[HeldOut]:
        """Yields all pairs, in chunks of whole queries."""
        names = "queries", "ranks", "weights", "num_candidates"
        yield from by_query(*(self._rows.column(name).numpy() for name in names))


def query_keys(queries: tf.Tensor) -> tf.Tensor:
    """Returns a number for each query, int64 of shape `(n,)`; of text the 64 bits of a fingerprint.

    Two texts among a million have the same with a chance of 5e-8.

    Args:
        queries: Ids of queries, integers or text, shape `(n,)`.

    Example:
        >>> query_keys(tf.constant([7, 9])).numpy().tolist()
        [7, 9]
    """
    keys = tf.strings.to_hash_bucket_fast(queries, tf.int64.max) if queries.dtype == tf.string else queries
    return tf.cast(keys, tf.int64)


def by_query(
    queries: np.ndarray, ranks: np.ndarray, weights: np.ndarray, num_candidates: np.ndarray
) -> Iterator[HeldOut]:
    """Yields held-out pairs query by query, in chunks of whole queries.

    Args:
        queries: Which pairs are of one query, integers or text of shape `(n,)`.
        ranks: Ranks of the held-out candidates, int64 of shape `(n,)`.
        weights: Weights of the pairs, of shape `(n,)`.
        num_candidates: Number of candidates the query chooses from, int64 of shape `(n,)`.

    Example:
        >>> pairs = np.array([7, 9, 7]), np.array([1, 5, 3]), np.array([1.0, 1.0, 2.0]), np.array([8, 8, 8])
        >>> [(chunk.ranks.tolist(), chunk.weights.tolist()) for chunk in by_query(*pairs)]
        [([[5, 0], [1, 3]], [1.0, 1.5])]
    """
    _, query, counts = np.unique(queries, return_inverse=True, return_counts=True)
    # Queries of equal size come together, so that little is padding.
    order = np.lexsort((query, counts[query]))
    starts = np.concatenate([[0], np.cumsum(np.sort(counts))])
    first = 0
    while first < len(counts):
        widest = np.diff(starts[first:])
        last = first + max(1, int(np.searchsorted(widest * np.arange(1, len(widest) + 1), _PAIRS_OF_CHUNK)))
        chosen = order[starts[first] : starts[last]]
        yield _chunk(ranks[chosen], weights[chosen], num_candidates[chosen], np.diff(starts[first : last + 1]))
        first = last


def _chunk(ranks: np.ndarray, weights: np.ndarray, num_candidates: np.ndarray, counts: np.ndarray) -> HeldOut:
    rows = np.repeat(np.arange(len(counts)), counts)
    firsts = np.cumsum(counts) - counts
    padded = np.zeros((len(counts), counts.max()), np.int64)
    padded[rows, np.arange(len(rows)) - firsts[rows]] = ranks
    return HeldOut(padded, np.add.reduceat(weights, firsts) / counts, num_candidates[firsts])
