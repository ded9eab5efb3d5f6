"""Negatives: accidental hits, masks and hard negatives, on a tile of logits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.losses.tiles import tile_of


@dataclass(frozen=True)
class Negatives:
    """Removes candidates from the softmax of a row: their logit becomes -inf and their probability 0.

    The steps, in this order: accidental hits, mask, hard negatives. A row's positive is never removed.

    Args:
        positive_columns: Column of each row's positive, int32 of shape `(num_queries,)`. `None` if row `i` has
            column `i`.
        log_counts: Log of the number of equal candidates that a column represents, float32 of shape
            `(num_candidates,)`, already added to the logits. In the column of a positive all but one are negatives.
            `None` for one each. Cannot be combined with `num_hard_negatives`.
        candidate_ids: Integers or strings of shape `(num_candidates,)`; candidates with the id of the row's positive
            are removed. `None` keeps them.
        score_mask: bool of shape `(num_queries, num_candidates)`; `False` removes a candidate. `None` keeps all.
        num_hard_negatives: Number of negatives to keep in each row: those with the highest logits, the leftmost ones
            on ties; all if there are fewer. `None` keeps all.

    Example:
        >>> negatives = Negatives(candidate_ids=tf.constant([7, 9, 7]))
        >>> logits, own = negatives.apply(tf.constant([[1.0, 5.0, 3.0], [2.0, 4.0, 8.0]]), None, None)
        >>> logits.numpy()
        array([[  1.,   5., -inf],
               [  2.,   4.,   8.]], dtype=float32)
        >>> own.numpy()
        array([1., 4.], dtype=float32)
    """

    positive_columns: tf.Tensor | None = None
    log_counts: tf.Tensor | None = None
    candidate_ids: tf.Tensor | None = None
    score_mask: tf.Tensor | None = None
    num_hard_negatives: int | None = None

    def columns_of(self, rows: tf.Tensor, start: Any, stop: Any) -> tf.Tensor:
        """Returns the columns of the positives of some rows, int32 of shape `(stop - start,)`.

        Args:
            rows: Any tensor of shape `(stop - start, ...)`, for the number of rows.
            start: First row, by its place in the batch; `None` for all rows.
            stop: End of the rows, excluded, or `None`.
        """
        if self.positive_columns is not None:
            return tile_of(self.positive_columns, start, stop)
        return tf.range(keras.ops.shape(rows)[0]) if start is None else tf.range(start, stop)

    def apply(self, logits: tf.Tensor, start: Any, stop: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns logits, -inf for candidates that were removed, and the logits of the positives.

        Args:
            logits: float32 of shape `(stop - start, num_candidates)`.
            start: As for `columns_of`.
            stop: As for `columns_of`.
        """
        columns = self.columns_of(logits, start, stop)
        of_columns = tf.gather(logits, columns, batch_dims=1)
        own = of_columns if self.log_counts is None else of_columns - tf.gather(self.log_counts, columns)
        if self.candidate_ids is None and self.score_mask is None and self.num_hard_negatives is None:
            return logits, own
        kept = of_columns
        if self.score_mask is not None:
            mask = tile_of(self.score_mask, start, stop)
            logits = tf.where(mask, logits, -math.inf)
            kept = tf.where(tf.gather(mask, columns, batch_dims=1), of_columns, own)
        if self.candidate_ids is not None:
            own_ids = tf.gather(self.candidate_ids, columns)
            logits = tf.where(tf.equal(own_ids[:, tf.newaxis], self.candidate_ids), -math.inf, logits)
            kept = own
        places = tf.stack([tf.range(tf.size(columns)), columns], axis=1)
        if self.num_hard_negatives is not None:
            logits = tf.tensor_scatter_nd_update(logits, places, tf.fill(tf.shape(columns), -math.inf))
            logits = _highest(logits, tf.minimum(self.num_hard_negatives, tf.shape(logits)[1] - 1))
        return tf.tensor_scatter_nd_update(logits, places, kept), own


def _highest(logits: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
    """Returns logits with all but the k highest in each row replaced by -inf."""
    highest = tf.math.top_k(logits, k=k)
    rows = tf.broadcast_to(tf.range(tf.shape(logits)[0])[:, tf.newaxis], tf.shape(highest.indices))
    nothing = tf.fill(tf.shape(logits), -math.inf)
    return tf.tensor_scatter_nd_update(nothing, tf.stack([rows, highest.indices], axis=-1), highest.values)
