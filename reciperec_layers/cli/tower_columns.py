"""Which columns the towers of a training run read, and what is said of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reciperec_layers.cli.training_data import Split
from reciperec_layers.cli.training_options import TrainingOptions
from reciperec_layers.columns.names import require_column, time_column
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.features import propose
from reciperec_layers.features.proposal import Proposal
from reciperec_layers.features.proposals import Proposals
from reciperec_layers.models import RetrievalModel
from reciperec_layers.models.towers_from_data import frame_of_queries, names_column
from reciperec_layers.towers import TOWERS, SingleIdTower
from reciperec_layers.towers.encoded_tower import EncodedTower

_QUERIES, _CANDIDATES = "queries", "candidates"
_ID_DROPOUT = 0.1  # of a tower that knows nothing but the id, so that the row of unknown ids is trained


def time_of_prior(split: Split, options: TrainingOptions) -> str | None:
    """Returns the column of times with which the prior drifts; none where there is no prior, or it is left out.

    Args:
        split: The training rows.
        options: Of the model.

    Raises:
        ColumnError: There is no column of the name.
    """
    time = None if options.prior is None else time_column(split.train.columns, options.time, "interactions")
    return None if time in options.leave_out else time


def towers_of(split: Split, options: TrainingOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the towers of queries and of candidates as `RetrievalModel.from_data` takes them.

    Each reads those of the columns to be read that its own tables have; options of a tower itself come first.

    Args:
        split: The tables.
        options: Of the model.

    Raises:
        ColumnError: A column that is named is in none of the tables.
        ArgumentError: A column that is named is of a tower that reads its id alone.
    """
    there = {
        _QUERIES: [*split.train.columns, *(() if split.queries is None else split.queries.columns)],
        _CANDIDATES: list(split.candidates.columns),
    }
    everywhere = dict.fromkeys((*there[_QUERIES], *there[_CANDIDATES]))
    for option, names in (("columns", options.columns or ()), ("leave-out", options.leave_out)):
        for name in names:
            require_column(everywhere, name, f"--{option}")
    read = [name for name in options.columns or () if name not in (split.query, split.candidate)]
    towers = {_QUERIES: options.query_tower, _CANDIDATES: options.candidate_tower}
    made = {}
    for side, given in towers.items():
        tower = {"tower": given} if isinstance(given, str) else {"tower": "feature", **given}
        cls = TOWERS.get(tower["tower"])
        own = [name for name in read if name in there[side]]
        shared: dict[str, Any] = {}
        if cls.takes_columns:
            shared = {} if options.columns is None else {"columns": own}
            shared["leave_out"] = [name for name in options.leave_out if name in there[side]]
        elif alone := [name for name in own if not any(name in there[other] for other in there if other != side)]:
            problem = f"the tower {tower['tower']!r} of {side} takes no list of columns, and {alone[0]!r} is theirs"
            raise ArgumentError(
                explain("--columns", problem, fix='Leave it out, or use for example the tower "feature"')
            )
        if issubclass(cls, SingleIdTower) and side == _QUERIES:
            shared["id_dropout"] = _ID_DROPOUT if options.id_dropout is None else options.id_dropout
        elif issubclass(cls, EncodedTower) and cls.takes_columns and options.id_dropout is not None:
            shared["id_dropout"] = options.id_dropout
        made[side] = {**shared, **tower}
    return made[_QUERIES], made[_CANDIDATES]


def proposals_of(model: RetrievalModel, split: Split, options: TrainingOptions) -> dict[str, Proposals]:
    """Returns how the columns of queries and of candidates are read; none of a tower that takes no list of columns.

    Args:
        model: The model, whose towers know it unless they are from a file.
        split: The tables.
        options: Of the model.
    """
    query_tower, candidate_tower = towers_of(split, options)
    time = time_of_prior(split, options)
    drifts = time is not None and not names_column(time, query_tower, None)
    queries = getattr(model.query_tower, "proposals", None)
    if queries is None:
        frame, table = frame_of_queries(split.train, split.queries, split.query, time if drifts else None, "train")
        queries = _proposals(query_tower, frame, "interactions", split.query, split, table)
    candidates = getattr(model.candidate_tower, "proposals", None)
    if candidates is None:
        candidates = _proposals(candidate_tower, split.candidates, "candidates", split.candidate, split)
    if time is not None and drifts:
        reason = "when queries choose, with which the popularity of candidates drifts"
        of_time = Proposal(time, "prior", reason=reason, num_distinct=int(split.train[time].nunique()))
        queries = Proposals([*queries.values(), of_time])
    return {_QUERIES: queries, _CANDIDATES: candidates}


def columns_read(model: RetrievalModel) -> dict[str, list[str]]:
    """Returns the columns that a model reads of queries and of candidates."""
    return {_QUERIES: list(model.query_columns), _CANDIDATES: list(model.candidate_columns)}


def columns_left_out(model: RetrievalModel, proposals: dict[str, Proposals]) -> dict[str, str]:
    """Returns the columns that a model does not read, with the reason for each.

    Args:
        model: The model.
        proposals: From `proposals_of`.
    """
    read = {name for names in columns_read(model).values() for name in names}
    every = [each for side in proposals.values() for each in side.values()]
    return {each.column: each.reason for each in every if each.column not in read}


def say_columns(model: RetrievalModel, left_out: dict[str, str]) -> str:
    """Returns a sentence on what a model reads, and what not, with reasons of a few words.

    Args:
        model: The model.
        left_out: From `columns_left_out`.

    Example:
        >>> from reciperec_layers.towers import IdTower
        >>> towers = IdTower([7], 4, feature="user_id"), IdTower([9], 4, feature="recipe_id")
        >>> say_columns(RetrievalModel(*towers), {"reviews": "leak: 100% of the rows contain ids of queries"})
        'Read of queries: user_id; of candidates: recipe_id; left out: reviews (leak).'
    """
    read = "; ".join(f"of {side}: {', '.join(names)}" for side, names in columns_read(model).items())
    reasons = ", ".join(f"{name} ({_briefly(reason)})" for name, reason in left_out.items())
    return f"Read {read}{f'; left out: {reasons}' if reasons else ''}."


def as_records(proposals: dict[str, Proposals]) -> dict[str, list[dict[str, Any]]]:
    """Returns proposals for JSON.

    Args:
        proposals: From `proposals_of`.
    """
    return {side: [asdict(each) for each in of_side.values()] for side, of_side in proposals.items()}


def _proposals(
    tower: dict[str, Any], frame: Any, side: str, feature: str, split: Split, queries: Any = None
) -> Proposals:
    if not TOWERS.get(tower["tower"]).takes_columns:
        return Proposals([])
    columns = tower.get("columns")
    return propose(
        frame,
        interactions=split.train,
        queries=queries,
        side=side,
        id_column=feature,
        query_id=split.query,
        candidate_id=split.candidate,
        columns=None if columns is None else [feature, *columns],
        leave_out=tower.get("leave_out") or (),
        encoders=tower.get("encoders"),
    )


def _briefly(reason: str) -> str:
    return reason.partition(":")[0].partition(",")[0]
