"""BlockIndex: base of the exact indexes that search by blocks."""

from __future__ import annotations

from abc import abstractmethod

import tensorflow as tf

from reciperec_layers.graph.traced_once import traced_once
from reciperec_layers.indexes import block_search
from reciperec_layers.indexes.block_search import best_by_maxima, maxima_of_rows
from reciperec_layers.indexes.exact_search import MAX_SCORES, top_k_of_all
from reciperec_layers.indexes.index import Index

# Numbers of the chosen blocks that are gathered at a time: 256 MiB of float32.
_MAX_GATHERED = 2**26
# The scores of this many queries and a tile stay in the processor's cache.
_QUERIES = 256
# Up to this many queries cost no more than reading the candidates, and tiles would only add operations.
_FEW_QUERIES = 4
_OF_ROWS = "tiles", "blocks", "num_candidates"
# The k best must lie in at most one block out of this many; else all scores are computed.
_BLOCKS_TO_CHOOSE_FROM = 4


class BlockIndex(Index):
    """Base of the exact indexes that keep candidates in blocks by row, and in tiles for matrix products.

    The tensors of `arrange` include `"blocks"`, as returned by `in_blocks`, and `"tiles"` of shape `(num_tiles, dim,
    rows_of_tile)`, with no tile for a small corpus.
    """

    @abstractmethod
    def search_tiles(
        self, tensors: dict[str, tf.Tensor], queries: tf.Tensor, k: tf.Tensor, excluded: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Does what `find` does for many queries, if the k best and all excluded candidates lie in few of many blocks.

        Args:
            tensors: As for `find`.
            queries: As for `find`.
            k: As for `find`.
            excluded: As for `find`.
        """

    def find(
        self, tensors: dict[str, tf.Tensor], queries: tf.Tensor, k: tf.Tensor, excluded: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        count = k if excluded is None else k + tf.shape(excluded)[1]
        is_few = _BLOCKS_TO_CHOOSE_FROM * count <= tf.shape(tensors["blocks"])[0]

        def search_blocks() -> tuple[tf.Tensor, tf.Tensor]:
            return tf.cond(
                tf.shape(queries)[0] <= _FEW_QUERIES,
                lambda: _search_rows(queries, *(tensors[name] for name in _OF_ROWS), k, excluded),
                lambda: self.search_tiles(tensors, queries, k, excluded),
            )

        return tf.cond(
            is_few & (tf.shape(tensors["tiles"])[0] > 0),
            search_blocks,
            lambda: top_k_of_all(queries, self.embeddings_of(tensors), k, excluded),
        )

    def embeddings_of(self, tensors: dict[str, tf.Tensor], rows: tf.Tensor | None = None) -> tf.Tensor:
        by_row = tf.reshape(tensors["blocks"], (-1, tf.shape(tensors["tiles"])[1]))
        return by_row[: tensors["num_candidates"]] if rows is None else tf.gather(by_row, rows)

    def queries_at_once(self, k: int, num_excluded: int) -> int:
        count, tiles = k + num_excluded, self.tensors()["tiles"]
        num_blocks = -(-self.num_candidates // block_search.BLOCK)
        if not tiles.shape[0] or _BLOCKS_TO_CHOOSE_FROM * count > num_blocks:
            return max(1, MAX_SCORES // self.num_candidates)
        return max(1, min(_QUERIES, _MAX_GATHERED // (count * block_search.BLOCK * self.embedding_dim)))


@traced_once
def _search_rows(
    queries: tf.Tensor,
    tiles: tf.Tensor,
    blocks: tf.Tensor,
    num_candidates: tf.Tensor,
    k: tf.Tensor,
    excluded: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    rows_of_block = tf.shape(blocks)[1] // tf.shape(queries)[1]
    maxima = maxima_of_rows(queries, blocks, tf.shape(tiles)[2] // rows_of_block)
    return best_by_maxima(queries, blocks, maxima, k, num_candidates, excluded)
