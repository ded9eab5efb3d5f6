"""Accidental hits: negatives that are a row's own positive once more."""

from __future__ import annotations

import tensorflow as tf


def accidental_hits(candidate_ids: tf.Tensor, num_queries: int | tf.Tensor) -> tf.Tensor:
    """Returns where a candidate has the id of the row's positive without being it.

    Args:
        candidate_ids: Integers or strings of shape `(num_candidates,)`; the first `num_queries` are the positives.
        num_queries: How many rows there are.

    Returns:
        bool of shape `(num_queries, num_candidates)`, `False` on the diagonal.

    Example:
        >>> accidental_hits(tf.constant([7, 9, 7]), 2).numpy()
        array([[False, False,  True],
               [False, False, False]])
    """
    positive_ids = candidate_ids[:num_queries]
    same_id = tf.equal(positive_ids[:, tf.newaxis], candidate_ids[tf.newaxis, :])
    return tf.linalg.set_diag(same_id, tf.zeros([num_queries], tf.bool))
