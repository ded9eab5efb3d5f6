"""BruteForceIndex: the k best candidates of each query, exactly, at the speed of a matrix product."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.graph.traced_once import traced_once
from reciperec_layers.indexes import block_search
from reciperec_layers.indexes.block_index import BlockIndex
from reciperec_layers.indexes.block_search import best_by_maxima, in_blocks, in_tiles, maxima_of_tiles
from reciperec_layers.indexes.index import INDEXES


@INDEXES.register("brute_force")
class BruteForceIndex(BlockIndex):
    """Finds the k candidates with the largest inner products, exactly. Ties go to the candidate that comes first.

    The index to begin with: it is correct for every corpus, and fast up to some millions of candidates. For a large
    corpus it keeps only the maximum score of each block of 16 candidates. The k best lie in the k blocks with the
    largest maxima (on ties, in the earlier ones), which are scored again. Candidates are stored twice: by column for
    the product, and by row for scoring again.

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
        >>> index = BruteForceIndex()
        >>> index.assign([[2.0], [3.0], [2.0]], ids=["pie", "soup", "stew"])
        >>> scores, ids = index.search([[1.0]], k=2)
        >>> scores.tolist(), ids.tolist()
        ([[3.0, 2.0]], [['soup', 'pie']])
    """

    def arrange(self, embeddings: tf.Tensor, learned: dict[str, Any]) -> dict[str, tf.Tensor]:
        sizes = block_search.TILE, block_search.BLOCK
        is_large = embeddings.shape[0] >= 2 * block_search.TILE
        tiles = in_tiles(embeddings, *sizes) if is_large else tf.zeros((0, embeddings.shape[1], block_search.TILE))
        return {"blocks": in_blocks(embeddings, block_search.BLOCK), "tiles": tiles}

    def search_tiles(
        self, tensors: dict[str, tf.Tensor], queries: tf.Tensor, k: tf.Tensor, excluded: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return _search(queries, tensors["tiles"], tensors["blocks"], tensors["num_candidates"], k, excluded)


@traced_once
def _search(
    queries: tf.Tensor,
    tiles: tf.Tensor,
    blocks: tf.Tensor,
    num_candidates: tf.Tensor,
    k: tf.Tensor,
    excluded: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    rows_of_block = tf.shape(blocks)[1] // tf.shape(queries)[1]
    maxima = maxima_of_tiles(tf.shape(tiles)[0], rows_of_block, lambda index: tf.matmul(queries, tiles[index]))
    return best_by_maxima(queries, blocks, maxima, k, num_candidates, excluded)
