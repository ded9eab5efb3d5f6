"""Proposing an encoder for each column of a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reciperec_layers.columns.frames import to_frame
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import TIME_COLUMNS, find_column, require_column
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, describe_ids, explain
from reciperec_layers.features.column_kinds import column_kind
from reciperec_layers.features.column_profile import ColumnProfile
from reciperec_layers.features.frame_sides import FrameSide, find_side
from reciperec_layers.features.kind import Kind
from reciperec_layers.features.leaks import Leaks
from reciperec_layers.features.outcomes import Outcomes
from reciperec_layers.features.proposal import Proposal
from reciperec_layers.features.proposals import Proposals

if TYPE_CHECKING:
    import pandas as pd

_OWNER = "propose"


def propose(
    frame: Any,
    *,
    interactions: Any = None,
    queries: Any = None,
    side: str | None = None,
    id_column: str | None = None,
    query_id: str | None = None,
    candidate_id: str | None = None,
    columns: Iterable[str] | None = None,
    leave_out: Iterable[str] = (),
    encoders: Mapping[str, Any] | None = None,
) -> Proposals:
    """Looks at a frame and proposes an encoder for each column, or leaves it out, with the reason.

    A frame is of candidates (recipes), of queries (users), or of interactions, of which the query side reads: which
    query, when, and what else is known before it chooses. Names of columns tell which, or `side`. Left out are

    - columns that say nothing: constant, missing, row numbers, codes that are nearly all different, addresses;
    - values that no encoder takes, such as nested dicts;
    - candidates' columns that follow the training counts or mean ratings, contain ids of queries, or are named so;
    - columns of interactions that are or may be known only afterwards, and those of the candidate.

    Values are counted, and outcomes looked for, in all rows; what text and lists are is told from 5,000 of them, and
    what follows the counts from 100,000.

    Args:
        frame: Data frame, or dict of columns.
        interactions: Training rows, with which columns of candidates or queries are compared. Without them, only names
            tell what was made from interactions.
        queries: Table of queries, one row each, whose columns a frame of interactions has been joined with: these are
            known beforehand, and judged as those of a table of queries.
        side: `"candidates"`, `"queries"` or `"interactions"`; by default as the columns' names tell. With the ids of
            both sides it is of interactions, or, beside `interactions`, of the side whose ids are unique.
        id_column: Column of the frame's ids, of the queries' in interactions; by default one with a conventional name.
        query_id: Column of query ids in interactions, likewise.
        candidate_id: Column of candidate ids in interactions, likewise.
        columns: The columns to look at; by default all. Columns of interactions that are named here are taken also if
            they differ within a query.
        leave_out: Columns to leave out.
        encoders: Encoders by column, which overrule: a registered name; `None`, to leave the column out; or a dict
            with the name and arguments of the constructor, such as `{"encoder": "number", "scale": "log"}`.

    Returns:
        `Proposals` in the order of the columns.

    Raises:
        ArgumentTypeError: An argument has a wrong type.
        ArgumentError: The frame has no rows, or arguments contradict each other.
        ColumnError: A column does not exist, or two have one name.
        IdError: A table of candidates or queries has several rows for one id.

    Example:
        >>> import pandas as pd
        >>> recipes = pd.DataFrame({
        ...     "recipe_id": [7, 9, 11],
        ...     "recipe_name": ["Apple Pie", "Onion Soup", "Pumpkin Soup"],
        ...     "ingredients": ["apples^flour^sugar", "onions^salt", "pumpkin^salt^cream"],
        ...     "review_nums": [3, 29, 12],
        ... })
        >>> print(propose(recipes))
        column       encoder  distinct  missing  reason
        recipe_id    id              3       0%  ids of the candidates; e.g. 7, 9, 11
        recipe_name  text            3       0%  text, 2.0 words on average; e.g. Apple Pie,
                                                 Onion Soup, Pumpkin Soup
        ingredients  list            3       0%  items between separators (separator='^'); e.g.
                                                 apples^flour^sugar, onions^salt
        review_nums  -               3       0%  leak: the name says that it counts
                                                 interactions, and there are none to compare
                                                 with; e.g. 3, 29, 12
        >>> propose(recipes, encoders={"recipe_name": None})["recipe_name"].reason
        'left out by `encoders`'
    """
    table = _to_frame(frame, "frame")
    rows = None if interactions is None else _to_frame(interactions, "interactions")
    ids = {"id_column": id_column, "query_id": query_id, "candidate_id": candidate_id}
    found = find_side(table, rows, side=side, **ids, owner=_OWNER)
    chosen = {name: _overrule(name, encoder) for name, encoder in dict(encoders or {}).items()}
    chosen |= _left_out(leave_out, chosen)
    names = list(table.columns)
    for name in (*chosen, *_column_names(columns)):
        require_column(names, name, _OWNER)
    named = set(_column_names(columns))
    looked_at = [name for name in names if columns is None or name in named or name in chosen]
    profiles = {name: ColumnProfile(name, table[require_column(names, name, _OWNER)]) for name in looked_at}
    kinds = {name: column_kind(profile) for name, profile in profiles.items()}
    if found.side == "interactions":
        judged = _judge_interactions(table, found, profiles, kinds, named)
        if queries is not None:
            joined = _to_frame(queries, "queries")
            # Profiles of the table's own rows, to which the ids belong.
            names_of_table = [name for name in profiles if name in joined and name != found.id_column]
            known = {name: ColumnProfile(name, joined[name]) for name in names_of_table}
            of_table = find_side(joined, rows, **{**ids, "id_column": found.id_column}, side="queries", owner=_OWNER)
            judged |= _judge_table(joined, rows, of_table, known, kinds)
    else:
        judged = _judge_table(table, rows, found, profiles, kinds)
    return Proposals(_proposal(name, profile, judged[name], chosen.get(name)) for name, profile in profiles.items())


def _judge_table(
    table: pd.DataFrame,
    interactions: pd.DataFrame | None,
    found: FrameSide,
    profiles: Mapping[str, ColumnProfile],
    kinds: Mapping[str, Kind],
) -> dict[str, Kind]:
    """Returns kinds of columns of candidates or queries, leaks left out."""
    of_candidates = found.side == "candidates"
    own, other = (found.candidate_id, found.query_id) if of_candidates else (found.query_id, found.candidate_id)
    leaks = Leaks(table[found.id_column], interactions, own, other, of_candidates)
    judged = {}
    for name, profile in profiles.items():
        is_id = name == found.id_column
        judged[name] = Kind("id", f"ids of the {found.side}") if is_id else leaks.judge(profile, kinds[name])
    return judged


def _judge_interactions(
    table: pd.DataFrame,
    found: FrameSide,
    profiles: Mapping[str, ColumnProfile],
    kinds: Mapping[str, Kind],
    named: set[str],
) -> dict[str, Kind]:
    """Returns kinds of columns of interactions: the query, the time, and what is known before the query chooses."""
    import pandas as pd  # not needed to train, and slow to import

    candidates = None if found.candidate_id is None else pd.factorize(table[found.candidate_id])[0]
    outcomes = Outcomes(pd.factorize(table[found.id_column])[0], candidates)
    time = _time_column(profiles, kinds, outcomes, found)
    judged = {}
    for name, profile in profiles.items():
        kind = kinds[name]
        if name == found.id_column:
            judged[name] = Kind("id", "ids of the queries")
        elif name == found.candidate_id:
            judged[name] = Kind(None, "ids of the candidates, which are to be found")
        elif kind.encoder is None:
            judged[name] = kind
        elif name == time:
            judged[name] = Kind(kind.encoder, f"{kind.reason} of the interactions", kind.options)
        else:
            reason = outcomes.reason(profile, is_named=name in named)
            judged[name] = kind if reason is None else Kind(None, reason)
    return judged


def _time_column(
    profiles: Mapping[str, ColumnProfile], kinds: Mapping[str, Kind], outcomes: Outcomes, found: FrameSide
) -> str | None:
    """Returns the column that says when interactions happened: one with a conventional name, else the first time."""
    times = [name for name, kind in kinds.items() if kind.encoder == "time"]
    times = [name for name in times if name not in (found.id_column, found.candidate_id)]
    try:
        return find_column(times, TIME_COLUMNS)
    except ColumnError:
        return next((name for name in times if outcomes.varies(profiles[name]) is not False), None)


def _proposal(name: str, profile: ColumnProfile, kind: Kind, chosen: Kind | None) -> Proposal:
    if chosen is not None:
        options = {**kind.options, **chosen.options} if chosen.encoder == kind.encoder else chosen.options
        kind = Kind(chosen.encoder, chosen.reason, options)
    counted = (profile.num_distinct, profile.share_missing, profile.examples)
    return Proposal(name, kind.encoder, dict(kind.options), kind.reason, *counted)


def _overrule(column: str, encoder: Any) -> Kind:
    """Returns what a user has chosen for a column."""
    options: dict[str, Any] = {}
    if isinstance(encoder, Mapping):
        options = {name: value for name, value in encoder.items() if name != "encoder"}
        encoder = encoder.get("encoder", encoder)
    if encoder is None:
        return Kind(None, "left out by `encoders`")
    if not isinstance(encoder, str):
        problem = f"`encoders[{column!r}]` must be the name of an encoder, a dict with it under 'encoder', or None"
        fix = 'Pass for example "text" or {"encoder": "number", "scale": "log"}'
        raise ArgumentTypeError(explain(_OWNER, problem, received=encoder, fix=fix))
    return Kind(encoder, "chosen by `encoders`", options)


def _left_out(leave_out: Iterable[str], chosen: Mapping[str, Kind]) -> dict[str, Kind]:
    names = _column_names(leave_out)
    twice = [name for name in names if name in chosen and chosen[name].encoder is not None]
    if twice:
        problem = f"`leave_out` and `encoders` both have {describe_ids(twice)}"
        raise ArgumentError(explain(_OWNER, problem, fix="Take it out of one of them"))
    return {name: Kind(None, "left out by `leave_out`") for name in names}


def _column_names(columns: Iterable[str] | None) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns or ())


def _to_frame(frame: Any, argument: str) -> pd.DataFrame:
    import pandas as pd  # not needed to train, and slow to import

    frame = to_frame(frame, f"{_OWNER}: {argument}")
    if not has_named_columns(frame):
        problem = f"`{argument}` must be a data frame or a dict of columns"
        fix = "Convert it, for example by pandas.DataFrame(data)"
        raise ArgumentTypeError(explain(_OWNER, problem, fix=fix, **{argument: frame}))
    if isinstance(frame, Mapping):
        frame = pd.DataFrame({name: pd.Series(list(column)) for name, column in frame.items()})
    if not len(frame):
        fix = "Check how it was read or filtered"
        raise ArgumentError(explain(_OWNER, f"`{argument}` has no rows", fix=fix, **{argument: frame}))
    return frame
