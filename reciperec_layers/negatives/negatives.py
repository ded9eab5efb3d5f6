"""Negatives: the contract of strategies that say where negatives come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

# From columns of candidates to their embeddings.
Encode = Callable[[dict[str, Any]], tf.Tensor]


@dataclass(frozen=True)
class DrawnCandidates:
    """The candidates that a loss compares with the queries of a batch.

    Args:
        embeddings: Shape `(num_candidates, embedding_dim)`; without `positive_columns` first the positives, then
            further negatives.
        ids: Shape `(num_candidates,)`, or `None` where they are not known.
        positive_columns: Which candidate each query has, int32 of shape `(num_queries,)`; `None` where query `i` has
            candidate `i`.
        sampling_probability: q of each candidate, floats of shape `(num_candidates,)`; `None` where the loss knows it.
        log_weights: Log of how many candidates of the corpus each stands for, floats of shape `(num_candidates,)`;
            `None` where each stands for itself.
    """

    embeddings: tf.Tensor
    ids: tf.Tensor | None = None
    positive_columns: tf.Tensor | None = None
    sampling_probability: tf.Tensor | None = None
    log_weights: tf.Tensor | None = None

    def loss_arguments(self) -> dict[str, Any]:
        """Returns the candidates as call arguments of a `RetrievalLoss`."""
        arguments = {"candidate_embeddings": self.embeddings, "candidate_ids": self.ids}
        if self.positive_columns is not None:
            arguments["positive_columns"] = self.positive_columns
        if self.sampling_probability is not None:
            arguments["candidate_sampling_probability"] = self.sampling_probability
        if self.log_weights is not None:
            arguments["candidate_log_weights"] = self.log_weights
        return arguments


class Negatives(ABC):
    """Says which candidates a loss compares with the queries of a batch, and computes their embeddings. Abstract."""

    @abstractmethod
    def draw(
        self, features: dict[str, Any], ids: tf.Tensor | None, encode: Encode, *, distinct: bool, training: bool
    ) -> DrawnCandidates:
        """Returns the positives of a batch and their negatives. Part of a graph.

        Args:
            features: The batch's columns.
            ids: Its candidate ids, shape `(batch,)`, or `None`.
            encode: The candidate tower.
            distinct: Whether each id may be encoded once and returned once.
            training: Whether this is a training step.
        """
