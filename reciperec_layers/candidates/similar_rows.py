"""The candidates nearest to some of them, by cosine similarity."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from reciperec_layers.indexes import exact_top_k


def similar_rows(embeddings: tf.Tensor, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns cosine similarities and rows of the k candidates nearest to each of some, without itself.

    Args:
        embeddings: Of all candidates, float32 of shape `(num_candidates, dim)`.
        rows: Which to compare with, int64 of shape `(n,)`.
        k: At most `num_candidates`; where fewer are left the rest has similarity -inf and row -1.

    Example:
        >>> similar_rows(tf.constant([[1.0, 0.0], [0.0, 1.0], [3.0, 1.0]]), np.array([0]), k=1)[1]
        array([[2]])
    """
    unit = tf.math.l2_normalize(embeddings, axis=1)
    own = tf.RaggedTensor.from_uniform_row_length(tf.constant(rows, tf.int64), 1)
    similarities, found = exact_top_k(tf.gather(unit, rows), unit, k, own)
    return similarities.numpy(), found.numpy()
