"""The sign test by which a model beats a baseline, against sums of binomial coefficients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.evaluation.sign_test import compared_hits, two_sided_p


@given(more=st.integers(0, 300), fewer=st.integers(0, 300))
def test_the_probability_is_that_of_a_fair_coin(more, fewer):
    total = more + fewer
    tail = sum(math.comb(total, place) for place in range(min(more, fewer) + 1)) / 2**total
    assert two_sided_p(more, fewer) == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


def test_many_rows_are_no_trouble():
    assert two_sided_p(500_000, 500_000) == 1.0
    assert two_sided_p(501_000, 499_000) == pytest.approx(0.0455, abs=0.0005)  # two standard deviations
    assert two_sided_p(600_000, 400_000) == 0.0


@pytest.mark.parametrize(
    ("more", "fewer", "found"), [(1, 0, 0), (5, 0, 0), (6, 0, 1), (0, 6, -1), (9, 3, 0), (60, 40, 0), (61, 39, 1)]
)
def test_only_what_is_more_than_chance_counts(more, fewer, found):
    hits = np.repeat([1, 0, 1, 0], [more, fewer, 50, 50])
    others = np.repeat([0, 1, 1, 0], [more, fewer, 50, 50])
    assert compared_hits(np.arange(len(hits)), hits, others) == found


def test_rows_of_one_query_count_together():
    hits, queries = np.ones(60), np.repeat(np.arange(5), 12)
    assert compared_hits(queries, hits, np.zeros(60)) == 0
    assert compared_hits(np.arange(60), hits, np.zeros(60)) == 1


def test_what_fewer_queries_outweigh_is_level():
    """Nine queries have one hit more each, and one has twenty fewer."""
    queries = np.concatenate([np.arange(9), np.full(20, 9)])
    hits = np.concatenate([np.ones(9), np.zeros(20)])
    assert compared_hits(queries, hits, 1 - hits) == 0


def test_shares_of_seeds_are_compared_as_they_are():
    thirds = np.full(8, (1 / 3 + 1 / 3) + 1 / 3 - 1e-16)
    assert compared_hits(np.arange(8), thirds, np.ones(8)) == 0
    assert compared_hits(np.arange(8), np.full(8, 2 / 3), np.full(8, 1.0)) == -1
