"""BruteForceIndex: the k best candidates of each query, exactly, at the speed of a matrix product."""

from __future__ import annotations

import tensorflow as tf

from reciperec_layers.indexes.chunks import search_in_chunks
from reciperec_layers.indexes.exact_top_k import exact_top_k, mask_places

# The scores of a tile and 256 queries are 4 MB: they stay in a processor's cache until their maxima are taken.
_TILE = 4_096
_BLOCK = 16
# Maxima of so many blocks again have a maximum; a tile has a whole number of groups.
_GROUP = 64
_QUERIES = 256
# So many queries cost what it costs to read the candidates, and tiles would only be more operations.
_FEW_QUERIES = 4
# Candidates of the chosen blocks that are scored again at one time: 256 MB of float32.
_MAX_GATHERED = 2**26


class BruteForceIndex:
    """Finds the k candidates with the largest inner products, exactly. Ties go to the candidate that comes first.

    Of a large corpus only maxima are kept of the scores: those of blocks of 16 candidates. The k best lie in the k
    blocks with the largest maxima, of which earlier blocks go first when maxima are equal; these are scored again. It
    keeps the candidates twice, by column to multiply and by row to score again.

    Args:
        embedding_dim: Size of the embeddings.

    Example:
        >>> index = BruteForceIndex(1)
        >>> index.assign(tf.constant([[2.0], [3.0], [2.0]]))
        >>> scores, rows = index.search(tf.constant([[1.0]]), k=2)
        >>> scores.numpy().tolist(), rows.numpy().tolist()
        ([[3.0, 2.0]], [[1, 0]])
    """

    def __init__(self, embedding_dim: int) -> None:
        self._dim = embedding_dim
        # No variables: a slice of a variable's value is a copy.
        self._blocks = tf.zeros((0, _BLOCK * embedding_dim))
        self._tiles: tf.Tensor | None = None
        self._size = 0

    @property
    def embeddings(self) -> tf.Tensor:
        """The candidates, float32 of shape `(num_candidates, embedding_dim)`."""
        return tf.reshape(self._blocks, (-1, self._dim))[: self._size]

    def assign(self, embeddings: tf.Tensor) -> None:
        """Takes other candidates.

        Args:
            embeddings: Float tensor of shape `(num_candidates, embedding_dim)`, one row or more.
        """
        self._size = int(embeddings.shape[0])
        self._blocks = tf.reshape(_filled(embeddings, _BLOCK), (-1, _BLOCK * self._dim))
        self._tiles = None
        if self._size < 2 * _TILE:
            return
        # Column `place * blocks + block` of a tile has the candidate `block * 16 + place`: a maximum over blocks then
        # goes along rows that lie together in memory.
        by_block = tf.reshape(_filled(embeddings, _TILE), (-1, _TILE // _BLOCK, _BLOCK, self._dim))
        self._tiles = tf.reshape(tf.transpose(by_block, (0, 3, 2, 1)), (-1, self._dim, _TILE))

    def search(
        self, queries: tf.Tensor, k: int, excluded: tf.RaggedTensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores and rows of the k best candidates.

        Args:
            queries: float32 of shape `(num_queries, embedding_dim)`.
            k: At most the number of candidates.
            excluded: Rows that may not be returned, int64 of shape `(num_queries, None)`.

        Returns:
            Scores, float32 of shape `(num_queries, k)`, best first, and rows, int64. Where fewer than k are left the
            score is -inf and the row -1.
        """
        # A block whose maximum is excluded takes the place of another.
        most = 0 if excluded is None or not excluded.nrows() else int(tf.reduce_max(excluded.row_lengths()))
        blocks = k + most
        if self._tiles is None or 4 * blocks * _BLOCK > self._size:
            return exact_top_k(queries, self.embeddings, k, excluded)
        rows = max(1, min(_QUERIES, _MAX_GATHERED // (blocks * _BLOCK * self._dim)))
        numbers = tf.constant(self._size, tf.int64), tf.constant(k), tf.constant(blocks)

        def search(chosen: slice) -> tuple[tf.Tensor, tf.Tensor]:
            left_out = None if excluded is None else excluded[chosen].to_tensor(default_value=-1)
            return _search(queries[chosen], self._tiles, self._blocks, *numbers, left_out)

        return search_in_chunks(queries, rows, k, search)


@tf.function(autograph=False, reduce_retracing=True)
def _search(
    queries: tf.Tensor,
    tiles: tf.Tensor,
    blocks: tf.Tensor,
    num_candidates: tf.Tensor,
    k: tf.Tensor,
    num_chosen: tf.Tensor,
    excluded: tf.Tensor | None,
) -> tuple[tf.Tensor, tf.Tensor]:
    num_queries = tf.shape(queries)[0]
    maxima = tf.cond(
        num_queries <= _FEW_QUERIES, lambda: _maxima_of_few(queries, blocks), lambda: _maxima(queries, tiles)
    )
    chosen = _highest(maxima, num_chosen, tf.shape(blocks)[0])
    rows = chosen[:, :, tf.newaxis] * _BLOCK + tf.range(_BLOCK)
    rows = tf.cast(tf.reshape(rows, (num_queries, -1)), tf.int64)
    embeddings = tf.reshape(tf.gather(blocks, chosen), (num_queries, -1, tf.shape(queries)[1]))
    scores = tf.squeeze(tf.matmul(embeddings, queries[:, :, tf.newaxis]), axis=2)
    scores = tf.where(rows < num_candidates, scores, -float("inf"))
    if excluded is not None:
        scores = _without(scores, chosen, excluded)
    found, places = tf.math.top_k(scores, k)
    return found, tf.where(found > -float("inf"), tf.gather(rows, places, batch_dims=1), -1)


def _maxima(queries: tf.Tensor, tiles: tf.Tensor) -> tf.Tensor:
    """Returns the largest score of each block, float32 of shape `(num_tiles, num_queries, blocks_of_tile)`."""
    by_place = tf.shape(queries)[0], _BLOCK, _TILE // _BLOCK

    def body(index: tf.Tensor, maxima: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        scores = tf.matmul(queries, tiles[index])
        return index + 1, maxima.write(index, tf.reduce_max(tf.reshape(scores, by_place), axis=1))

    num_tiles = tf.shape(tiles)[0]
    array = tf.TensorArray(tf.float32, num_tiles, element_shape=(queries.shape[0], _TILE // _BLOCK))
    return tf.while_loop(lambda index, _: index < num_tiles, body, (0, array), parallel_iterations=2)[1].stack()


def _maxima_of_few(queries: tf.Tensor, blocks: tf.Tensor) -> tf.Tensor:
    """Returns what `_maxima` does, by one product with the candidates in rows."""
    num_queries, num_blocks = tf.shape(queries)[0], tf.shape(blocks)[0]
    scores = tf.matmul(tf.reshape(blocks, (-1, tf.shape(queries)[1])), queries, transpose_b=True)
    maxima = tf.reduce_max(tf.reshape(scores, (num_blocks, _BLOCK, num_queries)), axis=1)
    blocks_of_tile = _TILE // _BLOCK
    maxima = tf.pad(maxima, [[0, -num_blocks % blocks_of_tile], [0, 0]])
    return tf.transpose(tf.reshape(maxima, (-1, blocks_of_tile, num_queries)), (0, 2, 1))


def _highest(maxima: tf.Tensor, k: tf.Tensor, num_blocks: tf.Tensor) -> tf.Tensor:
    """Returns the blocks with the k largest maxima of each query, in ascending order; of equal ones the first."""
    num_tiles, num_queries = tf.shape(maxima)[0], tf.shape(maxima)[1]
    groups_of_tile = _TILE // _BLOCK // _GROUP
    grouped = tf.reshape(maxima, (num_tiles, num_queries, groups_of_tile, _GROUP))
    of_groups = tf.transpose(tf.reduce_max(grouped, axis=3), (1, 0, 2))
    of_groups = tf.reshape(of_groups, (num_queries, -1))
    # The last tile may be filled up: its last groups take a place, and hold nothing.
    num_groups = tf.minimum(k + groups_of_tile, tf.shape(of_groups)[1])
    groups = tf.sort(tf.math.top_k(of_groups, num_groups).indices, axis=1)
    queries = tf.broadcast_to(tf.range(num_queries)[:, tf.newaxis], tf.shape(groups))
    inside = tf.gather_nd(grouped, tf.stack([groups // groups_of_tile, queries, groups % groups_of_tile], axis=2))
    blocks = tf.reshape(groups[:, :, tf.newaxis] * _GROUP + tf.range(_GROUP), (num_queries, -1))
    inside = tf.where(blocks < num_blocks, tf.reshape(inside, (num_queries, -1)), -float("inf"))
    return tf.sort(tf.gather(blocks, tf.math.top_k(inside, k).indices, batch_dims=1), axis=1)


def _without(scores: tf.Tensor, blocks: tf.Tensor, excluded: tf.Tensor) -> tf.Tensor:
    """Returns the scores of the candidates of `blocks`, which are in ascending order, -inf where one is excluded."""
    of_block, place = tf.cast(excluded // _BLOCK, tf.int32), tf.cast(excluded % _BLOCK, tf.int32)
    found = tf.minimum(tf.searchsorted(blocks, of_block), tf.shape(blocks)[1] - 1)
    is_there = tf.where(tf.gather(blocks, found, batch_dims=1) == of_block)
    columns = tf.gather_nd(found * _BLOCK + place, is_there)
    return mask_places(scores, tf.stack([is_there[:, 0], tf.cast(columns, tf.int64)], axis=1))


def _filled(embeddings: tf.Tensor, multiple: int) -> tf.Tensor:
    """Returns the rows and copies of the last one, up to a multiple: copies do not raise a maximum."""
    missing = -int(embeddings.shape[0]) % multiple
    return tf.concat([embeddings, tf.repeat(embeddings[-1:], missing, axis=0)], axis=0)
