"""The columns of queries that a search needs, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import require_column, warn_of_misspelt
from reciperec_layers.columns.tensors import Read, to_tensor, to_tensors
from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import ArgumentError, ColumnError, IdError, describe_ids, explain
from reciperec_layers.seen import Seen


def query_tensors(
    features: Any, names: Sequence[str], exclude: Any, owner: str, read: Read = to_tensor
) -> dict[str, tf.Tensor]:
    """Returns the columns that a query tower reads and, where it is there, the one by which a `Seen` looks queries up.

    Args:
        features: Data frame or dict of columns; others than these may hold anything.
        names: The columns that the tower reads.
        exclude: As for `RetrievalModel.recommend`.
        owner: Name of the caller, for messages.
        read: Converts a column, as for `to_tensors`.

    Raises:
        ColumnError: A column is missing.
        ArgumentTypeError: The features have no names.

    Example:
        >>> list(query_tensors({"user_id": [7], "comment": [None]}, ["user_id"], None, "recommend"))
        ['user_id']
    """
    features = from_arrow(features, owner)
    if not has_named_columns(features):
        return to_tensors(features, owner)  # which says what is needed
    there = list(features.keys())
    looked_up = [exclude.query] if isinstance(exclude, Seen) and exclude.query in there else []
    needed = dict.fromkeys((*names, *looked_up))
    for name in needed:
        require_column(there, name, owner, fix="The query tower reads it: add it", reader="the query tower")
    return to_tensors({name: features[name] for name in needed}, owner, read)


def query_table(
    queries: Any,
    id_column: str | None,
    columns: Sequence[str],
    read: Read = to_tensor,
    owner: str = "set_queries",
    form_of_ids: tf.TensorSpec | None = None,
) -> Corpus | None:
    """Returns a table of queries with those of its columns that are read, or `None` for no table.

    Args:
        queries: Data frame or dict of columns, or such a table.
        id_column: Column of query ids, if it is known.
        columns: Columns that the query tower reads.
        read: As for `query_tensors`.
        owner: Name of the caller, for messages.
        form_of_ids: Dtype of the query ids that the model knows, `None` where it knows none.

    Raises:
        ArgumentError: Which column holds the query ids is not known.
        ColumnError: It is missing, or there is no column that is read beside it.
        IdError: An id repeats, is missing, or has another type than those that are known.

    Example:
        >>> users = {"user_id": [7, 9], "age": [30, 40], "address": ["", ""]}
        >>> query_table(users, "user_id", ["user_id", "age"]).names
        ('user_id', 'age')
    """
    if queries is None or isinstance(queries, Corpus):
        return queries
    queries = from_arrow(queries, owner)
    if id_column is None:
        fix = 'Create the model with query_id="user_id"'
        raise ArgumentError(explain(owner, "which column holds the query ids is not known", query_id=None, fix=fix))
    owner = f"{owner}: queries"
    names = list(queries.keys()) if has_named_columns(queries) else []
    warn_of_misspelt(names, columns, [id_column], owner)
    table = Corpus(queries, id_column, [name for name in columns if name in names], read=read, owner=owner)
    if table.names == (id_column,):
        read_beside = [name for name in columns if name != id_column]
        problem = f"there is no column that the query tower reads beside {id_column!r}; the columns are "
        fix = (
            f"It reads {describe_ids(read_beside, 40)}" if read_beside else "It reads the id alone: leave the table out"
        )
        raise ColumnError(explain(owner, problem + describe_ids(names, 40), fix=fix))
    ids = table.vocabulary
    if form_of_ids is not None and ids.dtype != form_of_ids.dtype.name:
        expected = form_of_ids.dtype.name
        problem = f"column {id_column!r} must have the type of the ids that the model knows, {expected}"
        fix = f"Convert the column, for example by astype({'str' if expected == 'string' else 'int'!r})"
        raise IdError(explain(owner, problem, fix=fix, ids=ids.ids[:3].tolist()))
    return table
