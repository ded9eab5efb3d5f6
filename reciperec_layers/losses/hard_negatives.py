"""Hard negatives: the candidates that a row's query takes most easily for its positive."""

from __future__ import annotations

import tensorflow as tf


def hard_negatives(logits: tf.Tensor, num_hard_negatives: int) -> tf.Tensor:
    """Returns each row's positive and its highest negatives.

    Args:
        logits: float32 of shape `(num_queries, num_candidates)`, the positives on the diagonal.
        num_hard_negatives: How many negatives to keep, >= 1; all of them when there are fewer. Of equal logits the
            one further left is kept.

    Returns:
        float32 of shape `(num_queries, 1 + kept)`: the positive, then the negatives, highest first.

    Example:
        >>> hard_negatives(tf.constant([[1.0, 5.0, 3.0], [2.0, 4.0, 8.0]]), 1).numpy()
        array([[1., 5.],
               [4., 8.]], dtype=float32)
    """
    positives = tf.linalg.diag_part(logits)
    negatives = tf.linalg.set_diag(logits, tf.fill(tf.shape(positives), float("-inf")))
    kept = tf.minimum(num_hard_negatives, tf.shape(logits)[1] - 1)
    return tf.concat([positives[:, tf.newaxis], tf.math.top_k(negatives, k=kept).values], axis=1)
