"""FrameSide: whether a frame is of candidates, of queries, or of interactions, and where its ids are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reciperec_layers.columns.names import CANDIDATE_COLUMNS, QUERY_COLUMNS, find_column, require_column
from reciperec_layers.errors import ArgumentError, ColumnError, IdError, describe_ids, explain

if TYPE_CHECKING:
    import pandas as pd

SIDES = ("candidates", "queries", "interactions")
_BARE_ID = "id"


@dataclass(frozen=True)
class FrameSide:
    """Whether a frame is of candidates, of queries, or of interactions, and where its ids are.

    Attributes:
        side: `"candidates"`, `"queries"` or `"interactions"`.
        id_column: Column of the frame's ids; those of the queries in interactions.
        query_id: Column of query ids in the interactions, if there is one.
        candidate_id: Column of candidate ids in the interactions, if there is one.
    """

    side: str
    id_column: str
    query_id: str | None
    candidate_id: str | None


def find_side(
    frame: pd.DataFrame,
    interactions: pd.DataFrame | None,
    *,
    side: str | None,
    id_column: str | None,
    query_id: str | None,
    candidate_id: str | None,
    owner: str,
) -> FrameSide:
    """Returns what a frame is, from what the user says and the names of its columns.

    Args:
        frame: The frame.
        interactions: Interactions beside it, or `None`.
        side: One of `SIDES`, or `None`.
        id_column: Column of the ids in the frame, or `None`.
        query_id: Column of query ids in interactions, or `None`.
        candidate_id: Column of candidate ids in interactions, or `None`.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: `side` is unknown, or cannot be told.
        ColumnError: A column that is named or needed does not exist.
        IdError: A table of candidates or queries has several rows for one id.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"user_id": [7], "age": [30]})
        >>> find_side(frame, None, side=None, id_column=None, query_id=None, candidate_id=None, owner="propose").side
        'queries'
    """
    if side is not None and side not in SIDES:
        problem = f"`side` must be one of {describe_ids(SIDES)}"
        raise ArgumentError(explain(owner, problem, side=side, fix="Or leave it out"))
    names = list(frame.columns)
    if id_column is not None:
        require_column(names, id_column, owner)
    query = _find(names, (query_id,) if query_id else QUERY_COLUMNS)
    candidate = _find(names, (candidate_id,) if candidate_id else CANDIDATE_COLUMNS)
    is_guessed = side is None
    side = side or _guess(frame, interactions, id_column, query, candidate, owner)
    if side == "interactions":
        own = id_column or find_column(names, QUERY_COLUMNS, query_id, owner)
        return FrameSide(side, own, own, None if candidate == own else candidate)
    wanted, conventions = (candidate, CANDIDATE_COLUMNS) if side == "candidates" else (query, QUERY_COLUMNS)
    own = id_column or wanted or find_column(names, (*conventions, _BARE_ID), owner=owner)
    _refuse_repeats(frame[own], own, owner, is_guessed)
    if interactions is None:
        return FrameSide(side, own, query_id, candidate_id)
    there = list(interactions.columns)
    if side == "candidates" and candidate_id is None and own in there:
        candidate_id = own
    if side == "queries" and query_id is None and own in there:
        query_id = own
    found = (
        find_column(there, QUERY_COLUMNS, query_id, owner),
        find_column(there, CANDIDATE_COLUMNS, candidate_id, owner),
    )
    return FrameSide(side, own, *found)


def _guess(
    frame: pd.DataFrame,
    interactions: pd.DataFrame | None,
    id_column: str | None,
    query: str | None,
    candidate: str | None,
    owner: str,
) -> str:
    if query is not None and candidate is not None:
        # Candidates may name the user who wrote them, and users what they like best.
        if id_column == candidate:
            return "candidates"
        if interactions is None:
            return "interactions"
        is_of_candidates = id_column is None and frame[candidate].is_unique
        return "candidates" if is_of_candidates else "queries"
    if query is not None and id_column in (None, query):
        return "queries"
    if candidate is not None or id_column is not None or _BARE_ID in frame.columns:
        return "candidates"
    problem = f"no column is known to have ids; the columns are {describe_ids(list(frame.columns), 40)}"
    fix = "Name one by id_column=, and side='queries' or side='interactions' if the frame is not of candidates"
    raise ColumnError(explain(owner, problem, fix=fix))


def _find(names: Sequence[Any], conventions: Sequence[str]) -> str | None:
    try:
        return find_column(names, conventions)
    except ColumnError:
        return None


def _refuse_repeats(ids: pd.Series, name: str, owner: str, may_be_interactions: bool) -> None:
    repeated = ids[ids.duplicated()].unique()
    if len(repeated):
        more = "has" if len(repeated) == 1 else "have"
        problem = f"{len(repeated)} of the ids in column {name!r} {more} several rows: {describe_ids(repeated)}"
        fix = f"Keep one row of each, for example by DataFrame.drop_duplicates({name!r})"
        if may_be_interactions:
            fix += ", or pass side='interactions' if these are interactions"
        raise IdError(explain(owner, problem, fix=fix))
