from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.plots.label_places import spread_out
from reciperec_layers.plots.style import spread

PLACES = st.lists(st.floats(0, 1), max_size=8)


@given(PLACES, st.floats(0, 0.5))
def test_places_are_apart_and_in_order(places, gap):
    moved = spread(places, gap)
    order = np.argsort(places, kind="stable")
    assert (np.diff(moved[order]) >= gap - 1e-9).all()
    np.testing.assert_allclose(np.sum(moved), np.sum(places), atol=1e-9)


@given(PLACES)
def test_places_that_are_apart_stay(places):
    apart = np.sort(places) + np.arange(len(places))
    np.testing.assert_allclose(spread(apart, 0.5), apart)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_chosen_points_are_the_farthest_of_all_that_remain(number, seed):
    points = np.random.default_rng(seed).random((12, 2))
    chosen = spread_out(points, number)
    assert len(set(chosen.tolist())) == number
    for at in range(1, number):
        distances = np.abs(points[:, np.newaxis] - points[chosen[:at]]).max(axis=2).min(axis=1)
        assert distances[chosen[at]] == distances.max()
