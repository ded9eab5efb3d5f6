"""The difference of two recommenders on the same rows, with an interval by a bootstrap over queries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.candidates.ranks_by_query import by_query
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.metrics import MISS, NDCG, RankMetric

_VALUES_AT_ONCE = 2**22


@dataclass(frozen=True)
class PairedDifference:
    """A metric of two recommenders on the same rows, and the interval of the difference.

    Attributes:
        metric: Name of the metric.
        value: Of the first recommender.
        other: Of the other one.
        low: Lower end of the 95 % interval of `value - other`.
        high: Upper end.

    Example:
        >>> PairedDifference("recall@10", 0.25, 0.5, -0.375, -0.125).difference
        -0.25
        >>> print(PairedDifference("recall@10", 0.25, 0.5, -0.375, -0.125))
        recall@10 .2500 against .5000 (difference -.3750 to -.1250)
    """

    metric: str
    value: float
    other: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """How much more the first recommender has."""
        return self.value - self.other

    def __str__(self) -> str:
        values = [_shown(each) for each in (self.value, self.other, self.low, self.high)]
        return "{} {} against {} (difference {} to {})".format(self.metric, *values)


def paired_difference(
    queries: Any,
    ranks: Any,
    other_ranks: Any,
    metric: RankMetric | None = None,
    *,
    num_candidates: Any = 1,
    num_resamples: int = 1000,
    seed: int = 42,
) -> PairedDifference:
    """Compares two recommenders by a metric on the same rows, with a paired bootstrap over queries.

    As many queries as there are, with all their rows, are drawn with replacement, and both recommenders are measured on
    the same draw. The interval holds the middle 95 % of the differences. It says how large a difference is; whether it
    is more than chance is said by the exact sign test of `compare`, which is also right for few queries.

    Args:
        queries: Query of each row, integers or text of shape `(n,)`, n >= 1.
        ranks: Ranks of the rows by the first recommender, integers of shape `(n,)`, as from `held_out_ranks`; or of
            several seeds of it, shape `(num_seeds, n)`, whose values are averaged for each query.
        other_ranks: Likewise of the other one.
        metric: A metric of ranks; by default `NDCG(10)`.
        num_candidates: Number of candidates that each row chooses from, shape `(n,)` or one number. Only `AUC` needs
            it.
        num_resamples: How often queries are drawn, at least 1.
        seed: Seed of the draws.

    Raises:
        ArgumentError: There are no rows, or their numbers differ.

    Example:
        >>> from reciperec_layers.metrics import Recall
        >>> paired_difference([7, 8, 9], [1, 1, 3], [3, 3, 5], Recall(3))
        PairedDifference(metric='recall@3', value=1.0, other=0.6666666666666666, low=0.0, high=1.0)

    Source:
        Efron, Bootstrap methods: another look at the jackknife, 1979; percentile intervals. Over queries as Sakai,
        SIGIR 2006.
    """
    owner = "paired_difference"
    metric = NDCG(10) if metric is None else metric
    num_resamples = check_integer(owner, "num_resamples", num_resamples, example=1000)
    numbers = pd.factorize(np.asarray(queries))[0]
    both = np.atleast_2d(ranks), np.atleast_2d(other_ranks)
    if not len(numbers) or any(each.shape[1] != len(numbers) for each in both):
        problem, fix = "there must be rows, and one rank for each", "Pass what `held_out_ranks` returns for the rows"
        raise ArgumentError(explain(owner, problem, queries=queries, ranks=ranks, other_ranks=other_ranks, fix=fix))
    candidates = np.broadcast_to(num_candidates, numbers.shape)
    totals, others = (
        np.mean([_totals(metric, numbers, each, candidates) for each in of_seeds], axis=0) for of_seeds in both
    )
    counts = np.ones(len(totals)) if metric.per == "query" else np.bincount(numbers).astype(np.float64)
    drawn = np.concatenate(list(_resampled(totals - others, counts, num_resamples, seed)))
    low, high = np.quantile(drawn, [0.025, 0.975])
    value, other = (float(each.sum() / counts.sum()) for each in (totals, others))
    return PairedDifference(metric.name, value, other, float(low), float(high))


def _shown(value: float) -> str:
    return f"{value:.4f}".replace("0.", ".", 1).replace("-.0000", ".0000")


def _totals(metric: RankMetric, queries: np.ndarray, ranks: np.ndarray, num_candidates: np.ndarray) -> np.ndarray:
    """Returns the value of each query, float64 in order of their numbers; for a metric by row, the sum of its rows."""
    if metric.per == "row":
        values = _values(metric, ranks[:, np.newaxis], num_candidates)
        return np.bincount(queries, values)
    found, sizes = [], np.bincount(queries)
    for chunk in by_query(queries, ranks, np.ones(len(ranks)), num_candidates):
        found.append(_values(metric, chunk.ranks, chunk.num_candidates))
    totals = np.empty(len(sizes))
    totals[np.argsort(sizes, kind="stable")] = np.concatenate(found)  # the order of `by_query`
    return totals


def _values(metric: RankMetric, ranks: np.ndarray, num_candidates: np.ndarray) -> np.ndarray:
    held_out = ranks > 0
    in_order = np.sort(np.where(held_out, ranks, MISS), axis=1)
    counts = tf.constant(held_out.sum(axis=1), tf.int64)
    return metric.values(tf.constant(in_order, tf.int64), counts, tf.constant(num_candidates, tf.int64)).numpy()


def _resampled(differences: np.ndarray, counts: np.ndarray, num_resamples: int, seed: int) -> Iterator[np.ndarray]:
    generator, size = np.random.default_rng(seed), len(differences)
    at_once = max(1, _VALUES_AT_ONCE // size)
    for start in range(0, num_resamples, at_once):
        drawn = generator.integers(size, size=(min(at_once, num_resamples - start), size))
        yield differences[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
