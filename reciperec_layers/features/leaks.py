"""Leaks: columns of a table of candidates or queries that were made from the interactions, test rows included."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reciperec_layers.features.column_profile import ColumnProfile
from reciperec_layers.features.kind import Kind
from reciperec_layers.features.mean_ratings import are_mean_ratings
from reciperec_layers.features.name_hints import says_count, says_key, says_rating, says_reviews

if TYPE_CHECKING:
    import pandas as pd

_MIN_ROWS = 20
_MAX_RANKED = 100_000
_STRONG = 0.8
_LEAST_STRONG = 0.5
_WEAK = 0.1
# In fewer rows a name that says so is believed, however weak the correlation.
_MIN_ROWS_AGAINST_A_NAME = 100

_NUM_CHECKED = 200
_IDS_OF_ROW = 50
_MAX_CHARS = 200_000
_MIN_SHARE = 0.1
_MIN_FOUND = 3
_TIMES_CHANCE = 3.0
_TOKENS = re.compile(r"\w+")


class Leaks:
    """Finds columns that were made from the interactions. These tell what happens in the test rows as well.

    - Numbers that follow the training counts or mean ratings: a rank correlation of 0.8 in at least 20 rows with
      interactions is enough, and as little as 0.5 where the interactions are too few for more. If the name says so
      (`num_ratings`, `vote_average`), 0.1 is enough, and in fewer than 100 rows the name alone.
    - Numbers that are mean ratings by arithmetic, where the candidates have few: `are_mean_ratings`.
    - Text, lists and codes with ids of the interactions of the same row: in a tenth of up to 200 rows, beyond three
      times the share of rows with ids of another row's interactions; or a tenth of the ids, counted likewise.
    - Text, lists and dicts that are named as reviews or counts.

    Args:
        ids: Ids of the table, unique.
        interactions: Training rows, or `None`; then only names can tell.
        own: Column of `ids` in them.
        other: Column of the other side's ids in them.
        of_candidates: Whether the table is of candidates. How much a query did says nothing of what it chooses.

    Example:
        >>> import pandas as pd
        >>> leaks = Leaks(pd.Series([7, 9]), None, "recipe_id", "user_id", of_candidates=True)
        >>> leaks.judge(ColumnProfile("review_nums", pd.Series([3, 29])), Kind("number", "numbers")).reason
        'leak: the name says that it counts interactions, and there are none to compare with'
    """

    def __init__(
        self, ids: pd.Series, interactions: Any, own: str | None, other: str | None, of_candidates: bool
    ) -> None:
        import pandas as pd  # not needed to train, and slow to import

        self._of_candidates = of_candidates
        self._rows = np.empty(0, np.int64)
        if interactions is not None:
            self._rows = pd.Index(np.asarray(ids)).get_indexer(np.asarray(interactions[own])).astype(np.int64)
        self._interactions = interactions
        self._other = other
        self._counts = np.bincount(self._rows[self._rows >= 0], minlength=len(ids))

    def judge(self, profile: ColumnProfile, kind: Kind) -> Kind:
        """Returns the kind of a column, without an encoder if it seems to be made from the interactions.

        Args:
            profile: The column.
            kind: What its values are. Numbers that are left out anyway are not looked at, and neither are times, since
                what is there for longer has been chosen more often.
        """
        if not profile.num_known or (profile.is_numeric and kind.encoder in (None, "time")):
            return kind
        if self._of_candidates and profile.is_numeric:
            kind = self._judge_numbers(profile, kind)
        share = self._share_with_ids(profile) if says_key(profile.name) or not profile.is_numeric else 0.0
        if share:
            whose = "queries that chose the candidate" if self._of_candidates else "candidates that the query chose"
            return Kind(None, f"leak: {100 * share:.0f}% of the rows contain ids of {whose}")
        if self._of_candidates and not profile.is_numeric:
            if says_reviews(profile.name):
                return Kind(None, "leak: the name says that it is what people wrote about the candidate")
            if says_count(profile.name):
                return Kind(None, "leak: the name says that it counts interactions")
        return kind

    def _judge_numbers(self, profile: ColumnProfile, kind: Kind) -> Kind:
        found = {
            what: _rank_correlation(profile.numbers, values, ~profile.missing & ~np.isnan(values))
            for what, values in self._popularity.items()
        }
        num_rows = int(np.count_nonzero((self._counts > 0) & ~profile.missing))
        for what, correlation in found.items():
            is_high = num_rows >= _MIN_ROWS and abs(correlation) >= _LEAST_STRONG
            if is_high and abs(correlation) >= self._strong_correlations[what]:
                return Kind(None, f"leak: follows the {what} of the interactions, rank correlation {correlation:.2f}")
        if self._ratings is not None and are_mean_ratings(profile.numbers, *self._ratings):
            return Kind(None, "leak: means of few ratings that agree with those of the interactions")
        largest = max(found.values(), key=abs)
        if says_count(profile.name):
            meaning, is_compared = "the name says that it counts interactions", num_rows > 0
        elif says_rating(profile.name):
            meaning, is_compared = "the name says that it is made from ratings", num_rows > 0 and len(found) > 1
        else:
            return kind
        if not is_compared:
            return Kind(None, f"leak: {meaning}, and there are none to compare with")
        if num_rows >= _MIN_ROWS_AGAINST_A_NAME and abs(largest) < _WEAK:
            return replace(kind, reason=f"{kind.reason}; {meaning}, but rank correlation {largest:.2f}")
        return Kind(None, f"leak: {meaning}, rank correlation {largest:.2f}")

    @cached_property
    def _ratings(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """How many ratings each row has, their sums, and all ratings; `None` where interactions have none."""
        if self._rating_column is None:
            return None
        chosen = (self._rows >= 0) & ~np.isnan(self._rating_column)
        rows, ratings = self._rows[chosen], self._rating_column[chosen]
        size = len(self._counts)
        return np.bincount(rows, minlength=size), np.bincount(rows, ratings, minlength=size), ratings

    @cached_property
    def _popularity(self) -> dict[str, np.ndarray]:
        """How often each row is in the interactions, and its mean rating if they have ratings; NaN where it is not."""
        return self._measured(np.ones(len(self._rows), bool))

    @cached_property
    def _strong_correlations(self) -> dict[str, float]:
        """The correlations that only a column has which was made from the interactions.

        Few interactions follow even what they were drawn from with much noise. How much is told by two halves of them
        (Spearman and Brown): a correlation with all of them cannot be larger than the square root of their reliability.
        """
        is_first = np.random.default_rng(0).random(len(self._rows)) < 0.5
        first, second = self._measured(is_first), self._measured(~is_first)
        strong = {}
        for what, values in self._popularity.items():
            known = ~np.isnan(first[what]) & ~np.isnan(second[what]) & ~np.isnan(values)
            of_halves = max(_rank_correlation(first[what], second[what], known), 0.0)
            strong[what] = max(_STRONG * np.sqrt(2 * of_halves / (1 + of_halves)), _LEAST_STRONG)
        return strong

    def _measured(self, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """Returns counts and mean ratings of each row in some of the interactions."""
        chosen = chosen & (self._rows >= 0)
        counts = np.bincount(self._rows[chosen], minlength=len(self._counts))
        measured = {"counts": np.where(self._counts > 0, counts, np.nan)}
        if self._rating_column is not None:
            values = self._rating_column
            chosen = chosen & ~np.isnan(values)
            totals = np.bincount(self._rows[chosen], values[chosen], minlength=len(self._counts))
            nums = np.bincount(self._rows[chosen], minlength=len(self._counts))
            measured["ratings"] = np.where(nums > 0, totals / np.maximum(nums, 1), np.nan)
        return measured

    @cached_property
    def _rating_column(self) -> np.ndarray | None:
        """The first column of the interactions that is named as ratings and has numbers."""
        if self._interactions is None:
            return None
        columns = {str(name): self._interactions[name] for name in self._interactions.columns}
        named = [column for name, column in columns.items() if says_rating(name) and column.dtype.kind in "iuf"]
        return named[0].to_numpy(dtype=np.float64, na_value=np.nan) if named else None

    def _share_with_ids(self, profile: ColumnProfile) -> float:
        """Returns the share of rows with ids of their own interactions; 0 unless it is more than chance."""
        places = [place for place in self._ids_of_rows if not profile.missing[place]]
        if len(places) < 2:
            return 0.0
        texts = [str(profile.column.iloc[place])[:_MAX_CHARS] for place in places]
        ids = [self._ids_of_rows[place] for place in places]
        own, others = (
            np.array([_share_found(text, each) for text, each in zip(texts, of_rows, strict=True)])
            for of_rows in (ids, ids[1:] + ids[:1])
        )
        if np.count_nonzero(own) < _MIN_FOUND:
            return 0.0
        # Rows with many interactions have some in common, but not most; of others a column may have the first alone.
        is_leak = any(
            measure(own).mean() >= _MIN_SHARE + _TIMES_CHANCE * measure(others).mean()
            for measure in (np.asarray, np.sign)
        )
        return float(np.sign(own).mean()) if is_leak else 0.0

    @cached_property
    def _ids_of_rows(self) -> dict[int, list[str]]:
        """For some rows of the table the other side's ids in their interactions."""
        rows = np.flatnonzero(self._counts > 0)
        if self._interactions is None or not len(rows):
            return {}
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:_NUM_CHECKED])
        of_rows = np.flatnonzero(np.isin(self._rows, rows))
        others = self._interactions[self._other].iloc[of_rows].tolist()
        found: dict[int, list[str]] = {int(row): [] for row in rows}
        for row, other in zip(self._rows[of_rows].tolist(), others, strict=True):
            if len(found[row]) < _IDS_OF_ROW:
                found[row].append(str(other))
        return found


def _share_found(text: str, ids: list[str]) -> float:
    """Returns the share of ids that a text has, not as a part of a longer word or number."""
    words = set(_TOKENS.findall(text))
    found = (
        each in words or (not each.isalnum() and bool(re.search(rf"(?<!\w){re.escape(each)}(?!\w)", text)))
        for each in ids
    )
    return sum(found) / len(ids)


def _rank_correlation(first: np.ndarray, second: np.ndarray, known: np.ndarray) -> float:
    """Returns Spearman's correlation of the known values, 0 where one side is constant."""
    places = np.flatnonzero(known)
    if len(places) < 2:
        return 0.0
    if len(places) > _MAX_RANKED:
        places = np.random.default_rng(0).choice(places, _MAX_RANKED, replace=False)
    ranks = np.stack([_ranks(first[places]), _ranks(second[places])])
    ranks -= ranks.mean(axis=1, keepdims=True)
    norms = np.sqrt((ranks**2).sum(axis=1))
    return float(ranks[0] @ ranks[1] / norms.prod()) if norms.all() else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Returns ranks, those of equal values averaged."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]
