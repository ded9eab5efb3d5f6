"""RecommendationMetric: something that follows from what is recommended, whatever was held out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.errors import ArgumentError, StateError, explain
from reciperec_layers.graph.graph_errors import check
from reciperec_layers.metrics.sample_weights import weights_of
from reciperec_layers.vocabulary import Vocabulary, as_vocabulary


class RecommendationMetric(keras.metrics.Metric):
    """A value that follows from the k best candidates of each query. Base of the metrics of recommendations.

    `set_candidates` says which candidates there are, before the first recommendations; a `RetrievalModel` does so by
    itself. It gives each query once, and the value does not depend on how data are cut into batches.

    Args:
        k: How many candidates of a query are looked at, >= 1.
        name: Key in logs; by default made of `short_name` and k, such as `coverage@10`.

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
        # What a graph reads of the candidates are variables, so that it serves other candidates, too.
        self._num_candidates = tf.Variable(0, dtype=tf.int64, trainable=False)

    @abstractmethod
    def prepare(self, candidates: Vocabulary) -> None:
        """Takes what the metric needs to know of the candidates. Called before a reset of the state.

        Args:
            candidates: Their ids, in the order of rows.
        """

    @abstractmethod
    def add(self, rows: tf.Tensor, weights: tf.Tensor) -> None:
        """Adds queries to the state.

        Args:
            rows: Rows of the recommended candidates, int64 of shape `(n, m)` with m <= k, -1 in empty places.
            weights: Weight of each query, float64 of shape `(n,)`.
        """

    def set_candidates(self, candidates: Any) -> None:
        """Says which candidates there are, and forgets what was recommended of others.

        Args:
            candidates: A `Vocabulary`, or unique ids in the order of rows, shape `(n,)`.

        Raises:
            IdError: An id repeats, is missing, or is no integer and no text.
        """
        candidates = as_vocabulary(candidates)
        if candidates.fingerprint == self._fingerprint:
            return
        self.prepare(candidates)
        self._fingerprint = candidates.fingerprint
        self._num_candidates.assign(len(candidates))
        self.reset_state()

    def update_state(self, rows: Any, sample_weight: Any = None) -> None:
        """Adds queries.

        Args:
            rows: Rows of the candidates that are recommended, integers of shape `(n, m)`, best first, -1 in empty
                places. Of more than k the first k count.
            sample_weight: Weight of each query, shape `(n,)`, or `None` for 1 each.

        Raises:
            StateError: It is not known which candidates there are.
            ArgumentError: Rows are of another form, or not those of the candidates, or weights not as many as queries.
        """
        owner = type(self).__name__
        if self._fingerprint is None:
            fix = "Call set_candidates with the ids of all candidates first"
            raise StateError(explain(owner, "it is not known which candidates there are", fix=fix))
        rows = tf.convert_to_tensor(rows)
        if rows.shape.rank != 2 or not rows.dtype.is_integer:
            fix = "Pass the rows of the k best of each query, -1 in empty places"
            raise ArgumentError(explain(owner, "`rows` must be integers of shape (n, m)", rows=rows, fix=fix))
        rows = tf.cast(rows[:, : self.k], tf.int64)
        weights = weights_of(owner, sample_weight, tf.shape(rows)[0], rows.shape[:1])
        with tf.control_dependencies([self._all_known(rows)]):
            self.add(tf.identity(rows), weights)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "k": self.k}

    def _all_known(self, rows: tf.Tensor) -> tf.Tensor:
        num_candidates = self._num_candidates.value()

        def text() -> tf.Tensor:
            problem = f"{type(self).__name__}: `rows` must be below the number of candidates, "
            largest, fix = tf.as_string(tf.reduce_max(rows)), ". Pass those of what set_candidates was told."
            return tf.strings.join([problem, tf.as_string(num_candidates), ". Received: a row ", largest, fix])

        return check(tf.reduce_all(rows < num_candidates), ArgumentError, text)
