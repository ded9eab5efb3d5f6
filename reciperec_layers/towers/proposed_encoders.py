"""Encoders made from a frame: what `features.propose` accepts, and what a user chooses instead."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.names import require_column
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ReciperecError, describe_ids, explain
from reciperec_layers.features.encoder import ENCODERS, Encoder, data_of_column
from reciperec_layers.features.proposals import Proposals
from reciperec_layers.features.proposing import propose

# Share of ids that training takes for unknown ones, so that the other columns are learned without the id.
_ID_DROPOUT = 0.1


def proposed_encoders(
    owner: str,
    frame: Any,
    feature: str,
    embedding_dim: int,
    *,
    side: str | None = None,
    columns: Iterable[str] | None = None,
    leave_out: Iterable[str] = (),
    encoders: Mapping[str, Any] | None = None,
    interactions: Any = None,
    queries: Any = None,
    query_id: str | None = None,
    candidate_id: str | None = None,
    id_dropout: float | None = 0.0,
    seed: int | None = None,
    dtype: Any = None,
) -> tuple[dict[str, Encoder], Proposals]:
    """Returns encoders by column, with statistics of the frame, and the proposals that they follow.

    Encoders that are embeddings are as wide as the tower's, unless another width is chosen. A proposed encoder reads
    what is no time as missing, and a column that one cannot read is left out, both with a warning.

    Args:
        owner: Name of the caller, for messages.
        frame: Data frame or dict of columns.
        feature: The id column.
        embedding_dim: Size of the tower's embeddings.
        side: As for `features.propose`.
        columns: The columns to read beside `feature`, or `None` for all.
        leave_out: Columns to leave out.
        encoders: Encoders by column, which overrule: an `Encoder`, a registered name, a config, or `None`.
        interactions: As for `features.propose`.
        queries: As for `features.propose`.
        query_id: As for `features.propose`.
        candidate_id: As for `features.propose`.
        id_dropout: As for `Id`, of `feature`; `None` for .1 where another column tells something, else 0.
        seed: Seed of the encoder of `feature`; the others have the following ones, in the order of the columns' names.
        dtype: Dtype or policy of the encoders, or `None`.

    Raises:
        ColumnError: A column that is named is not in the frame.
        ArgumentError: No column is left, or one that `columns` names cannot be read.

    Example:
        >>> frame = {"user_id": [7, 9, 7, 9], "recipe_id": [1, 1, 2, 3]}
        >>> encoders, proposals = proposed_encoders("FeatureTower.from_data", frame, "user_id", embedding_dim=4)
        >>> list(encoders), list(proposals)
        (['user_id'], ['user_id', 'recipe_id'])
    """
    frame = from_arrow(frame, owner)
    left_out, named = _names("leave_out", leave_out, owner), _names("columns", columns, owner)
    chosen = dict(encoders or {})
    for name in (feature, *chosen, *left_out, *named):
        require_column(frame.keys(), name, owner)
    made = {name: encoder for name, encoder in chosen.items() if isinstance(encoder, Encoder)}
    twice = [name for name in made if name in left_out]
    if twice:
        problem = f"`leave_out` and `encoders` both have {describe_ids(twice)}"
        raise ArgumentError(explain(owner, problem, fix="Take it out of one of them"))
    proposals = propose(
        frame,
        interactions=interactions,
        queries=queries,
        side=side,
        id_column=feature,
        query_id=query_id,
        candidate_id=candidate_id,
        columns=None if columns is None else [feature, *named],
        leave_out=[*left_out, *made],
        encoders={name: encoder for name, encoder in chosen.items() if name not in made},
    )
    refused = [name for name in named if name not in (*chosen, *left_out) and not proposals[name].is_accepted]
    if refused:
        problem = f"column {refused[0]!r} of `columns` cannot be read: {proposals[refused[0]].reason}"
        raise ArgumentError(explain(owner, problem, fix=_way_out(refused[0], frame)))
    if not made and not proposals.accepted:
        problem = f"no column is left to read: {_reasons(proposals)}"
        raise ArgumentError(explain(owner, problem, fix="Choose encoders for some by encoders="))
    if id_dropout is None:
        classes = [ENCODERS.get(str(proposals[name].encoder)) for name in proposals.accepted if name != feature]
        classes += [type(encoder) for name, encoder in made.items() if name != feature]
        id_dropout = _ID_DROPOUT if any(cls.tells != "context" for cls in classes) else 0.0
    defaults: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    # The order of columns changes nothing, and neither do columns that are left out.
    for place, name in enumerate(sorted(proposals.accepted, key=lambda each: (each != feature, each))):
        proposal = proposals[name]
        options = {**defaults, "data": frame[name], "seed": None if seed is None else seed + place}
        if ENCODERS.get(str(proposal.encoder)).is_embedding:
            options["width"] = embedding_dim
        if name == feature and proposal.encoder == "id":
            options["id_dropout"] = id_dropout
        is_proposed = name not in (feature, *chosen)
        if is_proposed and proposal.encoder == "time":
            options["unreadable"] = "missing"  # as `propose` says, which counts them
        try:
            made[name] = _encoder(name, str(proposal.encoder), {**options, **proposal.options})
        except ReciperecError as error:
            if not is_proposed or name in named:
                raise
            # `propose` looks at a part of the rows, and here is one that it has not seen.
            warnings.warn(f"{owner}: column {name!r} is left out: {error}", stacklevel=2)
    return made, proposals


def _encoder(column: str, encoder: str, options: dict[str, Any]) -> Encoder:
    """Returns an encoder made from a column, which errors name."""
    try:
        with data_of_column(column):
            return ENCODERS.create(encoder, **options)
    except ReciperecError as error:
        if f"column {column!r}" in str(error):
            raise
        raise type(error)(f"column {column!r}: {error}") from error


def _way_out(column: str, frame: Any) -> str:
    """Returns what to do with a column that is not read: another encoder is named only if it can read the column."""
    try:
        _encoder(column, "category", {"data": frame[column]})
    except ReciperecError:
        return "Leave it out, or convert its values to text or numbers"
    return f'Leave it out, or choose an encoder, for example encoders={{{column!r}: "category"}}'


def _names(argument: str, columns: Iterable[str] | None, owner: str) -> list[str]:
    if isinstance(columns, Mapping):
        problem = f"`{argument}` must be names of columns"
        fix = f"Pass a list of names, and encoders by column as encoders={dict(columns)}"
        raise ArgumentTypeError(explain(owner, problem, fix=fix, **{argument: columns}))
    return [columns] if isinstance(columns, str) else list(columns or ())


def _reasons(proposals: Proposals) -> str:
    return "; ".join(f"{name!r}: {proposal.reason}" for name, proposal in proposals.items())
