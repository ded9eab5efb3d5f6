"""paired_difference against a bootstrap written as a loop, and what is known of intervals."""

from __future__ import annotations

import numpy as np
import pytest

from reciperec_layers.errors import ArgumentError
from reciperec_layers.evaluation import paired_difference
from reciperec_layers.metrics import AUC, MISS, NDCG, Recall


def drawn(seed=0, size=300):
    generator = np.random.default_rng(seed)
    queries = generator.integers(60, size=size)
    ranks, others = generator.integers(1, 30, (2, size))
    return queries, ranks, others


def recalls(queries, ranks, k):
    return np.array([np.mean(ranks[queries == query] <= k) for query in np.unique(queries)])


def test_values_and_interval_are_those_of_a_loop():
    queries, ranks, others = drawn()
    ranks[5] = MISS
    found = paired_difference(queries, ranks, others, Recall(10), num_resamples=4000)
    one, other = recalls(queries, ranks, 10), recalls(queries, others, 10)
    assert (found.metric, found.value, found.other) == (
        "recall@10",
        pytest.approx(one.mean()),
        pytest.approx(other.mean()),
    )
    assert found.difference == pytest.approx((one - other).mean())
    generator = np.random.default_rng(7)
    means = []
    for _ in range(4000):
        chosen = generator.integers(len(one), size=len(one))
        means.append((one - other)[chosen].mean())
    width = np.quantile(means, 0.975) - np.quantile(means, 0.025)
    assert [found.low, found.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.1 * width)


def test_a_metric_by_row_counts_rows_and_draws_queries():
    queries = np.array([1, 1, 1, 2])
    found = paired_difference(queries, [1, 1, 1, 9], [9, 9, 9, 1], Recall(1, per="row"), num_resamples=4000)
    assert (found.value, found.other) == (0.75, 0.25)
    assert (found.low, found.high) == (-1, 1)  # both draws are of the same query half of the time


def test_ndcg_is_the_default():
    found = paired_difference(["a", "a", "b"], [1, 3, 2], [11, 12, 13])
    of_a = (1 + 1 / 2) / (1 + 1 / np.log2(3))
    assert (found.metric, found.other) == ("ndcg@10", 0)
    assert found.value == pytest.approx((of_a + 1 / np.log2(3)) / 2)


def test_seeds_are_averaged_for_each_query():
    queries, ranks, others = drawn()
    twice = paired_difference(queries, [ranks, others], others, NDCG(10))
    once = paired_difference(queries, ranks, others, NDCG(10))
    assert twice.difference == pytest.approx(once.difference / 2)
    assert [twice.low, twice.high] == pytest.approx([once.low / 2, once.high / 2])


def test_the_order_of_rows_and_the_other_side_only_change_what_they_must():
    queries, ranks, others = drawn(1)
    found = paired_difference(queries, ranks, others)
    assert found == paired_difference(queries, ranks, others)
    reverse = paired_difference(queries, others, ranks)
    assert [reverse.low, reverse.high] == pytest.approx([-found.high, -found.low])
    order = np.random.default_rng(0).permutation(len(queries))
    other_order = paired_difference(queries[order], ranks[order], others[order])
    assert other_order.difference == pytest.approx(found.difference)
    same = paired_difference(queries, ranks, ranks)
    assert (same.difference, same.low, same.high) == (0, 0, 0)


def test_auc_needs_the_number_of_candidates():
    found = paired_difference([1, 2], [1, 3], [3, 3], AUC(), num_candidates=[5, 3])
    assert (found.value, found.other) == (0.5, 0.25)


@pytest.mark.parametrize(("queries", "ranks"), [([], []), ([1, 2], [1]), ([1], [[1, 2]])])
def test_wrong_shapes(queries, ranks):
    with pytest.raises(ArgumentError, match=r"^paired_difference: there must be rows, and one rank for each"):
        paired_difference(queries, ranks, ranks)
