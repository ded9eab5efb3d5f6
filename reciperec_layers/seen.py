"""Seen: the candidates that each query has already interacted with."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import numpy as np

from reciperec_layers.columns.id_arrays import is_text, to_id_array
from reciperec_layers.columns.tensors import require_single_ids
from reciperec_layers.errors import ArgumentError, IdError, describe_ids, explain
from reciperec_layers.vocabulary import Vocabulary


class Seen:
    """The candidates that each query has already interacted with, to be left out of recommendations.

    Repeated pairs are kept once. The candidates of a query are in order of first occurrence.

    Args:
        query: Name of the query column, in which features have the ids to look up.
        candidate: Name of the candidate column.
        query_ids: Query id of each pair, shape `(n,)`, integers or text.
        candidate_ids: Candidate id of each pair, shape `(n,)`, integers or text.

    Raises:
        ArgumentError: There are no pairs, or the numbers of queries and candidates differ.
        IdError: An id is missing, or is neither an integer nor text.

    Example:
        >>> seen = Seen("user_id", "recipe_id", [7, 9, 7], ["soup", "pie", "stew"])
        >>> seen.rows([9, 7, 5])
        (array([0, 1, 3, 3]), array(['pie', 'soup', 'stew'], dtype=object))
    """

    def __init__(self, query: str, candidate: str, query_ids: Any, candidate_ids: Any) -> None:
        queries = to_id_array(query_ids, f"Seen: column {query!r}")
        candidates = to_id_array(candidate_ids, f"Seen: column {candidate!r}")
        if queries.ndim != 1 or queries.shape != candidates.shape or not queries.size:
            problem = "`query_ids` and `candidate_ids` must be one-dimensional, of equal length, and not empty"
            fix = "Pass two columns of one frame of interactions"
            raise ArgumentError(explain("Seen", problem, query_ids=queries, candidate_ids=candidates, fix=fix))
        self.query = query
        self.candidate = candidate
        distinct_queries, query_indices = _numbered(queries)
        distinct_candidates, candidate_indices = _numbered(candidates)
        self._vocabulary = Vocabulary(distinct_queries)
        pairs = _first_of_each(query_indices * len(distinct_candidates) + candidate_indices)
        pairs = pairs[np.argsort(query_indices[pairs], kind="stable")]
        counts = np.bincount(query_indices[pairs], minlength=len(self._vocabulary))
        self._offsets = _cumulated(counts)
        self._candidate_ids = candidates[pairs]
        self._offsets.setflags(write=False)
        self._candidate_ids.setflags(write=False)

    @property
    def vocabulary(self) -> Vocabulary:
        """Vocabulary of the query ids; their order is arbitrary."""
        return self._vocabulary

    @property
    def offsets(self) -> np.ndarray:
        """Row splits of `candidate_ids` by query, int64 of shape `(num_queries + 1,)`. Read-only.

        The candidates of query i of the vocabulary are `candidate_ids[offsets[i]:offsets[i + 1]]`.
        """
        return self._offsets

    @property
    def candidate_ids(self) -> np.ndarray:
        """Candidate ids of all queries, shape `(num_pairs,)`: int64, or objects that are `str`. Read-only."""
        return self._candidate_ids

    def __len__(self) -> int:
        """Number of distinct pairs."""
        return len(self._candidate_ids)

    def __repr__(self) -> str:
        return f"Seen({self.query!r}, {self.candidate!r}, num_queries={len(self._vocabulary)}, num_pairs={len(self)})"

    def check_query_type(self, dtype: str, owner: str) -> None:
        """Raises `IdError` where the queries that are looked up have ids of another type.

        Args:
            dtype: Of these ids, an integer dtype or `"string"`.
            owner: Name of the caller, for messages.

        Example:
            >>> Seen("user_id", "recipe_id", ["7"], [1]).check_query_type("int64", "fit")
            Traceback (most recent call last):
            reciperec_layers.errors.IdError: fit: `exclude` has text in 'user_id', where the model gets integers: '7'...
        """
        _check_type(self.query, self._vocabulary.ids, dtype, owner)

    def check_candidate_type(self, dtype: str, owner: str) -> None:
        """Raises `IdError` where the candidates that can be recommended have ids of another type.

        Args:
            dtype: Of these ids, `"int64"` or `"string"`.
            owner: Name of the caller, for messages.
        """
        _check_type(self.candidate, self._candidate_ids, dtype, owner)

    def rows(self, query_ids: Any) -> tuple[np.ndarray, np.ndarray]:
        """Returns the candidates of the given queries as ragged rows.

        Args:
            query_ids: Query ids, shape `(n,)`; repeats are allowed. An unknown query has an empty row.

        Returns:
            Row splits, int64 of shape `(n + 1,)`, and candidate ids: those of row i are
            `ids[splits[i]:splits[i + 1]]`.

        Raises:
            IdError: Ids are missing, or are text while the queries are integers, or the reverse.
            ArgumentError: There are several ids in a row.
        """
        wanted = to_id_array(query_ids, f"Seen.rows: {self.query!r}")
        require_single_ids(wanted, self.query, "Seen.rows")
        indices = self._vocabulary.lookup(wanted)
        counts = np.where(indices >= 0, self._offsets[indices + 1] - self._offsets[indices], 0)
        splits = _cumulated(counts)
        positions = np.arange(splits[-1]) + np.repeat(self._offsets[indices] - splits[:-1], counts)
        return splits, self._candidate_ids[positions]


def _check_type(name: str, ids: np.ndarray, dtype: str, owner: str) -> None:
    if is_text(ids) != (dtype == "string"):
        own, other = ("text", "integers") if is_text(ids) else ("integers", "text")
        problem = f"`exclude` has {own} in {name!r}, where the model gets {other}"
        fix = "Read both files alike, and call data.seen again"
        raise IdError(explain(owner, f"{problem}: {describe_ids(ids, limit=3)}", fix=fix))


def _numbered(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distinct ids, and the position of each id among them."""
    if not is_text(ids):
        return np.unique(ids, return_inverse=True)
    # One pass through a hash table: sorting text by Python comparisons is ten times slower.
    numbers: defaultdict[str, int] = defaultdict(itertools.count().__next__)
    indices = np.fromiter(map(numbers.__getitem__, ids.tolist()), dtype=np.int64, count=len(ids))
    return np.array(list(numbers), dtype=object), indices


def _first_of_each(keys: np.ndarray) -> np.ndarray:
    _, first = np.unique(keys, return_index=True)
    return np.sort(first)


def _cumulated(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])
