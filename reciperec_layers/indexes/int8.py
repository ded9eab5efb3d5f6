"""Int8Index: exact search with less memory than brute force, using bounds from 8-bit integers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.graph.traced_once import traced_once
from reciperec_layers.indexes import block_search
from reciperec_layers.indexes.block_index import BlockIndex
from reciperec_layers.indexes.block_search import best_of_blocks, highest_blocks, in_blocks, in_tiles, maxima_of_tiles
from reciperec_layers.indexes.index import INDEXES

_LARGEST = 127.0


@INDEXES.register("int8")
class Int8Index(BlockIndex):
    r"""Finds the k candidates with the largest inner products, exactly, with less memory than `BruteForceIndex`.

    As fast for few queries, and a little slower for many. Each block of 16 candidates x is kept as 8-bit integers z
    with one scale s, and with their largest error \(e = \max \|x - s z\|\). The score of a query q is then at most
    \(s (q z) + \|q\| e\), by the Cauchy-Schwarz inequality. The blocks with the largest bounds are scored again with x,
    more and more of them, until no other block can have a better candidate. Each number takes 5 bytes, where
    `BruteForceIndex` takes 8.

    Args:
        k: Default number of candidates that a call returns.
        name: Name of the layer.
        **kwargs: As for every Keras layer.

    Call arguments:
        queries: Query embeddings, shape `(num_queries, embedding_dim)`.
        k: How many candidates.

    Returns:
        Scores, float32 of shape `(num_queries, k)`, best first, and ids.

    Raises:
        StateError: The index has no candidates.

    Example:
        >>> index = Int8Index()
        >>> index.assign([[2.0], [3.0], [2.0]], ids=["pie", "soup", "stew"])
        >>> index.search([[1.0]], k=2)[1].tolist()
        [['soup', 'pie']]
    """

    def arrange(self, embeddings: tf.Tensor, learned: dict[str, Any]) -> dict[str, tf.Tensor]:
        rows_of_block, dim = block_search.BLOCK, embeddings.shape[1]
        blocks = in_blocks(embeddings, rows_of_block)
        if embeddings.shape[0] < 2 * block_search.TILE:
            none = tf.zeros((0, 1, 0))
            return {
                "blocks": blocks,
                "tiles": tf.zeros((0, dim, block_search.TILE), tf.int8),
                "scales": none,
                "errors": none,
            }
        scales = tf.reduce_max(tf.abs(blocks), axis=1, keepdims=True) / _LARGEST
        # Lengths are in units of the scale, since squares of very small numbers would be 0.
        exact = tf.math.divide_no_nan(blocks, scales)
        whole = tf.round(exact)
        errors = _largest_length(exact - whole, dim)
        # Largest rounding error of sums of float32 products, and of the numbers here.
        errors = scales * (errors + 1.2e-7 * (dim + 2) * _largest_length(exact, dim))
        whole = tf.cast(tf.reshape(whole, (-1, dim)), tf.int8)
        tiles = in_tiles(whole, block_search.TILE, rows_of_block)
        missing = tiles.shape[0] * block_search.TILE // rows_of_block - blocks.shape[0]
        by_tile = (tiles.shape[0], 1, -1)
        return {
            "blocks": blocks,
            "tiles": tiles,
            "scales": tf.reshape(tf.pad(scales, [[0, missing], [0, 0]]), by_tile),
            "errors": tf.reshape(tf.pad(errors, [[0, missing], [0, 0]]), by_tile),
        }

    def search_tiles(
        self, tensors: dict[str, tf.Tensor], queries: tf.Tensor, k: tf.Tensor, excluded: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        names = "tiles", "scales", "errors", "blocks", "num_candidates"
        return _search(queries, *(tensors[name] for name in names), k, excluded)


@traced_once
def _search(
    queries: tf.Tensor,
    tiles: tf.Tensor,
    scales: tf.Tensor,
    errors: tf.Tensor,
    blocks: tf.Tensor,
    num_candidates: tf.Tensor,
    k: tf.Tensor,
    excluded: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    num_blocks = tf.shape(blocks)[0]
    rows_of_block = tf.shape(blocks)[1] // tf.shape(queries)[1]
    products = maxima_of_tiles(
        tf.shape(tiles)[0], rows_of_block, lambda index: tf.matmul(queries, tf.cast(tiles[index], tf.float32))
    )
    largest = tf.reduce_max(tf.abs(queries), axis=1, keepdims=True)
    lengths = largest * tf.norm(tf.math.divide_no_nan(queries, largest), axis=1, keepdims=True)
    bounds = products * scales + lengths * errors

    def body(
        count: tf.Tensor, scores: tf.Tensor, rows: tf.Tensor, is_certain: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        chosen, least = highest_blocks(bounds, count, num_blocks)
        scores, rows = best_of_blocks(queries, blocks, chosen, k, num_candidates, excluded)
        # The bound of a block that was not chosen is at most the smallest bound of those that were.
        is_certain = (count == num_blocks) | tf.reduce_all(scores[:, -1] > least)
        return tf.minimum(2 * count, num_blocks), scores, rows, is_certain

    most = 0 if excluded is None else tf.shape(excluded)[1]
    count = tf.minimum(k + most + k // 2 + 16, num_blocks)
    empty = tf.zeros((tf.shape(queries)[0], k)), tf.zeros((tf.shape(queries)[0], k), tf.int64)
    shapes = tf.TensorShape(()), tf.TensorShape((None, None)), tf.TensorShape((None, None)), tf.TensorShape(())
    found = tf.while_loop(
        lambda count, scores, rows, is_certain: ~is_certain,
        body,
        (count, *empty, tf.constant(False)),
        shape_invariants=shapes,
    )
    return found[1], found[2]


def _largest_length(blocks: tf.Tensor, dim: int) -> tf.Tensor:
    """Returns the largest norm of the rows of each block, of shape `(num_blocks, 1)`."""
    lengths = tf.norm(tf.reshape(blocks, (tf.shape(blocks)[0], -1, dim)), axis=2)
    return tf.reduce_max(lengths, axis=1, keepdims=True)
