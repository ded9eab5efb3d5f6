"""Ranks of held-out candidates in a corpus, counted in tiles of queries."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.indexes import mask_rows
from reciperec_layers.metrics import true_ranks

# Scores of a tile, 4 MB: they stay in a core's cache from the product that makes them to the count.
_SCORES_OF_TILE = 2**20
_LEAST_ROWS = 32
# Up to so many scores of a batch a loop costs more than it saves; a batch of unknown size may have so many rows.
_SCORES_AT_ONCE = 2**19
_ROWS_ASSUMED = 2048


def held_out_ranks(
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
        >>> held_out_ranks(tf.constant([[1.0], [-1.0]]), tf.constant([[3.0, 2.0]]), 2, rows).numpy()
        array([                  2, 9223372036854775807])
    """
    rows = queries.shape[0]
    if (_ROWS_ASSUMED if rows is None else rows) * num_candidates <= _SCORES_AT_ONCE:
        return true_ranks(_scores(queries, columns, excluded), true_rows)
    num_rows = tf.shape(queries)[0]
    tile = max(_SCORES_OF_TILE // num_candidates, _LEAST_ROWS)
    num_tiles = -(-num_rows // tile)
    # All tiles of one size, for which the count is compiled once.
    missing = num_tiles * tile - num_rows
    queries = tf.pad(queries, [[0, missing], [0, 0]])
    true_rows = tf.pad(true_rows, [[0, missing]], constant_values=-1)

    def body(index: tf.Tensor, ranks: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        chosen = slice(index * tile, (index + 1) * tile)
        scores = _scores(queries[chosen], columns, None if excluded is None else excluded[chosen])
        scores = tf.ensure_shape(scores, (tile, num_candidates))
        return index + 1, ranks.write(index, _compiled_ranks(scores, true_rows[chosen]))

    array = tf.TensorArray(tf.int64, num_tiles, element_shape=(tile,))
    _, array = tf.while_loop(lambda index, _: index < num_tiles, body, (0, array), parallel_iterations=2)
    return array.concat()[:num_rows]


# One pass over the scores, where TensorFlow's operations take six.
_compiled_ranks = tf.function(true_ranks, jit_compile=True, autograph=False)


def _scores(queries: tf.Tensor, columns: Any, excluded: tf.RaggedTensor | None) -> tf.Tensor:
    scores = tf.matmul(queries, columns)
    return scores if excluded is None else mask_rows(scores, excluded)
