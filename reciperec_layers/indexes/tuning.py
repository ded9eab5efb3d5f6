"""tune: the smallest share of the candidates that an inverted file must score for a recall."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.errors import ArgumentTypeError, explain
from reciperec_layers.graph.traced_once import traced_once
from reciperec_layers.indexes.exact_answers import checked_queries, tolerances
from reciperec_layers.indexes.exact_search import MAX_SCORES
from reciperec_layers.indexes.inverted_file import BLOCK, InvertedFileIndex, guesses_of_blocks


def tune(index: InvertedFileIndex, queries: Any, recall: float = 0.95, k: int = 100) -> float:
    """Sets the smallest `scored_fraction` with which an inverted file reaches a recall, and returns it.

    All queries are compared with all candidates once. An inverted file always scores about 2,000 candidates, and all
    of them if half would not be enough: the fraction is never set below the first and hardly above the second.

    Args:
        index: An inverted file with candidates.
        queries: Representative query embeddings, shape `(num_queries, embedding_dim)`; a few hundred are enough.
        recall: Mean share of the k best to find, over the queries, in (0, 1].
        k: Number of results of a search.

    Raises:
        ArgumentTypeError: The index is not an `InvertedFileIndex`.
        StateError: It has no candidates.
        ArgumentError: A number is out of range, or there are no queries.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> index = InvertedFileIndex()
        >>> index.assign(rng.normal(size=(20_000, 8)))
        >>> fraction = tune(index, rng.normal(size=(50, 8)), recall=0.9, k=10)
        >>> fraction == index.scored_fraction, 0.05 < fraction < 0.5
        (True, True)
    """
    if not isinstance(index, InvertedFileIndex):
        fix = "Only an inverted file has a scored_fraction; use audit to measure others"
        raise ArgumentTypeError(explain("tune", "`index` must be an InvertedFileIndex", index=index, fix=fix))
    recall = check_number("tune", "recall", recall, above=0, most=1, example=0.95)
    k = check_integer("tune", "k", k, example=100)
    queries = checked_queries("tune", index, queries)
    k = min(k, index.num_candidates)
    found = _found_by_blocks(index, queries, k)
    num_blocks = len(found)
    needed = math.ceil(recall * k * int(queries.shape[0]) - 1e-6)
    count = int(np.searchsorted(found, needed)) + 1
    index.scored_fraction = _fraction(min(count, num_blocks), num_blocks)
    # The index always scores some blocks, and all candidates if these are more than half.
    count = min(int(index.tensors()["num_scored_blocks"]), num_blocks // 2 + 1, num_blocks)
    index.scored_fraction = _fraction(count, num_blocks)
    return index.scored_fraction


def _fraction(count: int, num_blocks: int) -> float:
    """Returns the largest fraction of the blocks that does not round up to more than `count`."""
    fraction = count / num_blocks
    return fraction if math.ceil(fraction * num_blocks) <= count else math.nextafter(fraction, 0.0)


def _found_by_blocks(index: InvertedFileIndex, queries: tf.Tensor, k: int) -> np.ndarray:
    """Returns how many of the k best, over all queries, are in the first block of each query, the first two, and so on.

    Args:
        index: An inverted file with candidates.
        queries: float32 of shape `(num_queries, dim)`.
        k: At most the number of candidates.
    """
    tensors = index.tensors()
    blocks, rows = tensors["blocks"], tensors["rows"]
    found = np.zeros(rows.shape[0], np.int64)
    least = tolerances(queries, tf.reshape(blocks, (-1, queries.shape[1])))
    number = tf.constant(k)
    step = max(1, MAX_SCORES // (rows.shape[0] * BLOCK))
    for start in range(0, int(queries.shape[0]), step):
        chosen = slice(start, start + step)
        found += _found_of_chunk(queries[chosen], least[chosen], tensors["summaries"], blocks, rows, number).numpy()
    return found


@traced_once
def _found_of_chunk(
    queries: tf.Tensor,
    tolerance: tf.Tensor,
    summaries: tf.Tensor,
    blocks: tf.Tensor,
    rows: tf.Tensor,
    k: tf.Tensor,
) -> tf.Tensor:
    num_queries, num_blocks = tf.shape(queries)[0], tf.shape(rows)[0]
    scores = tf.matmul(queries, tf.reshape(blocks, (-1, tf.shape(queries)[1])), transpose_b=True)
    scores = tf.where(tf.reshape(rows, (1, -1)) >= 0, scores, -float("inf"))
    least = tf.math.top_k(scores, k).values[:, -1] - tolerance
    is_right = tf.cast(scores >= least[:, tf.newaxis], tf.int64)
    of_blocks = tf.reduce_sum(tf.reshape(is_right, (num_queries, num_blocks, BLOCK)), axis=2)
    order = tf.math.top_k(guesses_of_blocks(queries, summaries), num_blocks).indices
    found = tf.cumsum(tf.gather(of_blocks, order, batch_dims=1), axis=1)
    return tf.reduce_sum(tf.minimum(found, tf.cast(k, tf.int64)), axis=0)
