"""Two towers of one model: their sizes, the columns that they read, and the embeddings of these columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from reciperec_layers.columns.id_arrays import FLOAT_FIX
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import require_single_ids
from reciperec_layers.errors import ArgumentError, IdError, explain
from reciperec_layers.towers.single_id_tower import SingleIdTower
from reciperec_layers.towers.tower import Tower

# Rows that a tower embeds at once outside of training.
ENCODE_ROWS = 8192


def check_dims(owner: str, **towers: Tower) -> None:
    """Raises `ArgumentError` unless towers have one embedding dim.

    Args:
        owner: Name of the model's class, for messages.
        **towers: The towers by their arguments' names.
    """
    dims = {name: tower.embedding_dim for name, tower in towers.items()}
    if len(set(dims.values())) > 1:
        problem = "both towers must have the same embedding_dim"
        raise ArgumentError(explain(owner, problem, fix="Give them one embedding_dim", **dims))


def columns_of(tower: Tower, default: str | None, side: str, owner: str) -> tuple[str, ...]:
    """Returns the names of the columns that a tower reads.

    Args:
        tower: The tower.
        default: Column for a tower that names none.
        side: `"query_tower"` or `"candidate_tower"`, for messages.
        owner: Name of the model's class, for messages.

    Raises:
        ArgumentError: The tower names none, and there is no default.
    """
    if tower.features:
        return tower.features
    if default is None:
        problem = f"which column `{side}` reads is not known"
        fix = 'Create the tower with feature="...", or name the column by query_id= or candidate_id='
        raise ArgumentError(explain(owner, problem, fix=fix, tower=tower))
    return (default,)


def encode_columns(tower: Tower, names: Sequence[str], inputs: Any, owner: str, training: bool | None) -> Any:
    """Calls a tower with the columns that it reads, and no others, so that other columns cannot disturb it.

    Args:
        tower: The tower.
        names: The columns that it reads.
        inputs: Columns by name, or what the tower takes itself.
        owner: Name of the model's class and of the argument, for messages.
        training: As for the tower.

    Returns:
        Embeddings of shape `(batch, embedding_dim)`.

    Raises:
        ArgumentError: The tower gives another shape, for example because a row has several ids.
        IdError: The column of a tower of one id has floats.
    """
    if not has_named_columns(inputs):
        return _one_vector_per_row(tower(inputs, training=training), tower, {names[0]: inputs}, owner)
    columns = {name: inputs[require_column(inputs.keys(), name, owner)] for name in names}
    dtype = getattr(columns[names[0]], "dtype", None)
    if isinstance(tower, SingleIdTower) and isinstance(dtype, tf.DType) and dtype.is_floating:
        problem = f"column {names[0]!r}: ids must be integers or text, not floats"
        raise IdError(explain(owner, problem, fix=FLOAT_FIX))
    try:
        embeddings = tower(columns if tower.features else columns[names[0]], training=training)
    except IdError as error:
        raise type(error)(f"column {', '.join(map(repr, names))}: {error}") from error
    return _one_vector_per_row(embeddings, tower, columns, owner)


def _one_vector_per_row(embeddings: Any, tower: Tower, columns: dict[str, Any], owner: str) -> Any:
    rank = embeddings.shape.rank if isinstance(embeddings.shape, tf.TensorShape) else len(embeddings.shape)
    if rank in (None, 2):
        return embeddings
    if isinstance(tower, SingleIdTower):
        for name, column in columns.items():
            require_single_ids(column, name, owner)
    problem = "a tower must give one vector per row"
    received = {"embeddings": embeddings, **columns}
    fix = "Check the shapes of its columns, or let the tower pool what a row has several times"
    raise ArgumentError(explain(owner, problem, fix=fix, **received))
