"""What `Time` learns from the times of the training rows: which cycles vary, and where buckets begin."""

from __future__ import annotations

from typing import Any

import numpy as np

DAY = 86_400 * 10**6
# Period, shift and step in microseconds. 1970 began on a Thursday; weeks begin on Mondays. A year has 365.2425 days.
CYCLES = {
    "hour": (DAY, 0, 1),
    "weekday": (7 * DAY, 3 * DAY, DAY),
    "month": (31_556_952 * 10**6, 0, 1),
}
_LEAST_ARC = 1 / 18
_BUCKET_DAYS = (1 / 24, 1 / 8, 1 / 2, 1, 3, 7, 30, 90, 180, 365, 1825)
_MOST_BUCKETS = 40
_LEAST_SHARE = 1 / 200


def phase(microseconds: Any, cycle: str) -> Any:
    """Returns where in a cycle times are, in [0, 1).

    Args:
        microseconds: int64 array or tensor, since 1970 in UTC.
        cycle: A key of `CYCLES`.

    Example:
        >>> float(phase(np.int64(6 * 3600 * 10**6), "hour"))
        0.25
    """
    period, shift, step = CYCLES[cycle]
    place = (microseconds + shift) % period
    return (place - place % step) / period


def varying_cycles(times: np.ndarray) -> tuple[str, ...]:
    """Returns the cycles of which the times fill more than one arc of an eighteenth.

    Args:
        times: Microseconds since 1970, int64 of shape `(n,)`, n >= 1.

    Example:
        >>> varying_cycles(np.arange(30) * DAY)
        ('weekday', 'month')
    """
    return tuple(cycle for cycle in CYCLES if _arc(phase(times, cycle)) > _LEAST_ARC)


def auto_bucket_days(times: np.ndarray) -> float:
    """Returns the shortest of some usual lengths that gives at most 40 buckets, a few far times aside.

    Args:
        times: Microseconds since 1970, int64 of shape `(n,)`, n >= 1.

    Example:
        >>> auto_bucket_days(np.arange(0, 15 * 365, 20) * DAY)
        180.0
    """
    first, last = np.quantile(times, [0.005, 0.995])
    span = (last - first) / DAY
    return float(next((days for days in _BUCKET_DAYS if span <= _MOST_BUCKETS * days), span / _MOST_BUCKETS))


def compute_edges(ages: np.ndarray, bucket_days: float) -> list[int]:
    """Returns the ages at which buckets begin, without the first: multiples of a length, and each holds enough rows.

    Args:
        ages: Microseconds before the newest time, ascending, int64 of shape `(n,)`, n >= 1.
        bucket_days: Length of a bucket in days.

    Example:
        >>> [edge // DAY for edge in compute_edges(np.array([0, 3, 12, 19, 45]) * DAY, 10)]
        [10, 20]
    """
    length, least = max(int(bucket_days * DAY), 1), max(1, int(len(ages) * _LEAST_SHARE))
    edges: list[int] = []
    first = 0
    while True:
        # The last row that the bucket needs decides how far it goes.
        edge = (int(ages[first + least - 1]) // length + 1) * length
        first = int(np.searchsorted(ages, edge))
        if first + least > len(ages):
            return edges
        edges.append(edge)


def _arc(phases: np.ndarray) -> float:
    """Returns the length of the shortest arc of a circle of length 1 that holds all places."""
    ordered = np.sort(phases)
    gaps = np.diff(np.append(ordered, ordered[0] + 1))
    return float(1 - gaps.max())
