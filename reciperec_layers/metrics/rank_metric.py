"""RankMetric: base of the metrics computed from the ranks of held-out candidates."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.metrics.ranks import MISS
from reciperec_layers.metrics.sample_weights import to_weights

_PER = ("query", "row")


class RankMetric(keras.metrics.Metric):
    """Mean over queries of a value computed from the ranks of their held-out candidates. Base of the rank metrics.

    Each row of ranks is one query. `per` tells whoever computes the ranks what a query is: with `"row"` every held-out
    pair is a query of its own; with `"query"` all held-out candidates of a query belong together, as in papers. The
    mean does not depend on how the data are split into batches: sums are kept in float64.

    Args:
        name: Key of the metric in logs.
        per: `"row"` or `"query"`.

    Raises:
        ArgumentError: `per` is neither of the two.

    Example:
        >>> from reciperec_layers.metrics import Recall
        >>> metric = Recall(2)
        >>> metric.update_state(tf.constant([[1, 5], [2, 0]], tf.int64))
        >>> float(metric.result())
        0.75
    """

    def __init__(self, name: str, per: str = "row") -> None:
        if per not in _PER:
            owner = type(self).__name__
            raise ArgumentError(explain(owner, f"`per` must be one of {_PER}", per=per, fix='Use for example "query"'))
        super().__init__(name=name, dtype="float64")
        self.per = per
        # Without a dtype Keras uses float32, whatever the dtype of the metric.
        self.total = self.add_variable((), initializer="zeros", dtype="float64", name="total")
        self.count = self.add_variable((), initializer="zeros", dtype="float64", name="count")

    @abstractmethod
    def values(self, ranks: tf.Tensor, num_held_out: tf.Tensor, num_candidates: tf.Tensor | None) -> tf.Tensor:
        """Returns the value of each query, float64 of shape `(n,)`.

        Args:
            ranks: int64 of shape `(n, m)`, in ascending order, 1 for the best; `MISS` for a candidate that cannot be
                recommended, and as padding for a query with fewer than m held-out candidates.
            num_held_out: Number of held-out candidates of each query, int64 of shape `(n,)`, 1 or more.
            num_candidates: Number of candidates that each query chooses from, int64 of shape `(n,)`, or `None`.
        """

    def update_state(self, ranks: Any, sample_weight: Any = None, num_candidates: Any = None) -> None:
        """Adds queries.

        Args:
            ranks: Integers of shape `(n,)`, the rank of one held-out candidate per query; or `(n, m)`, the ranks of
                all held-out candidates of each query in any order, padded with 0. 1 is the best, `MISS` stands for a
                candidate that cannot be recommended. A query without held-out candidates (only 0) is left out.
            sample_weight: Weight of each query, shape `(n,)`, or `None` for 1 each.
            num_candidates: Number of candidates that each query chooses from, held-out ones included, shape `(n,)`
                or one number. Only `AUC` needs it.

        Raises:
            ArgumentError: Ranks are not integers or have another shape, or the number of weights is not the number of
                queries; in eager mode also if a rank is below 0.
        """
        owner = type(self).__name__
        ranks = _checked(ranks, owner)
        weights = to_weights(owner, sample_weight, tf.shape(ranks)[0], ranks.shape[:1])
        if ranks.shape[-1] == 0:
            return  # no queries, or no held-out candidates
        if ranks.shape.rank == 1:
            ranks = ranks[:, tf.newaxis]
        held_out = ranks > 0
        num_held_out = tf.math.count_nonzero(held_out, axis=1)
        weights = tf.where(num_held_out > 0, weights, 0)
        num_held_out = tf.maximum(num_held_out, 1)  # so that values of weight 0 are finite
        ranks = tf.sort(tf.where(held_out, ranks, MISS), axis=1)
        if num_candidates is not None:
            num_candidates = tf.broadcast_to(tf.cast(num_candidates, tf.int64), tf.shape(num_held_out))
        values = self.values(ranks, num_held_out, num_candidates)
        self.total.assign_add(tf.reduce_sum(values * weights))
        self.count.assign_add(tf.reduce_sum(weights))

    def result(self) -> tf.Tensor:
        """Returns the weighted mean, or 0 before any query."""
        return tf.math.divide_no_nan(self.total.value, self.count.value)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "per": self.per}


class TopKMetric(RankMetric):
    """Base of the rank metrics that look at the k best.

    Args:
        k: Number of top candidates to look at, >= 1; `None` for all, if the metric allows it.
        name: Key in logs; by default built from `short_name` and k, such as `recall@20`.
        per: As for `RankMetric`.

    Raises:
        ArgumentError: `k` is not a positive integer.

    Example:
        >>> from reciperec_layers.metrics import NDCG
        >>> NDCG(20).name
        'ndcg@20'
    """

    short_name: str

    def __init__(self, k: int | None, name: str | None = None, per: str = "query") -> None:
        k = check_integer(type(self).__name__, "k", k, optional=True, example=10)
        super().__init__(name or (self.short_name if k is None else f"{self.short_name}@{k}"), per)
        self.k = k

    def hits(self, ranks: tf.Tensor) -> tf.Tensor:
        """Returns which ranks are among the k best, float64 1 or 0 of the same shape."""
        return tf.cast(ranks <= self.k if self.k is not None else ranks < MISS, tf.float64)

    def num_findable(self, num_held_out: tf.Tensor) -> tf.Tensor:
        """Returns how many held-out candidates of each query fit into the k best, float64."""
        return tf.cast(num_held_out if self.k is None else tf.minimum(num_held_out, self.k), tf.float64)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}


def _checked(ranks: Any, owner: str) -> tf.Tensor:
    fix = "Pass ranks as `metrics.true_ranks` returns them, 1 for the best"
    problem = "`ranks` must be integers of shape (n,) or (n, m)"
    try:
        tensor = tf.convert_to_tensor(ranks)
    except (TypeError, ValueError) as error:
        raise ArgumentError(explain(owner, problem, ranks=ranks, fix=fix)) from error
    is_empty = tensor.shape.num_elements() == 0  # an empty list has no integer dtype
    if tensor.shape.rank not in (None, 1, 2) or not (tensor.dtype.is_integer or is_empty):
        raise ArgumentError(explain(owner, problem, ranks=tensor, fix=fix))
    tensor = tf.cast(tensor, tf.int64)
    if tf.executing_eagerly() and not is_empty and tf.reduce_min(tensor) < 0:
        problem = "`ranks` must not be below 0"
        raise ArgumentError(explain(owner, problem, smallest=int(tf.reduce_min(tensor)), fix=fix))
    return tensor
