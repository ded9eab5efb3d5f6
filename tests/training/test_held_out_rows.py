"""Which rows are held out of a training that chooses."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.columns.time_arrays import MISSING_TIME
from reciperec_layers.training.held_out_rows import held_out_rows

SEEDS = st.integers(0, 2**31)


@given(SEEDS, st.integers(60, 400), st.booleans())
def test_each_query_keeps_rows_and_loses_its_newest(seed, num_queries, has_times):
    generator = np.random.default_rng(seed)
    queries = np.repeat(np.arange(num_queries), generator.integers(1, 40, num_queries))
    generator.shuffle(queries)
    times = generator.integers(0, 10**6, len(queries)) if has_times else None
    chosen = held_out_rows(len(queries), queries, times, seed)
    if chosen is None:
        return
    assert 100 <= chosen.sum() <= len(queries) // 10
    for query in np.unique(queries):
        own = queries == query
        held_out = chosen & own
        assert held_out.sum() <= -(-own.sum() // 10)
        assert held_out.sum() < own.sum()
        if times is not None and held_out.any():
            num_newest = math.ceil(own.sum() / 10)
            assert times[held_out].min() >= np.sort(times[own])[-num_newest]


@given(SEEDS)
def test_the_choice_follows_from_the_seed(seed):
    queries = np.arange(3_000) % 100
    first, again = (held_out_rows(3_000, queries, None, seed) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_nothing_is_held_out_where_it_would_tell_nothing():
    assert held_out_rows(5_000, np.arange(5_000), None, 1) is None  # a row each
    assert held_out_rows(590, np.arange(590) % 59, None, 1) is None
    assert held_out_rows(0, np.array([], dtype=np.int64), None, 1) is None


def test_without_queries_any_row_may_be_held_out_and_no_more_than_ten_thousand():
    assert held_out_rows(2_000, None, None, 1).sum() == 200
    assert held_out_rows(300_000, None, None, 1).sum() == 10_000


def test_a_row_without_a_time_is_the_oldest():
    times = np.tile(np.append(np.arange(1, 20), MISSING_TIME), 100)
    chosen = held_out_rows(2_000, np.repeat(np.arange(100), 20), times, 1)
    assert chosen.sum() == 200
    assert set(times[chosen]) == {18, 19}
