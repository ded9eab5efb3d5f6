"""The highest values of long rows."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

# Values of a block: their maximum is found in a pass, and only the blocks with the highest maxima are looked into.
_BLOCK = 64
# Shorter rows are sorted as quickly by TensorFlow's own operation.
_LEAST_LENGTH = 4096
_BLOCKS_PER_RESULT = 4


def top_k_of_long_rows(values: tf.Tensor, k: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what `tf.math.top_k` does, of rows of tens of thousands in half the time beside their product.

    The k highest lie in the k blocks with the highest maxima. Among equal values others may be taken.

    Args:
        values: Floats of shape `(num_rows, length)`, without NaN.
        k: At most `length`; an integer or int32 scalar.

    Returns:
        Values of shape `(num_rows, k)`, highest first, and their columns, int32.

    Example:
        >>> highest, columns = top_k_of_long_rows(tf.constant([[1.0, 3.0, 2.0]]), 2)
        >>> highest.numpy().tolist(), columns.numpy().tolist()
        ([[3.0, 2.0]], [[1, 2]])
    """
    num_rows, length = tf.unstack(tf.shape(values))
    num_blocks = length // _BLOCK

    def by_blocks() -> tuple[tf.Tensor, tf.Tensor]:
        in_blocks = num_blocks * _BLOCK
        blocks = tf.reshape(values[:, :in_blocks], (num_rows, num_blocks, _BLOCK))
        _, chosen = tf.math.top_k(tf.reduce_max(blocks, axis=2), k)
        kept = tf.reshape(tf.gather(blocks, chosen, batch_dims=1), (num_rows, k * _BLOCK))
        columns = tf.reshape(chosen[:, :, tf.newaxis] * _BLOCK + tf.range(_BLOCK), (num_rows, k * _BLOCK))
        rest = tf.repeat(tf.range(in_blocks, length)[tf.newaxis], num_rows, axis=0)
        kept, columns = tf.concat([kept, values[:, in_blocks:]], axis=1), tf.concat([columns, rest], axis=1)
        highest, places = tf.math.top_k(kept, k)
        return highest, tf.gather(columns, places, batch_dims=1)

    if values.shape[1] is not None and isinstance(k, int):  # XLA compiles no branch in which k is not known
        is_long = values.shape[1] >= max(_LEAST_LENGTH, _BLOCKS_PER_RESULT * k * _BLOCK)
        return by_blocks() if is_long else tuple(tf.math.top_k(values, k))
    is_long = tf.logical_and(length >= _LEAST_LENGTH, num_blocks >= _BLOCKS_PER_RESULT * k)
    return tf.cond(is_long, by_blocks, lambda: tuple(tf.math.top_k(values, k)))
