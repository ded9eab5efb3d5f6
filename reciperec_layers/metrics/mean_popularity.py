"""MeanPopularity: how popular the recommended candidates are."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import tensorflow as tf

from reciperec_layers.errors import describe_ids, explain
from reciperec_layers.metrics.recommendation_metric import RecommendationMetric
from reciperec_layers.saving.keras_names import deserialize_nested, serializable
from reciperec_layers.vocabulary import Vocabulary, to_counted_vocabulary


@serializable
class MeanPopularity(RecommendationMetric):
    """Mean number of training interactions of the recommended candidates; empty places do not count.

    With `as_percentile` it is the mean share of all candidates that have fewer interactions, in [0, 1]: .5 for random
    recommendations on any data. Candidates with equally many, the recommended one included, count half.

    Args:
        k: Number of top candidates of each query to look at, >= 1.
        candidate_counts: Candidate ids, one for each interaction, of any shape (a list, array or frame column); or
            counts by id: a dict `{id: count}`, the Series of `frame[column].value_counts()`, or a `Vocabulary` with
            counts. Ids that are not candidates are ignored.
        name: Key in logs, `interactions@{k}` by default, or `popularity_percentile@{k}`.
        as_percentile: Whether to average percentiles among all candidates instead of numbers of interactions.

    Raises:
        ArgumentError: `k` is not a positive integer, a vocabulary has no counts, or counts are not integers >= 0.
        IdError: `candidate_counts` has missing ids, or ids that are neither integers nor text.

    Warns:
        UserWarning: None of the counted ids is a candidate, so all candidates have 0 interactions.

    Example:
        >>> metric = MeanPopularity(2, candidate_counts=["pie", "pie", "soup"])
        >>> metric.set_candidates(["pie", "soup", "stew"])
        >>> metric.update_state([[0, 1], [2, -1]])
        >>> float(metric.result())
        1.0

    Source:
        "Average recommendation popularity" of Yin et al., Challenging the long tail recommendation, VLDB 2012. The
        paper averages each list first, which makes a difference only if lists have empty places.
    """

    short_name = "interactions"

    def __init__(self, k: int, candidate_counts: Any, name: str | None = None, as_percentile: bool = False) -> None:
        super().__init__(k, name or (f"popularity_percentile@{k}" if as_percentile else None))
        self.candidate_counts = to_counted_vocabulary(candidate_counts, "MeanPopularity")
        self.as_percentile = bool(as_percentile)
        self._values = tf.Variable(tf.zeros((0,), tf.float64), shape=(None,), trainable=False)
        self.total = self.add_variable((), initializer="zeros", dtype="float64", name="total")
        self.count = self.add_variable((), initializer="zeros", dtype="float64", name="count")

    def prepare(self, candidates: Vocabulary) -> None:
        candidates.check_type(self.candidate_counts.ids, "MeanPopularity: `candidate_counts`")
        assert self.candidate_counts.counts is not None
        rows = self.candidate_counts.lookup(candidates.ids)
        if (rows < 0).all():
            problem = (
                "all popularities are 0, since no id of `candidate_counts` is a candidate: counted are "
                f"{describe_ids(self.candidate_counts.ids)}, candidates are {describe_ids(candidates.ids)}"
            )
            fix = "Pass the candidate ids of the interactions, or counts by id"
            warnings.warn(explain("MeanPopularity", problem, fix=fix), stacklevel=3)
        counts = np.append(self.candidate_counts.counts, 0)[rows].astype(np.float64)  # row -1 is the appended 0
        if self.as_percentile:
            ordered = np.sort(counts)
            bounds = (np.searchsorted(ordered, counts, side) for side in ("left", "right"))
            counts = sum(bounds) / (2 * len(counts))
        self._values.assign(counts)

    def add(self, rows: tf.Tensor, weights: tf.Tensor) -> None:
        values = tf.gather(self._values, tf.maximum(rows, 0))
        weights = tf.where(rows >= 0, weights[:, tf.newaxis], 0)
        self.total.assign_add(tf.reduce_sum(values * weights))
        self.count.assign_add(tf.reduce_sum(weights))

    def result(self) -> tf.Tensor:
        """Returns the mean over recommendations, weighted by query, or 0 before any query."""
        return tf.math.divide_no_nan(self.total.value, self.count.value)

    def save_assets(self, directory: str) -> None:
        """Writes the counts. Keras calls this when it saves a model compiled with the metric."""
        self.candidate_counts.save(directory)

    def load_assets(self, directory: str | None) -> None:
        """Reads the counts."""
        self.candidate_counts.load(directory)

    def get_config(self) -> dict[str, Any]:
        counts = {"candidate_counts": self.candidate_counts, "as_percentile": self.as_percentile}
        return {**super().get_config(), **counts}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**deserialize_nested(config))
