"""CandidateSnapshot: the candidates of a model at one moment, as one call of `recommend` reads them."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from reciperec_layers.corpus import Corpus
from reciperec_layers.indexes import Index
from reciperec_layers.indexes.indexed_candidates import IndexedCandidates


@dataclass(frozen=True)
class CandidateSnapshot:
    """A corpus and its place in an index, which fit each other whatever other threads do to the model.

    Args:
        corpus: The candidates.
        index: Searches them.
        indexed: The same candidates as the index holds them.
        version: The weights that embedded them.

    Example:
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> index = BruteForceIndex()
        >>> index.assign([[1.0], [2.0]], ids=[7, 9])
        >>> snapshot = CandidateSnapshot(Corpus({"recipe_id": [7, 9]}, "recipe_id"), index, index.candidates, 1)
        >>> index.remove([9])
        >>> snapshot.search(tf.constant([[1.0]]), k=3)[1].tolist()
        [[9, 7, -1]]
    """

    corpus: Corpus
    index: Index
    indexed: IndexedCandidates
    version: object

    @property
    def embeddings(self) -> tf.Tensor:
        """Embeddings of the candidates in row order, float32 of shape `(num_candidates, embedding_dim)`."""
        return self.index.embeddings_of(self.indexed.tensors)

    def search(
        self,
        queries: tf.Tensor,
        k: int,
        excluded: tf.RaggedTensor | None = None,
        allowed: tf.RaggedTensor | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns scores, float32 of shape `(n, k)`, best first, and candidate ids of the same shape.

        Args:
            queries: Query embeddings, float32 of shape `(n, embedding_dim)`.
            k: How many; empty places have the score -inf, which is the only signal, and the id -1 or `""`.
            excluded: Rows that a query may not get, int64 of shape `(n, None)`.
            allowed: Rows that it may get, of the same form, none of them excluded.
        """
        scores, rows = self.index.search_rows(queries, min(k, len(self.corpus)), excluded, allowed, self.indexed)
        return with_ids(self.corpus, scores.numpy(), rows.numpy(), k)

    def at(self, present: IndexedCandidates | None) -> CandidateSnapshot | None:
        """Returns the snapshot with the present settings of the index, or `None` if that holds other candidates.

        Args:
            present: What the index holds now.
        """
        if present is self.indexed:
            return self
        if present is None or present.number != self.indexed.number:
            return None
        return dataclasses.replace(self, indexed=present)


def warn_of_padding(k: int, num_candidates: int) -> None:
    """Warns the caller's caller if there are fewer candidates than results per query.

    Args:
        k: Results per query.
        num_candidates: How many candidates there are.

    Example:
        >>> warn_of_padding(2, 10)
    """
    if k > num_candidates:
        text = f"k={k} is more than the {num_candidates} candidates of the corpus; the rest is padded with score -inf."
        warnings.warn(text, stacklevel=3)


def with_ids(corpus: Corpus, scores: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns scores and candidate ids of rows, padded to k.

    Args:
        corpus: The candidates.
        scores: Shape `(n, m)`, m <= k.
        rows: Rows of the corpus, -1 for none, of the same shape.
        k: Length of the result.

    Example:
        >>> corpus = Corpus({"recipe_id": [7, 9]}, "recipe_id")
        >>> with_ids(corpus, np.array([[2.0]]), np.array([[1]]), k=2)[1].tolist()
        [[9, -1]]
    """
    missing = k - scores.shape[1]
    if missing:
        places = [[0, 0], [0, missing]]
        scores = np.pad(scores, places, constant_values=-np.inf)
        rows = np.pad(rows, places, constant_values=-1)
    return scores, corpus.vocabulary.reverse_lookup(rows)
