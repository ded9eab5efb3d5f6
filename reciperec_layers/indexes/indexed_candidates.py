"""IndexedCandidates: what an index holds of its candidates at one moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from reciperec_layers.vocabulary import Vocabulary


@dataclass(frozen=True)
class IndexedCandidates:
    """The candidates of an index. They never change: an index replaces them as a whole.

    So a search that has begun goes on with the candidates it began with, whatever other threads do to the index.

    Args:
        vocabulary: Their ids.
        embedding_dim: Size of their embeddings.
        learned: What the index learned from them.
        tensors: What it searches in, by name.
        number: How often the index has been given other candidates until it got these.

    Example:
        >>> candidates = IndexedCandidates(Vocabulary([7, 9]), 4, {}, {})
        >>> len(candidates), candidates.number
        (2, 0)
    """

    vocabulary: Vocabulary
    embedding_dim: int
    learned: dict[str, np.ndarray]
    tensors: dict[str, tf.Tensor]
    number: int = 0

    def __len__(self) -> int:
        return len(self.vocabulary)
