"""Recency: counts of candidates in which recent interactions weigh more, and how much more."""

from __future__ import annotations

import itertools
import warnings

import numpy as np

from reciperec_layers.errors import explain

SECONDS_A_DAY = 86_400.0

# The newest tenth of the rows is predicted in five steps. That was better than one step, a larger part, or ranks in
# place of likelihoods: `benchmarks/half_life.py`.
_HELD_OUT_SHARES = (0.1, 0.08, 0.06, 0.04, 0.02)
# Share of the probability that all candidates have alike, so that one that never occurred is not impossible. Adding to
# the counts instead would favour short half-lives, whose counts are small, where most candidates are rare.
_EQUAL_SHARE = 0.1
_LONGEST_TO_SHORTEST = 1000.0

# In fewer rows a single time proves nothing. Times may be wrong in one of a hundred rows, and typing errors that matter
# are those of the year.
_MIN_ROWS_TO_TELL = 20
_ROWS_PER_WRONG_ONE = 100
_DAYS_A_YEAR = 365.2425


def decayed_counts(rows: np.ndarray, times: np.ndarray, num_candidates: int, half_life: float | None) -> np.ndarray:
    """Returns how often each candidate occurs, where an interaction counts half as much every half-life.

    The newest interaction counts 1.

    Args:
        rows: Corpus row of each interaction's candidate, integers of shape `(n,)`; negative ones, which stand for
            candidates outside the corpus, do not count.
        times: Time of each interaction in seconds, shape `(n,)`, n >= 1.
        num_candidates: Size of the corpus.
        half_life: Half-life in days, above 0, or `None` for plain counts.

    Returns:
        float64 of shape `(num_candidates,)`.

    Example:
        >>> days = np.array([0, 7, 14])
        >>> decayed_counts(np.array([2, 0, 2]), days * SECONDS_A_DAY, 3, half_life=7)
        array([0.5 , 0.  , 1.25])
    """
    known = rows >= 0
    weights = _weights(times.max() - times[known], half_life)
    counts = np.bincount(rows[known], weights, minlength=num_candidates)
    return counts.astype(np.float64, copy=False)  # integers where no row is known


def choose_half_life(rows: np.ndarray, times: np.ndarray, num_candidates: int) -> float | None:
    """Returns the half-life whose counts predict the newest tenth of the interactions best.

    The tenth is predicted in five steps, each from the counts of all earlier interactions. The best half-life has the
    largest likelihood. Half-lives are 1, 2 or 5 times a power of ten, from a thousandth of the time that the
    interactions span to all of it. Interactions with equal times are never separated.

    Args:
        rows: As for `decayed_counts`.
        times: As for `decayed_counts`.
        num_candidates: Size of the corpus.

    Returns:
        Days, or `None` where plain counts predict best, also if there are too few interactions to tell.

    Example:
        >>> days = np.arange(400)  # a new favourite every 100 days
        >>> choose_half_life(days // 100, days * SECONDS_A_DAY, num_candidates=4)
        0.5
    """
    known = rows >= 0
    order = np.argsort(times[known], kind="stable")
    rows, times = rows[known][order], times[known][order]
    cuts = _cuts(times)
    if not cuts:
        return None
    half_lives: list[float | None] = [None, *_half_lives((times[-1] - times[0]) / SECONDS_A_DAY)]
    return max(half_lives, key=lambda each: _log_likelihood(rows, times, num_candidates, cuts, each))


def far_future(times: np.ndarray, owner: str) -> np.ndarray:
    """Returns which times lie so far after all others that they are wrong, and warns: 2099 among those of 2010 to 2018.

    Times are wrong after a gap that is longer than a year and longer than what all times before it span. At most one in
    a hundred is, or a single one of 20 or more, and as many of the oldest are not asked for the span.

    Args:
        times: In seconds since 1970, shape `(n,)`.
        owner: Name of the caller, for the warning.

    Returns:
        bool of shape `(n,)`.

    Example:
        >>> times = np.array([*range(30), 30_000]) * SECONDS_A_DAY
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     np.flatnonzero(far_future(times, "Popularity")).tolist()
        [30]
        >>> print(caught[0].message)
        Popularity: 1 of 31 times lies 82.1 years after all others and says nothing of what is recent. Received:
        newest='2052-02-20T00:00:00'. Correct it, or drop its row.
    """
    if len(times) < _MIN_ROWS_TO_TELL:
        return np.zeros(len(times), bool)
    most_wrong = max(len(times) // _ROWS_PER_WRONG_ONE, 1)
    ordered = np.sort(times)
    newest = ordered[-most_wrong - 1 :]
    spans = np.maximum(newest[:-1] - ordered[most_wrong], _DAYS_A_YEAR * SECONDS_A_DAY)
    gaps = np.flatnonzero(np.diff(newest) > spans)
    if not len(gaps):
        return np.zeros(len(times), bool)
    last, wrong = newest[gaps[0]], newest[gaps[0] + 1 :]
    years = (wrong[0] - last) / (_DAYS_A_YEAR * SECONDS_A_DAY)
    lies, says, it, its = ("lies", "says", "it", "its row") if len(wrong) == 1 else ("lie", "say", "them", "their rows")
    problem = f"{len(wrong)} of {len(times)} times {lies} {years:.1f} years after all others"
    problem += f" and {says} nothing of what is recent"
    received = str(np.datetime64(int(wrong[-1]), "s"))
    warnings.warn(explain(owner, problem, newest=received, fix=f"Correct {it}, or drop {its}"), stacklevel=3)
    return times > last


def _weights(ages: np.ndarray, half_life: float | None) -> np.ndarray:
    return np.ones(np.shape(ages)) if half_life is None else np.exp2(-ages / (half_life * SECONDS_A_DAY))


def _cuts(times: np.ndarray) -> list[int]:
    """Returns where the steps begin in sorted times, none of them at the first row."""
    beginnings = [times[int(len(times) * (1 - share))] for share in _HELD_OUT_SHARES] if len(times) else []
    return sorted(set(np.searchsorted(times, beginnings).tolist()) - {0})


def _half_lives(span: float) -> list[float]:
    powers = range(int(np.floor(np.log10(span / _LONGEST_TO_SHORTEST))), int(np.ceil(np.log10(span))) + 1)
    lengths = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [length for length in lengths if span / _LONGEST_TO_SHORTEST <= length <= span]


def _log_likelihood(
    rows: np.ndarray, times: np.ndarray, num_candidates: int, cuts: list[int], half_life: float | None
) -> float:
    """Returns the sum over all steps. Counts are carried from step to step, so that each row is read once."""
    counts, newest, total = np.zeros(num_candidates), times[0], 0.0
    for start, end in itertools.pairwise([0, *cuts, len(rows)]):
        if start:
            shares = counts[rows[start:end]] / counts.sum()
            total += float(np.log((1 - _EQUAL_SHARE) * shares + _EQUAL_SHARE / num_candidates).sum())
        counts *= _weights(times[end - 1] - newest, half_life)
        newest = times[end - 1]
        counts += decayed_counts(rows[start:end], times[start:end], num_candidates, half_life)
    return total
