"""Repeated ids of a batch, encoded once if the embedding of a row depends only on its id."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from reciperec_layers.graph.repeated_rows import repeat_rows

# Up to this many rows, encoding all is cheaper than finding the distinct ones.
_SMALL_BATCH = 512


def may_have_many(ids: tf.Tensor) -> bool:
    """Returns whether a column of ids may have enough rows for a search for repeats to pay off.

    Ids of rank 2 are passed on as they are, and refused later.

    Example:
        >>> may_have_many(tf.constant([7, 9])), may_have_many(tf.zeros(1000, tf.int64))
        (False, True)
    """
    rows = ids.shape[0] if ids.shape.rank == 1 else 0
    return rows is None or rows > _SMALL_BATCH


def encode_distinct(encode: Callable[[tf.Tensor], tf.Tensor], ids: tf.Tensor) -> tf.Tensor:
    """Returns the embeddings of ids, encoding each distinct id once if there may be many rows.

    Args:
        encode: Function from ids of shape `(n,)` to embeddings of shape `(n, embedding_dim)`, row by row.
        ids: Integers or text of shape `(batch,)`.

    Returns:
        Shape `(batch, embedding_dim)`, in float32 or wider, in which the gradients of repeats are summed.

    Example:
        >>> encode_distinct(lambda ids: tf.cast(ids, tf.float32)[:, tf.newaxis], tf.constant([7, 9, 7])).numpy().ravel()
        array([7., 9., 7.], dtype=float32)
    """
    if not may_have_many(ids):
        return encode(ids)
    distinct, positions = tf.unique(ids)
    embeddings = encode(distinct)
    # Half precision would lose the sums of frequent rows: bfloat16 cannot count beyond 256.
    embeddings = embeddings if embeddings.dtype == tf.float64 else tf.cast(embeddings, tf.float32)
    return repeat_rows(embeddings, positions)
