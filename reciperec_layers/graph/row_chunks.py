"""Work on many rows, some at a time, as a part of a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def in_row_chunks(
    num_rows: tf.Tensor,
    rows_of_chunk: int,
    of_chunk: Callable[[slice], Sequence[tf.Tensor]],
    specs: Sequence[tf.TensorSpec],
    parallel_iterations: int = 1,
) -> list[tf.Tensor]:
    """Returns the concatenated results of all chunks of rows.

    Args:
        num_rows: How many rows there are, int32 scalar.
        rows_of_chunk: Rows in a chunk, at least 1.
        of_chunk: Function from the rows of a chunk, the last of which may be less, to tensors with these rows.
        specs: Of these tensors, whose rows are not known.
        parallel_iterations: How many chunks may be computed at a time, which all take memory.

    Example:
        >>> spec = tf.TensorSpec((None,), tf.int32)
        >>> numbers = tf.constant([7, 8, 9])
        >>> (twice,) = in_row_chunks(tf.size(numbers), 2, lambda chosen: [2 * numbers[chosen]], [spec])
        >>> twice.numpy().tolist()
        [14, 16, 18]
    """
    num_chunks = -(-num_rows // rows_of_chunk)
    arrays = [tf.TensorArray(each.dtype, num_chunks, element_shape=each.shape, infer_shape=False) for each in specs]

    def body(index: tf.Tensor, *arrays: tf.TensorArray) -> tuple[Any, ...]:
        found = of_chunk(slice(index * rows_of_chunk, (index + 1) * rows_of_chunk))
        return index + 1, *(array.write(index, part) for array, part in zip(arrays, found, strict=True))

    _, *arrays = tf.while_loop(
        lambda index, *_: index < num_chunks, body, (0, *arrays), parallel_iterations=parallel_iterations
    )
    return [array.concat() for array in arrays]
