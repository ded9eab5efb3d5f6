"""Outcomes: columns of interactions that are not known before the interaction."""

from __future__ import annotations

import numpy as np

from reciperec_layers.features.column_profile import ColumnProfile
from reciperec_layers.features.name_hints import says_outcome

# Of the ids with several rows, the share in which a column that describes the id may still differ.
_TOLERANCE = 0.01
# The chance, at most, that a column which has nothing to do with the ids is the same in all rows of each.
_CHANCE = 0.01


class Outcomes:
    """Tells what is known of a query before it chooses from what is known afterwards only.

    A column that is the same in all rows of a query describes the query. One that differs may be an outcome, a rating
    for example; one that is the same in all rows of a candidate describes the candidate and would give it away.

    Args:
        query_codes: The same number for equal query ids, int64 of shape `(n,)`.
        candidate_codes: Likewise for candidates, or `None`.

    Example:
        >>> import pandas as pd
        >>> outcomes = Outcomes(np.repeat([0, 1], 5), np.tile([0, 1], 5))
        >>> outcomes.reason(ColumnProfile("gender", pd.Series(["f"] * 5 + ["m"] * 5)))
        >>> outcomes.reason(ColumnProfile("portions", pd.Series([1, 2, 2, 2, 1, 1, 2, 1, 2, 2])))
        'differs within a query, so it may be an outcome; name it in `columns` if it is known before'
    """

    def __init__(self, query_codes: np.ndarray, candidate_codes: np.ndarray | None) -> None:
        self._queries = query_codes
        self._candidates = candidate_codes

    def varies(self, profile: ColumnProfile) -> bool | None:
        """Returns whether a column differs within queries; `None` if too few have several rows to tell."""
        return _varies(profile.codes, self._queries)

    def reason(self, profile: ColumnProfile, is_named: bool = False) -> str | None:
        """Returns why a column must not be read, or `None` if it may.

        Args:
            profile: The column.
            is_named: Whether the user asked for the column, which is then taken where it is in doubt.
        """
        if says_outcome(profile.name):
            return "outcome: the name says that it is known only afterwards"
        if profile.codes is None:
            return None if is_named else "lists may be outcomes; name the column in `columns` if it is known before"
        if self._candidates is not None and _varies(profile.codes, self._candidates) is False:
            return "the same in all rows of a candidate, so it tells which one it is"
        if is_named:
            return None
        varies = self.varies(profile)
        if varies is False:
            return None
        doubt = "differs within a query, so it" if varies else "too few queries have several rows to tell, so it"
        return f"{doubt} may be an outcome; name it in `columns` if it is known before"


def _varies(codes: np.ndarray | None, groups: np.ndarray) -> bool | None:
    """Returns whether codes differ within more than a few groups, `None` where chance may be why they do not."""
    known = groups >= 0
    if codes is None or not known.any():
        return None
    groups, codes = groups[known], codes[known]
    sizes = np.bincount(groups)
    first = np.empty(len(sizes), codes.dtype)
    first[groups[::-1]] = codes[::-1]
    differs = np.zeros(len(sizes), bool)
    differs[groups[codes != first[groups]]] = True
    if np.count_nonzero(differs) > _TOLERANCE * np.count_nonzero(sizes > 1):
        return True
    chance_of_two = float(((np.bincount(codes + 1) / len(codes)) ** 2).sum())
    num_repeats = len(codes) - np.count_nonzero(sizes)
    return False if chance_of_two**num_repeats <= _CHANCE else None
