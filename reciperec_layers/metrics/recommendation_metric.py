"""RecommendationMetric: base of the metrics computed from recommendations, whatever was held out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.errors import ArgumentError, StateError, explain
from reciperec_layers.graph.graph_errors import check
from reciperec_layers.metrics.sample_weights import to_weights
from reciperec_layers.vocabulary import Vocabulary, to_vocabulary


class RecommendationMetric(keras.metrics.Metric):
    """A value computed from the k best candidates of each query. Base of the recommendation metrics.

    Call `set_candidates` before adding recommendations; a `RetrievalModel` does so by itself, and adds each query
    once. The value does not depend on how the data are split into batches.

    Args:
        k: Number of top candidates of each query to look at, >= 1.
        name: Key in logs; by default built from `short_name` and k, such as `coverage@10`.

    Raises:
        ArgumentError: `k` is not a positive integer.

    Example:
        >>> from reciperec_layers.metrics import Coverage
        >>> metric = Coverage(2)
        >>> metric.set_candidates(["pie", "soup", "stew", "cake"])
        >>> metric.update_state([[0, 1, 2], [1, -1, -1]])
        >>> float(metric.result())
        0.5
    """

    short_name: str

    def __init__(self, k: int, name: str | None = None) -> None:
        k = check_integer(type(self).__name__, "k", k, example=10)
        super().__init__(name=name or f"{self.short_name}@{k}", dtype="float64")
        self.k = k
        self._fingerprint: str | None = None
        # Graphs read the candidates from variables, so that they stay valid when the candidates change.
        self._num_candidates = tf.Variable(0, dtype=tf.int64, trainable=False)

    @abstractmethod
    def prepare(self, candidates: Vocabulary) -> None:
        """Stores what the metric needs to know about the candidates. Called before the state is reset.

        Args:
            candidates: Ids of the candidates, in row order.
        """

    @abstractmethod
    def add(self, rows: tf.Tensor, weights: tf.Tensor) -> None:
        """Adds queries to the state.

        Args:
            rows: Rows of the recommended candidates, int64 of shape `(n, m)` with m <= k, -1 in empty places.
            weights: Weight of each query, float64 of shape `(n,)`.
        """

    def set_candidates(self, candidates: Any) -> None:
        """Sets the candidates, and resets the state if they have changed.

        Args:
            candidates: A `Vocabulary`, or unique ids in row order, shape `(n,)`.

        Raises:
            IdError: An id repeats, is missing, or is neither an integer nor text.
        """
        candidates = to_vocabulary(candidates)
        if candidates.fingerprint == self._fingerprint:
            return
        self.prepare(candidates)
        self._fingerprint = candidates.fingerprint
        self._num_candidates.assign(len(candidates))
        self.reset_state()

    def update_state(self, rows: Any, sample_weight: Any = None) -> None:
        """Adds queries.

        Args:
            rows: Rows of the recommended candidates, integers of shape `(n, m)`, best first, -1 in empty places.
                Only the first k count.
            sample_weight: Weight of each query, shape `(n,)`, or `None` for 1 each.

        Raises:
            StateError: `set_candidates` has not been called.
            ArgumentError: Rows are not integers, have another shape or are out of range, or the number of weights is
                not the number of queries.
        """
        owner = type(self).__name__
        if self._fingerprint is None:
            fix = "Call set_candidates with the ids of all candidates first"
            raise StateError(explain(owner, "the candidates are not set", fix=fix))
        rows = tf.convert_to_tensor(rows)
        if rows.shape.rank != 2 or not rows.dtype.is_integer:
            fix = "Pass the rows of the k best of each query, -1 in empty places"
            raise ArgumentError(explain(owner, "`rows` must be integers of shape (n, m)", rows=rows, fix=fix))
        rows = tf.cast(rows[:, : self.k], tf.int64)
        weights = to_weights(owner, sample_weight, tf.shape(rows)[0], rows.shape[:1])
        with tf.control_dependencies([self._all_known(rows)]):
            self.add(tf.identity(rows), weights)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "k": self.k}

    def _all_known(self, rows: tf.Tensor) -> tf.Tensor:
        num_candidates = self._num_candidates.value()

        def text() -> tf.Tensor:
            problem = f"{type(self).__name__}: `rows` must be below the number of candidates, "
            largest, fix = tf.as_string(tf.reduce_max(rows)), ". Pass rows of the candidates given to set_candidates."
            return tf.strings.join([problem, tf.as_string(num_candidates), ". Received: a row ", largest, fix])

        return check(tf.reduce_all(rows < num_candidates), ArgumentError, text)
