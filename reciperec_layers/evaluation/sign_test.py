"""Whether one recommender is better than another on the same rows, by more than chance."""

from __future__ import annotations

import numpy as np

_LEVEL = 0.05


def compared_hits(queries: np.ndarray, hits: np.ndarray, other_hits: np.ndarray) -> int:
    """Returns 1 where the first recommender is better, -1 where the other one is, 0 where they are level.

    Better is a larger share of hits that an exact sign test over queries finds too, at 5 % and two-sided: of the
    queries for which one of the two has more hits than the other, so many have them from the same one that a fair coin
    would seldom give it. The rows of a query are not independent, so they count together. Six queries that differ, all
    to one side, are the fewest that tell; a row alone tells nothing.

    Args:
        queries: Numbers from 0 that tell the queries of the rows apart, shape `(n,)`.
        hits: Whether the first recommender hits each row, or the share of its seeds that do, in [0, 1].
        other_hits: Likewise of the other one.

    Example:
        >>> hits = np.array([1, 1, 1, 1, 1, 1, 0, 1])
        >>> compared_hits(np.arange(8), hits, np.zeros(8)), compared_hits(np.arange(8), hits[::-1], hits)
        (1, 0)

    Source:
        The sign test, of which McNemar's exact test is the case of one row a query.
    """
    differences = np.bincount(queries, np.asarray(hits, np.float64) - other_hits)
    differences = differences[np.abs(differences) > 1e-9]  # shares of seeds are not exact
    more = int(np.count_nonzero(differences > 0))
    fewer = len(differences) - more
    if two_sided_p(more, fewer) >= _LEVEL:
        return 0
    side = 1 if more > fewer else -1
    return side if side * differences.sum() > 0 else 0


def two_sided_p(more: int, fewer: int) -> float:
    """Returns how likely a fair coin is to give two counts that differ as much or more.

    Example:
        >>> round(two_sided_p(6, 0), 4), two_sided_p(1, 0)
        (0.0313, 1.0)
    """
    total = more + fewer
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])  # of factorials
    places = np.arange(min(more, fewer) + 1)
    of_tail = logs[total] - logs[places] - logs[total - places] - total * np.log(2)
    return float(min(1.0, 2 * np.exp(of_tail).sum()))
