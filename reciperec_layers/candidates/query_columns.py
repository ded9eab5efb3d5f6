"""The columns of queries that a search needs, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import to_tensors
from reciperec_layers.seen import Seen


def query_tensors(features: Any, names: Sequence[str], exclude: Any, owner: str) -> dict[str, tf.Tensor]:
    """Returns the columns that a query tower reads and, where it is there, the one by which a `Seen` looks queries up.

    Args:
        features: Data frame or dict of columns; others than these may hold anything.
        names: The columns that the tower reads.
        exclude: As for `RetrievalModel.recommend`.
        owner: Name of the caller, for messages.

    Raises:
        ColumnError: A column is missing.
        ArgumentTypeError: The features have no names.

    Example:
        >>> list(query_tensors({"user_id": [7], "comment": [None]}, ["user_id"], None, "recommend"))
        ['user_id']
    """
    if not has_named_columns(features):
        return to_tensors(features, owner)  # which says what is needed
    there = list(features.keys())
    looked_up = [exclude.query] if isinstance(exclude, Seen) and exclude.query in there else []
    read = dict.fromkeys((*names, *looked_up))
    fix = "The query tower reads it: add it"
    return to_tensors({name: features[require_column(there, name, owner, fix)] for name in read}, owner)
