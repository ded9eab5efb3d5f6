"""CorpusIndex: the encoded corpus, and what is asked of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_positive
from reciperec_layers.errors import DivergedError, explain
from reciperec_layers.ids import to_id_array
from reciperec_layers.indexes import BruteForceIndex, exact_top_k, top_k_among
from reciperec_layers.models.corpus import Corpus
from reciperec_layers.models.held_out_ranks import held_out_ranks

# Rows that a tower embeds at one time outside of training.
ENCODE_ROWS = 8192


class CorpusIndex:
    """The embeddings of a corpus, made by a tower, and searched exactly.

    Args:
        corpus: The candidates.
        embedding_dim: Size of the embeddings.
        names: Columns that the tower reads.

    Example:
        >>> corpus = Corpus({"recipe_id": [7, 9]}, "recipe_id")
        >>> index = CorpusIndex(corpus, 1, ["recipe_id"])
        >>> index.encode(lambda features: tf.cast(features["recipe_id"], tf.float32)[:, tf.newaxis])
        >>> index.search(tf.constant([[1.0]]), k=1)[1].tolist()
        [[9]]
    """

    def __init__(self, corpus: Corpus, embedding_dim: int, names: Sequence[str]) -> None:
        self.corpus = corpus
        self._names = names
        # Of unknown length, so that a graph that reads it need not be traced again for another corpus.
        self._columns = tf.Variable(tf.zeros((embedding_dim, 0)), shape=(embedding_dim, None), trainable=False)
        self._search_index = BruteForceIndex(embedding_dim)
        self._is_searchable = False

    @property
    def embeddings(self) -> tf.Tensor:
        """The embeddings of all candidates, float32 of shape `(num_candidates, embedding_dim)`."""
        return tf.transpose(self._columns)

    def encode(self, tower: Callable[[dict[str, tf.Tensor]], tf.Tensor]) -> None:
        """Computes the embeddings of all candidates.

        Raises:
            DivergedError: An embedding is not finite.
        """
        embeddings = self._embed(tower)
        if not bool(tf.reduce_all(tf.math.is_finite(embeddings))):
            bad = int(tf.math.count_nonzero(~tf.reduce_all(tf.math.is_finite(embeddings), axis=1)))
            problem = f"{bad} of {len(self.corpus)} candidate embeddings are not finite"
            fix = "Training diverged: train again with a lower learning rate"
            raise DivergedError(explain("RetrievalModel", problem, fix=fix))
        self._columns.assign(tf.transpose(embeddings))
        self._is_searchable = False

    def encode_in_graph(self, tower: Callable[[dict[str, tf.Tensor]], tf.Tensor]) -> None:
        """Computes them as part of a graph, for metrics while weights change."""
        self._columns.assign(tf.transpose(self._embed(tower)))

    def search(
        self,
        queries: tf.Tensor,
        k: int,
        excluded: tf.RaggedTensor | None = None,
        allowed: tf.RaggedTensor | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns scores, float32 of shape `(n, k)`, best first, and candidate ids of the same shape.

        Empty places have the score -inf, which is the only signal, and the id -1 or `""`. Where rows are `allowed`,
        what is excluded must not be among them.
        """
        if allowed is not None:
            return self._found(top_k_among(queries, self.embeddings, self._checked(k), allowed), k)
        if not self._is_searchable:
            self._search_index.assign(self.embeddings)
            self._is_searchable = True
        return self._found(self._search_index.search(queries, self._checked(k), excluded), k)

    def ranks(self, queries: tf.Tensor, true_rows: tf.Tensor, excluded: tf.RaggedTensor | None = None) -> tf.Tensor:
        """Returns the rank of each query's held-out candidate; see `metrics.true_ranks`. Part of a graph.

        Args:
            queries: Query embeddings, shape `(n, dim)`.
            true_rows: Corpus row of each held-out candidate, int64 of shape `(n,)`; -1 outside of the corpus.
            excluded: Corpus rows that a query may not get, int64 of shape `(n, None)`.
        """
        queries = tf.cast(queries, tf.float32)
        return held_out_ranks(queries, self._columns, len(self.corpus), true_rows, excluded)

    def similar(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns cosine similarities and ids of the k candidates nearest to each corpus row, without itself."""
        unit = tf.math.l2_normalize(self.embeddings, axis=1)
        own = tf.RaggedTensor.from_uniform_row_length(tf.constant(rows, tf.int64), 1)
        return self._found(exact_top_k(tf.gather(unit, rows), unit, self._checked(k), own), k)

    def as_frame(self, queries: dict[str, np.ndarray], scores: np.ndarray, ids: np.ndarray) -> Any:
        """Returns recommendations as a data frame, one row each, joined with the corpus's columns.

        Args:
            queries: Columns of the queries, shape `(n,)`.
            scores: Scores, shape `(n, k)`; places of score -inf are left out.
            ids: Candidate ids, shape `(n, k)`.
        """
        import pandas as pd  # not needed to train, and slow to import

        row, place = np.nonzero(scores > -np.inf)
        found = self.corpus.vocabulary.lookup(ids[row, place])
        columns: dict[str, Any] = {name: _as_text(values)[row] for name, values in queries.items()}
        columns |= {"rank": place + 1, "score": scores[row, place]}
        columns |= {name: list(values[found]) for name, values in self.corpus.columns.items()}
        return pd.DataFrame(columns)

    def _embed(self, tower: Callable[[dict[str, tf.Tensor]], tf.Tensor]) -> tf.Tensor:
        parts = [tf.cast(tower(batch), tf.float32) for batch in self.corpus.batches(self._names, ENCODE_ROWS)]
        return tf.concat(parts, axis=0)

    def _checked(self, k: int) -> int:
        """Returns k, or the number of candidates where it is smaller, with a warning."""
        check_positive("RetrievalModel", "k", k)
        size = len(self.corpus)
        if k > size:
            warnings.warn(
                f"k={k} is more than the {size} candidates of the corpus; the rest is padded with score -inf.",
                stacklevel=4,
            )
        return min(k, size)

    def _found(self, found: tuple[tf.Tensor, tf.Tensor], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns scores and ids, padded to k."""
        scores, rows = (each.numpy() for each in found)
        missing = [[0, 0], [0, k - scores.shape[1]]]
        scores = np.pad(scores, missing, constant_values=-np.inf)
        return scores, self.corpus.vocabulary.reverse_lookup(np.pad(rows, missing, constant_values=-1))


def _as_text(values: np.ndarray) -> np.ndarray:
    return to_id_array(values) if values.dtype == object else values


def corpus_rows(corpus: Corpus, splits: np.ndarray, candidate_ids: Any) -> tf.RaggedTensor:
    """Returns ragged lists of candidate ids as corpus rows; ids outside of the corpus are left out.

    Args:
        corpus: The candidates.
        splits: Row splits, int64 of shape `(n + 1,)`.
        candidate_ids: The ids of all lists, one after the other.

    Example:
        >>> corpus_rows(Corpus({"recipe_id": [7, 9]}, "recipe_id"), np.array([0, 2, 3]), [9, 5, 7])
        <tf.RaggedTensor [[1], [0]]>
    """
    rows = corpus.vocabulary.lookup(candidate_ids)
    kept = rows >= 0
    new_splits = np.concatenate([[0], np.cumsum(kept)])[splits]
    return tf.RaggedTensor.from_row_splits(tf.constant(rows[kept], tf.int64), tf.constant(new_splits, tf.int64))
