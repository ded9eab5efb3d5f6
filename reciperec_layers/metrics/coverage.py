"""Coverage: the share of the catalogue that is recommended to anyone."""

from __future__ import annotations

import tensorflow as tf

from reciperec_layers.metrics.recommendation_metric import RecommendationMetric
from reciperec_layers.saving.keras_names import serializable
from reciperec_layers.vocabulary import Vocabulary


@serializable
class Coverage(RecommendationMetric):
    """Share of the candidates that are among the k recommended for at least one query, in [0, 1].

    Queries of weight 0 are left out; other weights make no difference. The value grows with the number of queries, so
    compare values of the same queries only.

    Args:
        k: Number of top candidates of each query to look at, >= 1.
        name: Key in logs, `coverage@{k}` by default.

    Raises:
        ArgumentError: `k` is not a positive integer.

    Example:
        >>> metric = Coverage(2)
        >>> metric.set_candidates(["pie", "soup", "stew"])
        >>> metric.update_state([[0, 1], [1, 0]])
        >>> round(float(metric.result()), 4)
        0.6667

    Source:
        "Catalogue coverage" of Herlocker et al., Evaluating collaborative filtering recommender systems, ACM TOIS 2004,
        section 4.1, of top-k lists.
    """

    short_name = "coverage"

    def __init__(self, k: int, name: str | None = None) -> None:
        super().__init__(k, name)
        # A Keras variable cannot have an unknown length.
        self._is_covered = tf.Variable(tf.zeros((0,), tf.bool), shape=(None,), trainable=False)

    def prepare(self, candidates: Vocabulary) -> None:
        self._is_covered.assign(tf.zeros((len(candidates),), tf.bool))

    def add(self, rows: tf.Tensor, weights: tf.Tensor) -> None:
        recommended = tf.boolean_mask(rows, (rows >= 0) & (weights > 0)[:, tf.newaxis])
        self._is_covered.scatter_update(tf.IndexedSlices(tf.ones_like(recommended, tf.bool), recommended))

    def reset_state(self) -> None:
        self._is_covered.assign(tf.zeros_like(self._is_covered.value()))

    def result(self) -> tf.Tensor:
        """Returns the share, 0 before any query."""
        is_covered = tf.cast(self._is_covered.value(), tf.float64)
        return tf.math.divide_no_nan(tf.reduce_sum(is_covered), tf.cast(tf.size(is_covered), tf.float64))
