"""Batch: what a step works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Batch:
    """A batch of rows, and what computing its losses leaves for the metrics.

    Args:
        features: Tensors by column, each of shape `(batch, ...)`.
        sample_weight: Shape `(batch,)`, or `None`.
        query_embeddings: Set by `compute_losses`, shape `(batch, embedding_dim)`, so that metrics need not encode
            the queries again.

    Example:
        >>> Batch({"user_id": [7, 9]}).sample_weight is None
        True
    """

    features: dict[str, Any]
    sample_weight: Any = None
    query_embeddings: Any = None
