"""Columns that are mean ratings of few interactions each, told by arithmetic: 3.67 is a mean of three, not of two."""

from __future__ import annotations

import numpy as np

_MAX_COUNT = 10
_MAX_RATINGS = 20
_MIN_ROWS, _MAX_ROWS = 5, 300
# So a column that has nothing to do with the ratings is taken for their means once in 1,000 times at most.
_NUM_SHUFFLES = 999
_STEPS = (1.0, 0.5, 0.25, 0.1)
# Where a row has three ratings or more, its mean is rarely a multiple of half a step.
_MIN_SHARE_OF_FRACTIONS = 0.25
_EXACT = 1e-6


def are_mean_ratings(values: np.ndarray, counts: np.ndarray, totals: np.ndarray, ratings: np.ndarray) -> bool:
    """Returns whether numbers are mean ratings, each of the row's own training ratings and of more.

    Every value has to be a mean that own ratings and up to 20 in all can have, so that one that cannot be is enough to
    say no. How likely the values are as such means, if further ratings are drawn from all, has to be more than after
    any of 999 shuffles. So a column that has nothing to do with the ratings has the chance of 1 in 1,000.

    Args:
        values: A column, exact or rounded to two decimals or more, float64 of shape `(n,)`; NaN where one is missing.
        counts: Number of training ratings of each row, integers of shape `(n,)`. Rows with 1 to 10 are looked at.
        totals: Their sums, float64 of shape `(n,)`.
        ratings: All ratings of training, float64 of shape `(m,)`.

    Example:
        >>> counts, totals = np.array([2, 3, 1, 2, 3, 1, 2, 3]), np.array([9.0, 7, 5, 3, 13, 2, 6, 15])
        >>> means = np.array([4.5, 7 / 3, 4.0, 1.5, 4.25, 7 / 3, 10 / 3, 5])
        >>> are_mean_ratings(means, counts, totals, np.arange(1.0, 6))
        True
        >>> are_mean_ratings(means[::-1], counts, totals, np.arange(1.0, 6))
        False
    """
    rows = np.flatnonzero(np.isfinite(values) & (counts > 0) & (counts <= _MAX_COUNT))
    random = np.random.default_rng(0)
    rows = random.permutation(rows)[:_MAX_ROWS]
    step = next((each for each in _STEPS if _are_whole(ratings / each)), None)
    if len(rows) < _MIN_ROWS or step is None:
        return False
    counts, steps = counts[rows], np.rint(ratings / step).astype(np.int64)
    wholes = _whole_totals(values[rows], step)
    if not (wholes >= 0).any(axis=1).all():
        return False
    smallest = 1 + (wholes >= 0).argmax(axis=1)
    if (counts > 2).sum() >= _MIN_ROWS and np.mean(smallest[counts > 2] > 2) < _MIN_SHARE_OF_FRACTIONS:
        return False
    wholes = wholes[:, : max(counts.max(), smallest.max())]
    scores = _log_likelihoods(wholes, counts, np.rint(totals[rows] / step).astype(np.int64), steps)
    places = np.arange(len(rows))
    own = scores[places, places].sum()
    shuffled = (scores[random.permutation(places), places].sum() for _ in range(_NUM_SHUFFLES))
    return bool(np.isfinite(own)) and not any(each >= own - _EXACT for each in shuffled)


def _are_whole(values: np.ndarray) -> bool:
    return bool((np.abs(values - np.rint(values)) <= _EXACT).all())


def _whole_totals(values: np.ndarray, step: float) -> np.ndarray:
    """Returns the sum, in steps, of which each value is the mean of 1 .. 20 ratings; -1 where it is of none."""
    decimals = next((each for each in (1, 2, 3) if _are_whole(values * 10**each)), None)
    error = 0.5 * 10.0**-decimals if decimals in (2, 3) else 0.0
    numbers = np.arange(1, _MAX_RATINGS + 1)
    exact = values[:, np.newaxis] / step * numbers
    wholes = np.rint(exact)
    is_whole = np.abs(exact - wholes) <= (error / step + _EXACT) * numbers
    return np.where(is_whole & (wholes >= 0), wholes, -1).astype(np.int64)


def _log_likelihoods(wholes: np.ndarray, counts: np.ndarray, totals: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Returns for each value, by row, and each row's ratings, by column, how likely the value is as their mean."""
    least = int(steps.min())
    share = np.bincount(steps - least) / len(steps)
    further, likelihoods = np.ones(1), np.zeros((len(wholes), len(counts)))
    for num_further in range(wholes.shape[1]):
        # Sums of so many further ratings, above the least that they can be.
        for count in range(1, wholes.shape[1] - num_further + 1):
            columns = np.flatnonzero(counts == count)
            whole = wholes[:, count + num_further - 1]
            above = whole[:, np.newaxis] - totals[columns] - num_further * least
            is_possible = (whole[:, np.newaxis] >= 0) & (above >= 0) & (above < len(further))
            likelihoods[:, columns] += np.where(is_possible, further[np.where(is_possible, above, 0)], 0.0)
        further = np.convolve(further, share)
    with np.errstate(divide="ignore"):
        return np.log(likelihoods)
