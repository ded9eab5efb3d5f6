"""Batch: what a step works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass
class Batch:
    """A batch of rows, and what computing its losses leaves for their means and for the metrics.

    Args:
        features: Tensors by column, each of shape `(batch, ...)`.
        sample_weight: Shape `(batch,)`, or `None`.
        query_embeddings: Set by `compute_losses`, shape `(batch, embedding_dim)`, so that metrics need not encode
            the queries again.
        losses_are_sums: Set by `compute_losses` where losses are sums over the rows instead of means. Reported losses
            are per row, for both.
        num_loss_rows: Set by `compute_losses` where the losses leave out rows: of how many rows they are, an integer
            scalar. `None` for all.

    Example:
        >>> float(Batch({"user_id": tf.constant([7, 9])}).loss_rows())
        2.0
    """

    features: dict[str, Any]
    sample_weight: Any = None
    query_embeddings: Any = None
    losses_are_sums: bool = False
    num_loss_rows: Any = None

    def loss_rows(self) -> Any:
        """Returns of how many rows the losses are, a float32 scalar or a number."""
        if self.num_loss_rows is not None:
            return tf.cast(self.num_loss_rows, tf.float32)
        column = next(iter(self.features.values()))
        if column.shape[0] is not None:
            return float(column.shape[0])
        if isinstance(column, tf.RaggedTensor):
            return tf.cast(column.nrows(), tf.float32)
        shape = column.dense_shape if isinstance(column, tf.SparseTensor) else tf.shape(column)
        return tf.cast(shape[0], tf.float32)
