"""The id column of candidates, which may have another name there than in interactions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reciperec_layers.columns.names import CANDIDATE_COLUMNS
from reciperec_layers.errors import ArgumentError, explain

_OF_CANDIDATES = ("id", *CANDIDATE_COLUMNS)


def id_column_of_candidates(columns: Iterable[Any], candidate: str, given: str | None = None) -> str:
    """Returns the column of the candidates' ids: the one given, the one of interactions, `id`, or a conventional one.

    Args:
        columns: Columns of the candidates.
        candidate: Column of candidate ids in the interactions.
        given: Name chosen by the user.

    Example:
        >>> id_column_of_candidates(["id", "recipe_name"], "recipe_id")
        'id'
    """
    if given is not None:
        return given
    there = set(columns)
    return next((name for name in (candidate, *_OF_CANDIDATES) if name in there), candidate)


def renamed_ids(candidates: Any, own: str, candidate: str, owner: str) -> Any:
    """Returns a data frame or dict whose id column has the name that it has in the interactions.

    Args:
        candidates: Data frame or dict of columns.
        own: Name of the id column.
        candidate: Name that it gets.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: Another column has this name.

    Example:
        >>> renamed_ids({"id": [7], "name": ["pie"]}, "id", "recipe_id", "from_data")
        {'recipe_id': [7], 'name': ['pie']}
    """
    if own == candidate:
        return candidates
    names = list(candidates.keys())
    if candidate in names:
        problem = f"the ids are in column {own!r}, and {candidate!r}, as the interactions call them, is another column"
        raise ArgumentError(explain(owner, problem, fix="Rename or leave out one of them"))
    if hasattr(candidates, "rename"):
        return candidates.rename(columns={own: candidate})
    return {candidate if name == own else name: candidates[name] for name in names}
