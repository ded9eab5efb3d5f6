"""Towers made by name from data frames."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from reciperec_layers.arguments import closest_name
from reciperec_layers.columns.named_columns import require_named_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, IdError, ReciperecError, explain
from reciperec_layers.towers import TOWERS, Tower
from reciperec_layers.towers.resolve_tower import resolve_tower

# What the frames of the two towers are.
_SIDES = {"query_tower": "interactions", "candidate_tower": "candidates"}


def tower_from_data(
    tower: Any,
    side: str,
    frame: Any,
    feature: str,
    options: Mapping[str, Any] | None,
    compared: Mapping[str, Any],
    owner: str,
    **shared: Any,
) -> Tower:
    """Returns a tower whose vocabularies and statistics come from a data frame.

    Args:
        tower: Registered name, or a dict of the name under `"tower"` and options of its `from_data`; or a tower or
            Keras layer, which is taken as it is.
        side: `"query_tower"` or `"candidate_tower"`, for messages.
        frame: Data frame or dict of the columns of this side.
        feature: Its id column.
        options: Further options of `from_data`.
        compared: The training interactions and their columns, for towers that compare a frame with them.
        owner: Name of the caller, for messages.
        **shared: Options for both sides: `embedding_dim` and `seed`.

    Raises:
        ArgumentError: Options are given for a tower that is made already.
        ArgumentTypeError: The frame is not one, nor a dict of columns.

    Example:
        >>> tower_from_data("id", "query_tower", {"user_id": [7]}, "user_id", {}, {}, "", embedding_dim=4).features
        ('user_id',)
    """
    given = dict(options or {})
    if isinstance(tower, Mapping):
        given = {**tower, **given}
        tower = given.pop("tower", "feature")
    if not isinstance(tower, str):
        if given:
            problem = f"`{side}` is made already, so it takes no options"
            raise ArgumentError(explain(owner, problem, options=given, fix="Pass its name, or leave them out"))
        return resolve_tower(tower, side, feature, owner)
    cls = TOWERS.get(tower)
    require_named_columns(frame, owner, _SIDES[side])
    if cls.takes_columns:
        given = {**compared, "side": _SIDES[side], **given}
    try:
        return cls.from_data(frame, feature=feature, **shared, **given)
    except ReciperecError as error:
        # The user has called neither `propose` nor the tower.
        raise type(error)(f"{owner}: {_SIDES[side]}: {str(error).removeprefix('propose: ')}") from error


def frame_of_queries(
    interactions: Any, queries: Any, query_id: str, without: str | None, owner: str
) -> tuple[Any, Any]:
    """Returns the columns of queries: those of the interactions, and of the table of queries by id; and this table.

    Of the table those columns are left that the interactions do not have; it is `None` where there is none.

    Args:
        interactions: Training interactions.
        queries: Data frame or dict with one row for each query, or `None`.
        query_id: Column of query ids in both.
        without: Column to leave out, or `None`.
        owner: Name of the caller, for messages.

    Example:
        >>> users = {"user_id": [7, 9], "age": [30, 40]}
        >>> frame, table = frame_of_queries({"user_id": [9, 9]}, users, "user_id", None, "from_data")
        >>> frame["age"].tolist(), len(table)
        ([40, 40], 2)
    """
    import pandas as pd  # not needed to train, and slow to import

    frame = pd.DataFrame({name: interactions[name] for name in list(interactions.keys()) if name != without})
    if queries is None:
        return frame, None
    require_named_columns(queries, owner, "queries")
    require_column(queries.keys(), query_id, f"{owner}: queries")
    Corpus(queries, query_id, owner=f"{owner}: queries")  # which refuses ids that repeat or are missing
    added = [name for name in list(queries.keys()) if name == query_id or name not in frame.columns]
    table = pd.DataFrame({name: queries[name] for name in added})
    try:
        return frame.merge(table, on=query_id, how="left"), table
    except ValueError as error:  # pandas does not merge integers with text
        problem = f"column {query_id!r} must have the same type as in the interactions"
        received = {"queries": table[query_id].dtype, "interactions": frame[query_id].dtype}
        raise IdError(explain(f"{owner}: queries", problem, fix="Convert one of them", **received)) from error


def refuse_unknown_arguments(from_data: Callable[..., Any], unknown: Mapping[str, Any], owner: str) -> None:
    """Raises `ArgumentTypeError` for keyword arguments of `from_data` that it does not have.

    Args:
        from_data: The method.
        unknown: Arguments by name.
        owner: Name of the caller, for messages.

    Example:
        >>> refuse_unknown_arguments(tower_from_data, {"columns": ["age"]}, "RetrievalModel.from_data")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentTypeError: RetrievalModel.from_data: there is no argument 'columns'. Options ...
    """
    if not unknown:
        return
    first, *_ = unknown
    accepted = [name for name, each in inspect.signature(from_data).parameters.items() if each.kind != each.VAR_KEYWORD]
    closest = closest_name(first, accepted, cutoff=0.8)
    options = f"query_options={{{first!r}: ...}} or candidate_options={{{first!r}: ...}}"
    fix = f"{closest}Options of a tower are given as {options}. Accepted: {', '.join(accepted)}"
    problem = f"there is no argument {', '.join(map(repr, unknown))}"
    raise ArgumentTypeError(explain(owner, problem, fix=fix))


def names_column(name: str | None, tower: Any, options: Mapping[str, Any] | None) -> bool:
    """Returns whether the options of a tower name a column.

    Example:
        >>> names_column("date", {"tower": "feature", "columns": ["user_id", "date"]}, None)
        True
    """
    given = {**(tower if isinstance(tower, Mapping) else {}), **(options or {})}
    return any(name in (given.get(argument) or ()) for argument in ("columns", "encoders"))
