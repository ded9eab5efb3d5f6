"""Search by blocks: the k best candidates lie in the k blocks with the largest maxima."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from reciperec_layers.indexes.exact_search import mask_places

# Candidates of a block, which has one maximum of scores.
BLOCK = 16
# The scores of a tile and 256 queries are 4 MB: they stay in the processor's cache until their maxima are taken.
TILE = 4_096
# The maxima of a tile are split into this many groups, each with its own maximum.
_GROUPS = 4


def in_blocks(embeddings: tf.Tensor, rows_of_block: int) -> tf.Tensor:
    """Arranges candidates in blocks, of shape `(num_blocks, rows_of_block * dim)`.

    Args:
        embeddings: Shape `(num_candidates, dim)`; the last block is padded with the last candidate.
        rows_of_block: Candidates in a block.

    Example:
        >>> in_blocks(tf.zeros((17, 2)), 16).shape.as_list()
        [2, 32]
    """
    return tf.reshape(_filled(embeddings, rows_of_block), (-1, rows_of_block * embeddings.shape[1]))


def in_tiles(embeddings: tf.Tensor, rows_of_tile: int, rows_of_block: int) -> tf.Tensor:
    """Arranges candidates in tiles to multiply queries with, of shape `(num_tiles, dim, rows_of_tile)`.

    Column `place * blocks_of_tile + block` of a tile holds the candidate `block * rows_of_block + place`, so that the
    maximum of each block is taken over contiguous rows.

    Args:
        embeddings: Shape `(num_candidates, dim)`; the last tile is padded with the last candidate.
        rows_of_tile: Candidates in a tile.
        rows_of_block: Candidates in a block.

    Example:
        >>> in_tiles(tf.range(8.0)[:, tf.newaxis], rows_of_tile=8, rows_of_block=2).numpy().tolist()
        [[[0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]]]
    """
    shape = (-1, rows_of_tile // rows_of_block, rows_of_block, embeddings.shape[1])
    by_block = tf.reshape(_filled(embeddings, rows_of_tile), shape)
    return tf.reshape(tf.transpose(by_block, (0, 3, 2, 1)), (-1, embeddings.shape[1], rows_of_tile))


def maxima_of_tiles(
    num_tiles: tf.Tensor, rows_of_block: tf.Tensor, scores_of_tile: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Returns the largest score of each block, float32 of shape `(num_tiles, num_queries, blocks_of_tile)`.

    Args:
        num_tiles: int32.
        rows_of_block: int32.
        scores_of_tile: Function from the number of a tile to its scores, of shape `(num_queries, rows_of_tile)`.

    Example:
        >>> tiles = in_tiles(tf.range(16.0)[:, tf.newaxis], rows_of_tile=8, rows_of_block=2)
        >>> maxima_of_tiles(tf.constant(2), tf.constant(2), lambda tile: tiles[tile]).numpy().tolist()
        [[[1.0, 3.0, 5.0, 7.0]], [[9.0, 11.0, 13.0, 15.0]]]
    """

    def body(index: tf.Tensor, maxima: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        scores = scores_of_tile(index)
        by_place = tf.reshape(scores, (tf.shape(scores)[0], rows_of_block, -1))
        return index + 1, maxima.write(index, tf.reduce_max(by_place, axis=1))

    array = tf.TensorArray(tf.float32, num_tiles, element_shape=(None, None))
    return tf.while_loop(lambda index, _: index < num_tiles, body, (0, array), parallel_iterations=2)[1].stack()


def maxima_of_rows(queries: tf.Tensor, blocks: tf.Tensor, blocks_of_tile: tf.Tensor) -> tf.Tensor:
    """Does what `maxima_of_tiles` does with a single product, for few queries.

    Args:
        queries: float32 of shape `(num_queries, dim)`.
        blocks: As returned by `in_blocks`.
        blocks_of_tile: int32.

    Example:
        >>> blocks = in_blocks(tf.range(16.0)[:, tf.newaxis], 2)
        >>> maxima_of_rows(tf.constant([[1.0]]), blocks, tf.constant(4)).numpy().tolist()
        [[[1.0, 3.0, 5.0, 7.0]], [[9.0, 11.0, 13.0, 15.0]]]
    """
    num_queries, num_blocks = tf.shape(queries)[0], tf.shape(blocks)[0]
    scores = tf.matmul(tf.reshape(blocks, (-1, tf.shape(queries)[1])), queries, transpose_b=True)
    maxima = tf.reduce_max(tf.reshape(scores, (num_blocks, -1, num_queries)), axis=1)
    maxima = tf.pad(maxima, [[0, -num_blocks % blocks_of_tile], [0, 0]])
    return tf.transpose(tf.reshape(maxima, (-1, blocks_of_tile, num_queries)), (0, 2, 1))


def highest_blocks(maxima: tf.Tensor, count: tf.Tensor, num_blocks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the blocks with the largest maxima; ties go to the first.

    Args:
        maxima: As returned by `maxima_of_tiles`; a tile has a multiple of 4 blocks.
        count: How many, int32, at most `num_blocks`.
        num_blocks: Number of blocks, without the padding of the last tile.

    Returns:
        Blocks, int32 of shape `(num_queries, count)` in ascending order, and the smallest of their maxima, float32 of
        shape `(num_queries,)`.

    Example:
        >>> maxima = tf.reshape(tf.range(256.0), (1, 1, 256))
        >>> highest_blocks(maxima, tf.constant(2), tf.constant(250))[0].numpy()
        array([[248, 249]], dtype=int32)
    """
    num_tiles, num_queries, blocks_of_tile = tf.unstack(tf.shape(maxima))
    blocks_of_group = blocks_of_tile // _GROUPS
    grouped = tf.reshape(maxima, (num_tiles, num_queries, _GROUPS, blocks_of_group))
    of_groups = tf.transpose(tf.reduce_max(grouped, axis=3), (1, 0, 2))
    of_groups = tf.reshape(of_groups, (num_queries, -1))
    # The last tile may be padded: its last groups are counted but hold nothing.
    num_groups = tf.minimum(count + _GROUPS, tf.shape(of_groups)[1])
    groups = tf.sort(tf.math.top_k(of_groups, num_groups).indices, axis=1)
    queries = tf.broadcast_to(tf.range(num_queries)[:, tf.newaxis], tf.shape(groups))
    inside = tf.gather_nd(grouped, tf.stack([groups // _GROUPS, queries, groups % _GROUPS], axis=2))
    blocks = tf.reshape(groups[:, :, tf.newaxis] * blocks_of_group + tf.range(blocks_of_group), (num_queries, -1))
    inside = tf.where(blocks < num_blocks, tf.reshape(inside, (num_queries, -1)), -float("inf"))
    found = tf.math.top_k(inside, count)
    return tf.sort(tf.gather(blocks, found.indices, batch_dims=1), axis=1), found.values[:, -1]


def best_by_maxima(
    queries: tf.Tensor,
    blocks: tf.Tensor,
    maxima: tf.Tensor,
    k: tf.Tensor,
    num_candidates: tf.Tensor,
    excluded: tf.Tensor | None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns scores and rows of the k best candidates of all blocks; see `Index.find`.

    Args:
        queries: As for `best_of_blocks`.
        blocks: As for `best_of_blocks`.
        maxima: Maxima of the scores, as returned by `maxima_of_tiles`.
        k: As for `best_of_blocks`.
        num_candidates: As for `best_of_blocks`.
        excluded: As for `best_of_blocks`.

    Example:
        >>> blocks = in_blocks(tf.range(16.0)[:, tf.newaxis], 2)
        >>> maxima = maxima_of_rows(tf.constant([[1.0]]), blocks, tf.constant(4))
        >>> numbers = tf.constant(1), tf.constant(16, tf.int64)
        >>> best_by_maxima(tf.constant([[1.0]]), blocks, maxima, *numbers, None)[1].numpy()
        array([[15]])
    """
    # A block with an excluded maximum may displace one that has a result.
    count = k if excluded is None else k + tf.shape(excluded)[1]
    chosen, _ = highest_blocks(maxima, count, tf.shape(blocks)[0])
    return best_of_blocks(queries, blocks, chosen, k, num_candidates, excluded)


def best_of_blocks(
    queries: tf.Tensor,
    blocks: tf.Tensor,
    chosen: tf.Tensor,
    k: tf.Tensor,
    num_candidates: tf.Tensor,
    excluded: tf.Tensor | None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns scores and rows of the k best candidates of the chosen blocks; see `Index.find`.

    Args:
        queries: float32 of shape `(num_queries, dim)`.
        blocks: As returned by `in_blocks`.
        chosen: Blocks of each query, int32 of shape `(num_queries, m)` in ascending order.
        k: int32, at most `m * rows_of_block`.
        num_candidates: int64.
        excluded: Rows that may not be returned, int64 of shape `(num_queries, None)`, padded with -1, or `None`.

    Example:
        >>> blocks = in_blocks(tf.reshape(tf.range(32.0), (32, 1)), 16)
        >>> numbers = tf.constant(1), tf.constant(32, tf.int64)
        >>> best_of_blocks(tf.constant([[1.0]]), blocks, tf.constant([[0]]), *numbers, None)[1].numpy()
        array([[15]])
    """
    rows_of_block = tf.shape(blocks)[1] // tf.shape(queries)[1]
    rows = chosen[:, :, tf.newaxis] * rows_of_block + tf.range(rows_of_block)
    rows = tf.cast(tf.reshape(rows, (tf.shape(queries)[0], -1)), tf.int64)
    scores = tf.where(rows < num_candidates, scores_of_blocks(queries, blocks, chosen), -float("inf"))
    if excluded is not None:
        scores = mask_excluded(scores, chosen, excluded)
    found, places = tf.math.top_k(scores, k)
    return found, tf.where(found > -float("inf"), tf.gather(rows, places, batch_dims=1), -1)


def scores_of_blocks(queries: tf.Tensor, blocks: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """Returns the scores of the candidates of the chosen blocks, of shape `(num_queries, m * rows_of_block)`.

    Args:
        queries: float32 of shape `(num_queries, dim)`.
        blocks: Shape `(num_blocks, rows_of_block * dim)`.
        chosen: Blocks of each query, int32 of shape `(num_queries, m)`.

    Example:
        >>> scores_of_blocks(tf.constant([[2.0]]), tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([[1]])).numpy()
        array([[6., 8.]], dtype=float32)
    """
    shape = tf.shape(queries)
    embeddings = tf.reshape(tf.gather(blocks, chosen), (shape[0], -1, shape[1]))
    return tf.squeeze(tf.matmul(embeddings, queries[:, :, tf.newaxis]), axis=2)


def mask_excluded(scores: tf.Tensor, chosen: tf.Tensor, excluded: tf.Tensor) -> tf.Tensor:
    """Sets the scores of excluded candidates in the chosen blocks to -inf.

    Args:
        scores: Shape `(num_queries, m * rows_of_block)`.
        chosen: Blocks of each query, int32 of shape `(num_queries, m)` in ascending order.
        excluded: Places counted over all blocks, int64 of shape `(num_queries, None)`, padded with -1.

    Example:
        >>> mask_excluded(tf.constant([[6.0, 8.0]]), tf.constant([[1]]), tf.constant([[3, 0]], tf.int64)).numpy()
        array([[  6., -inf]], dtype=float32)
    """
    rows_of_block = tf.shape(scores)[1] // tf.shape(chosen)[1]
    # One more place, since TensorFlow cannot search for an empty list.
    excluded = tf.pad(tf.cast(excluded, tf.int32), [[0, 0], [0, 1]], constant_values=-1)
    of_block, place = excluded // rows_of_block, excluded % rows_of_block
    found = tf.minimum(tf.searchsorted(chosen, of_block), tf.shape(chosen)[1] - 1)
    is_there = tf.where(tf.gather(chosen, found, batch_dims=1) == of_block)
    columns = tf.gather_nd(found * rows_of_block + place, is_there)
    return mask_places(scores, tf.stack([is_there[:, 0], tf.cast(columns, tf.int64)], axis=1))


def _filled(embeddings: tf.Tensor, multiple: int) -> tf.Tensor:
    """Pads rows to a multiple with copies of the last one, which do not raise a maximum."""
    missing = -int(embeddings.shape[0]) % multiple
    if not missing:
        return embeddings
    return tf.concat([embeddings, tf.repeat(embeddings[-1:], missing, axis=0)], axis=0)
