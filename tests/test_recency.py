"""Decayed counts and the choice of their half-life, against loops over rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.recency import choose_half_life, decayed_counts, far_future

DAY = 86_400.0


def counted(rows, days, num_candidates, half_life):
    counts = np.zeros(num_candidates)
    for row, day in zip(rows, days, strict=True):
        if row >= 0:
            counts[row] += 1 if half_life is None else 0.5 ** ((max(days) - day) / half_life)
    return counts


def likelihood(rows, days, num_candidates, half_life):
    """Log-likelihood of the newest tenth in five steps, each predicted by all earlier rows."""
    rows, days = np.asarray(rows), np.asarray(days)
    ordered = np.sort(days)
    begins = sorted({ordered[int(len(days) * (1 - share))] for share in (0.1, 0.08, 0.06, 0.04, 0.02)})
    total = 0.0
    for begin, end in zip(begins, [*begins[1:], np.inf], strict=True):
        before, held_out = days < begin, (days >= begin) & (days < end)
        if before.any():
            counts = counted(rows[before], days[before], num_candidates, half_life)
            shares = 0.9 * counts / counts.sum() + 0.1 / num_candidates
            total += np.log(shares[rows[held_out]]).sum()
    return total


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 9999), st.integers(1, 8), st.sampled_from([None, 0.1, 2, 50]))
def test_counts_equal_a_loop_over_rows(seed, size, half_life):
    random = np.random.default_rng(seed)
    rows, days = random.integers(-1, 3, size), random.uniform(0, 100, size)
    counts = decayed_counts(rows, days * DAY, 4, half_life)
    assert (counts.shape, counts.dtype) == ((4,), np.float64)
    np.testing.assert_allclose(counts, counted(rows, days, 4, half_life), rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("seed", range(4))
def test_the_choice_has_the_largest_likelihood(seed):
    random = np.random.default_rng(seed)
    days = random.permutation(300).astype(float) // (seed + 1)
    rows = (random.integers(0, 8, 300) + days // [30, 80, 5, 1000][seed]).astype(int) % 20
    span = np.ptp(days)
    lengths = [digit * 10.0**power for power in range(-1, 3) for digit in (1, 2, 5)]
    lengths = [None, *(length for length in lengths if span / 1000 <= length <= span)]
    best = max(lengths, key=lambda each: likelihood(rows, days, 20, each))
    assert choose_half_life(rows, days * DAY, 20) == pytest.approx(best)


def test_the_faster_tastes_change_the_shorter_the_half_life():
    random = np.random.default_rng(1)
    days = np.arange(2000) / 2
    noise, is_noise = random.integers(0, 20, 2000), random.random(2000) < 0.5
    fast, slow = (
        choose_half_life(np.where(is_noise, noise, days // favourite).astype(int), days * DAY, 20)
        for favourite in (60, 500)
    )
    assert 5 <= fast < slow <= 500


def test_equal_tastes_at_all_times_are_counted_alike():
    random = np.random.default_rng(0)
    rows = random.choice(50, 5000, p=np.arange(1, 51) / 1275)
    assert choose_half_life(rows, random.uniform(0, 1000, 5000) * DAY, 50) is None


def test_what_is_not_a_time_of_this_world_has_its_scale():
    """Row numbers as times span seconds: the half-life is as many rows."""
    rows = np.arange(4000) // 400
    for unit in (1.0, 1e-6, 1e9):
        assert 4 * unit <= choose_half_life(rows, np.arange(4000) * unit, 10) * DAY < 400 * unit


@pytest.mark.parametrize(
    ("rows", "times"), [([0], [5]), ([0, 1, 1], [5, 5, 5]), ([-1, -1], [1, 2]), ([-1, 0], [1, 2])], ids=str
)
def test_too_little_to_choose_from(rows, times):
    assert choose_half_life(np.array(rows), np.array(times, float), 2) is None


def test_the_order_of_rows_and_candidates_outside_the_corpus_change_nothing():
    random = np.random.default_rng(3)
    rows, times = np.arange(500) // 25, np.arange(500) * DAY
    chosen = choose_half_life(rows, times, 20)
    order = random.permutation(500)
    assert chosen is not None
    assert choose_half_life(rows[order], times[order], 20) == chosen
    # With a row that is not known at each end.
    more = choose_half_life(np.r_[-1, rows, -1], np.r_[-9e9, times, 9e9], 20)
    assert more == chosen


YEARS = np.linspace(40, 48, 400) * 365.25 * DAY  # 2010 .. 2018


@pytest.mark.parametrize(
    "wrong",
    [[129.0], [60.0], [129.0, 0.0], [129.0, 130.0, 129.0, 7000.0]],
    ids=["2099", "2030", "2099 and 1970", "four of 400"],
)
def test_a_time_far_after_all_others_is_found(wrong: list[float]):
    times = np.r_[YEARS, np.array(wrong) * 365.25 * DAY]
    order = np.random.default_rng(4).permutation(len(times))
    expected = (times > YEARS[-1])[order]
    with pytest.warns(UserWarning, match=f"Test: {len(wrong) - (0.0 in wrong)} of {len(times)} times lie") as caught:
        found = far_future(times[order], "Test")
    np.testing.assert_array_equal(found, expected)
    assert len(caught) == 1


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 9999),
    st.integers(0, 300),
    st.sampled_from(["uniform", "growing", "dying", "bursts", "rows"]),
    st.sampled_from([1.0, 30.0, 3000.0]),
)
def test_clean_times_are_all_believed(seed: int, size: int, form: str, days: float):
    random = np.random.default_rng(seed)
    drawn = {
        "uniform": random.uniform(0, 1, size),
        "growing": random.uniform(0, 1, size) ** 0.2,
        "dying": random.uniform(0, 1, size) ** 5,
        "bursts": random.integers(0, 3, size) / 3,
        "rows": np.arange(size),
    }[form]
    assert not far_future(drawn * days * DAY, "Test").any()


@pytest.mark.parametrize(
    "days",
    [
        [*range(18), 20_000],  # too few to tell
        [*[0] * 99, 300],  # rows that were imported at once, and one of the same year
        [*range(3000), 5900],  # no farther than the others span
        [*range(100), 20_000, 20_001],  # more than one in a hundred
    ],
    ids=str,
)
def test_times_that_may_be_right_are_believed(days: list[int]):
    assert not far_future(np.array(days) * DAY, "Test").any()
