"""Tiles of rows: logits of some queries against all candidates, made, used and forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf
from tensorflow.python.ops import control_flow_util  # no public function tells whether XLA compiles the graph

# Fewer rows at a time make the products slow, however many candidates there are.
_LEAST_ROWS = 64

OfTile: TypeAlias = Callable[[Any, Any, tf.Tensor | None], tuple[tuple[tf.Tensor, ...], tf.Tensor]]


def over_tiles(
    queries: tf.Tensor,
    candidates: tf.Tensor,
    of_tile: OfTile,
    shapes: list[list[int | None]],
    initial: tf.Tensor,
    logits_of_tile: int,
) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
    """Returns the concatenated rows of all tiles, and the sum that `of_tile` accumulates from tile to tile.

    The first of several tiles adds to `initial`; a single tile gets `None`.

    Args:
        queries: Shape `(num_queries, embedding_dim)`.
        candidates: Shape `(num_candidates, embedding_dim)`.
        of_tile: Function from the first row of a tile, the end of its rows and the sum so far, to float32 tensors of
            the rows and the new sum. All three are `None` where the tile is everything.
        shapes: Of the tensors of the rows, `None` for the rows.
        initial: The sum before the first tile.
        logits_of_tile: About how many logits a tile has.

    Example:
        >>> def of_tile(start, stop, added):
        ...     rows = tile_of(queries, start, stop)
        ...     return (rows[:, 0],), tf.reduce_sum(rows) + (0 if added is None else added)
        >>> queries = tf.ones((130, 1))
        >>> (firsts,), total = over_tiles(queries, queries, of_tile, [[None]], tf.zeros(()), 130)
        >>> firsts.shape.as_list(), float(total)
        ([130], 130.0)
    """

    def at_once() -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
        return of_tile(None, None, None)

    # XLA neither slices tiles of unknown length nor needs them: it fuses the steps itself.
    if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        return at_once()
    # Decided while tracing if shapes are known: for a small batch a loop or a branch would double the cost.
    size = queries.shape[0], candidates.shape[0]
    known = None not in size
    if known and size[0] * size[1] <= logits_of_tile:
        return at_once()
    tile = tf.maximum(logits_of_tile // tf.shape(candidates)[0], _LEAST_ROWS)
    num_rows = tf.shape(queries)[0]
    num_tiles = -(-num_rows // tile)

    def in_turn() -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
        arrays = [tf.TensorArray(tf.float32, num_tiles, element_shape=shape, infer_shape=False) for shape in shapes]

        def body(index: tf.Tensor, added: tf.Tensor, *arrays: tf.TensorArray) -> tuple[Any, ...]:
            start = index * tile
            parts, added = of_tile(start, tf.minimum(start + tile, num_rows), added)
            return index + 1, added, *(array.write(index, part) for array, part in zip(arrays, parts, strict=True))

        # Two at a time: the exponentials of one tile are computed in parallel with the products of the other.
        _, added, *arrays = tf.while_loop(
            lambda index, *_: index < num_tiles, body, (0, initial, *arrays), parallel_iterations=2
        )
        return tuple(array.concat() for array in arrays), added

    return in_turn() if known else tf.cond(num_tiles == 1, at_once, in_turn)


def tile_of(tensor: tf.Tensor, start: Any, stop: Any) -> tf.Tensor:
    """Returns rows `start` to `stop`, or the tensor itself if `start` is `None`, which saves an operation.

    Example:
        >>> tile_of(tf.constant([7, 8, 9]), 1, 3).numpy().tolist()
        [8, 9]
    """
    return tensor if start is None else tensor[start:stop]
