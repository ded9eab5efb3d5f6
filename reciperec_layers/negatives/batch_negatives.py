"""BatchNegatives: the other candidates of the batch."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reciperec_layers.graph.distinct_ids import may_have_many
from reciperec_layers.negatives.negatives import DrawnCandidates, Encode, Negatives


class BatchNegatives(Negatives):
    """Takes the candidates of the other rows as negatives of each row: they cost no further encoding.

    Candidates are drawn as often as they are interacted with; the loss corrects for it where it is told to.

    Args:
        id_column: Column of the candidate ids, or `None`.

    Example:
        >>> encode = lambda features: tf.cast(features["recipe_id"], tf.float32)[:, tf.newaxis]
        >>> ids = tf.constant([7, 9, 7])
        >>> drawn = BatchNegatives("recipe_id").draw({"recipe_id": ids}, ids, encode, distinct=False, training=True)
        >>> drawn.embeddings.numpy().ravel()
        array([7., 9., 7.], dtype=float32)
    """

    def __init__(self, id_column: str | None) -> None:
        self._id_column = id_column

    def draw(
        self, features: dict[str, Any], ids: tf.Tensor | None, encode: Encode, *, distinct: bool, training: bool
    ) -> DrawnCandidates:
        if not distinct or ids is None or self._id_column is None or not may_have_many(ids):
            return DrawnCandidates(encode(features), ids)
        distinct_ids, columns = tf.unique(ids)
        return DrawnCandidates(encode({self._id_column: distinct_ids}), distinct_ids, columns)
