"""Ranks of held-out candidates in a corpus, counted in tiles of queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from reciperec_layers.graph.row_chunks import in_row_chunks
from reciperec_layers.indexes import mask_rows
from reciperec_layers.metrics import MISS, true_ranks

# Scores of a tile, 4 MB: they stay in a core's cache from the product that makes them to the count.
_SCORES_OF_TILE = 2**20
_LEAST_ROWS = 32
# To this number sums of ones are exact.
_MOST_SIGNS = 2**24
# Up to so many scores of a batch a loop costs more than it saves; a batch of unknown size may have so many rows.
_SCORES_AT_ONCE = 2**19
_ROWS_ASSUMED = 2048


def ranks_in_tiles(
    queries: tf.Tensor,
    columns: Any,
    num_candidates: int,
    true_rows: tf.Tensor,
    excluded: tf.RaggedTensor | None = None,
) -> tf.Tensor:
    """Returns the rank of each query's held-out candidate among all candidates, as `metrics.true_ranks` does.

    Nothing is sorted: a rank is the number of candidates ahead, and no more than a tile of scores exists at a time.

    Args:
        queries: float32 of shape `(num_queries, dim)`.
        columns: Candidate embeddings, float32 of shape `(dim, num_candidates)`.
        num_candidates: How many.
        true_rows: Corpus row of each held-out candidate, int64 of shape `(num_queries,)`; -1 outside of the corpus.
        excluded: Corpus rows that a query may not get, int64 of shape `(num_queries, None)`.

    Example:
        >>> rows = tf.constant([1, -1], tf.int64)
        >>> ranks_in_tiles(tf.constant([[1.0], [-1.0]]), tf.constant([[3.0, 2.0]]), 2, rows).numpy()
        array([                  2, 9223372036854775807])
    """
    if _is_small(queries, num_candidates):
        return true_ranks(_scores(queries, columns, excluded), true_rows)

    def of_tile(chosen: slice) -> tf.Tensor:
        scores = _scores(queries[chosen], columns, None if excluded is None else excluded[chosen])
        return _ranks_of_tile(scores, num_candidates, true_rows[chosen])

    return _in_tiles(tf.shape(queries)[0], num_candidates, of_tile)


def num_above_in_tiles(queries: tf.Tensor, columns: Any, num_candidates: int, thresholds: tf.Tensor) -> tf.Tensor:
    """Returns how many candidates have a score above each query's threshold, int64 of shape `(num_queries,)`.

    A score that is not a number is above nothing.

    Args:
        queries: As for `ranks_in_tiles`.
        columns: As for `ranks_in_tiles`.
        num_candidates: How many.
        thresholds: float32 of shape `(num_queries,)`.

    Example:
        >>> num_above_in_tiles(tf.constant([[1.0]]), tf.constant([[3.0, 2.0, 4.0]]), 3, tf.constant([2.0])).numpy()
        array([2])
    """

    def of_tile(chosen: slice) -> tf.Tensor:
        above = tf.matmul(queries[chosen], columns) > thresholds[chosen, tf.newaxis]
        return tf.math.count_nonzero(above, axis=1)

    if _is_small(queries, num_candidates):
        return of_tile(slice(None))
    return _in_tiles(tf.shape(queries)[0], num_candidates, of_tile)


def _is_small(queries: tf.Tensor, num_candidates: int) -> bool:
    """Returns whether all scores are made at once."""
    rows = queries.shape[0]
    return (_ROWS_ASSUMED if rows is None else rows) * num_candidates <= _SCORES_AT_ONCE


def _in_tiles(num_rows: tf.Tensor, num_candidates: int, of_tile: Callable[[slice], tf.Tensor]) -> tf.Tensor:
    """Returns int64 of shape `(num_rows,)` from a function of a slice of the rows."""
    tile = min(max(_SCORES_OF_TILE // num_candidates, _LEAST_ROWS), max(_MOST_SIGNS // num_candidates, 1))
    specs = [tf.TensorSpec((None,), tf.int64)]
    (found,) = in_row_chunks(num_rows, tile, lambda chosen: [of_tile(chosen)], specs, parallel_iterations=2)
    return found


def _ranks_of_tile(scores: tf.Tensor, num_candidates: int, true_rows: tf.Tensor) -> tf.Tensor:
    """Returns what `true_ranks` does, in less than half of its time where no candidate has a held-out one's score."""
    if num_candidates > _MOST_SIGNS:
        return true_ranks(scores, true_rows)
    true_scores = tf.gather(scores, tf.maximum(true_rows, 0)[:, tf.newaxis], batch_dims=1)
    is_there = true_scores > -float("inf")  # and not excluded
    # Of an excluded candidate, whose score is -inf, the sign is -1, whatever it is compared with.
    signs = tf.sign(scores - tf.maximum(true_scores, scores.dtype.min))
    num_different = 2 * tf.nn.l2_loss(signs)  # one pass, which writes nothing
    num_equal = tf.cast(tf.size(signs), tf.float32) - num_different

    def without_ties() -> tf.Tensor:
        num_ahead = tf.cast((tf.reduce_sum(signs, axis=1) + float(num_candidates - 1)) / 2, tf.int64)
        return tf.where((true_rows >= 0) & is_there[:, 0], 1 + num_ahead, MISS)

    has_ties = num_equal != tf.reduce_sum(tf.cast(is_there, tf.float32))
    return tf.cond(has_ties, lambda: true_ranks(scores, true_rows), without_ties)


def _scores(queries: tf.Tensor, columns: Any, excluded: tf.RaggedTensor | None) -> tf.Tensor:
    scores = tf.matmul(queries, columns)
    return scores if excluded is None else mask_rows(scores, excluded)
