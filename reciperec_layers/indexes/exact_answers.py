"""ExactAnswers: the results of exact search, to measure the recall of another search."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.indexes.embedding_arrays import to_embeddings
from reciperec_layers.indexes.exact_search import exact_top_k
from reciperec_layers.indexes.index import Index

# Scores are equal if they differ by at most this share of the largest possible score: float32 sums are no more exact.
ROUNDING = 1e-6
_QUERIES = 1_024


class ExactAnswers:
    """The scores of the k best candidates of some queries.

    Args:
        queries: float32 of shape `(num_queries, dim)`.
        embeddings: Candidates, float32 of shape `(num_candidates, dim)`.
        k: How many are searched per query, at most `num_candidates`.

    Example:
        >>> answers = ExactAnswers(tf.constant([[1.0]]), tf.constant([[2.0], [3.0], [2.0]]), k=2)
        >>> answers.recall(np.array([[1, 2]]), k=2), answers.recall(np.array([[1, 1]]), k=2)
        (1.0, 0.5)
    """

    def __init__(self, queries: tf.Tensor, embeddings: tf.Tensor, k: int) -> None:
        self._queries, self._embeddings = queries, embeddings
        self._scores = self._scores_of(exact_top_k(queries, embeddings, k)[1].numpy())
        self._tolerances = tolerances(queries, embeddings).numpy()

    def recall(self, rows: np.ndarray, k: int) -> float:
        """Returns the mean share of the k best that was found, in [0, 1].

        A candidate is among the k best if its score is at least that of the k-th, so ties may be broken either way.

        Args:
            rows: Rows that a search returned, best first, of shape `(num_queries, m)` with m >= k, padded with -1.
            k: At most the k of the constructor.
        """
        least = self._scores[:, :k].min(axis=1) - self._tolerances
        found = np.sort(rows[:, :k], axis=1)
        is_new = np.diff(found, axis=1, prepend=-2) > 0
        is_right = is_new & (found >= 0) & (self._scores_of(found) >= least[:, np.newaxis])
        return float(is_right.mean())

    def _scores_of(self, rows: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(rows), _QUERIES):
            chosen = slice(start, start + _QUERIES)
            embeddings = tf.gather(self._embeddings, np.maximum(rows[chosen], 0)).numpy()
            queries = self._queries[chosen].numpy().astype(np.float64)
            parts.append(np.einsum("qkd,qd->qk", embeddings, queries))
        return np.concatenate(parts)


def tolerances(queries: tf.Tensor, embeddings: tf.Tensor) -> tf.Tensor:
    """Returns the difference up to which scores count as equal, per query, float32 of shape `(num_queries,)`.

    Args:
        queries: float32 of shape `(num_queries, dim)`.
        embeddings: Candidates, float32 of shape `(num_candidates, dim)`.

    Example:
        >>> tolerances(tf.constant([[2.0]]), tf.constant([[1.0], [3.0]])).numpy()
        array([6.e-06], dtype=float32)
    """
    return ROUNDING * tf.norm(queries, axis=1) * tf.reduce_max(tf.norm(embeddings, axis=1))


def checked_queries(owner: str, index: Index, queries: Any) -> tf.Tensor:
    """Converts query embeddings to float32.

    Args:
        owner: Name of the caller, for messages.
        index: Index with candidates.
        queries: Numbers of shape `(num_queries, embedding_dim)`, or a data frame.

    Raises:
        StateError: The index has no candidates.
        ArgumentTypeError: Queries are not numbers.
        ArgumentError: Their shape does not fit, or there are none.

    Example:
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> index = BruteForceIndex()
        >>> index.assign([[1.0, 0.0]])
        >>> checked_queries("audit", index, [[1, 2]]).numpy()
        array([[1., 2.]], dtype=float32)
    """
    dim = index.embedding_dim
    tensor = to_embeddings(queries, "queries", owner)
    if not tensor.shape[0] or tensor.shape[1] != dim:
        problem = f"`queries` must be numbers of shape (num_queries, {dim}), one query or more"
        fix = "Pass embeddings of queries, as the query tower makes them"
        raise ArgumentError(explain(owner, problem, queries=queries, fix=fix))
    return tensor
