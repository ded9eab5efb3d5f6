"""Converts a user's `index=` argument to an `Index`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reciperec_layers.errors import ArgumentTypeError, explain
from reciperec_layers.indexes.index import INDEXES, Index


def resolve_index(value: Any, owner: str) -> Index:
    """Returns a new index, by its registered name, from a config, or with the settings of another.

    Two models never share an index: each would put its own candidates into it.

    Args:
        value: An `Index`; a registered name; or a dict of the name under `"index"` and the constructor's arguments.
        owner: Name of the caller, for messages.

    Example:
        >>> resolve_index({"index": "inverted_file", "scored_fraction": 0.1}, "RetrievalModel").scored_fraction
        0.1
    """
    if isinstance(value, Index):
        return type(value).from_config(value.get_config())
    if isinstance(value, str):
        return INDEXES.create(value)
    if isinstance(value, Mapping) and "index" in value:
        options = dict(value)
        return INDEXES.create(options.pop("index"), **options)
    fix = 'Pass an index, its name, or a config such as {"index": "inverted_file", "scored_fraction": 0.02}'
    raise ArgumentTypeError(explain(owner, "`index` must be an index", index=value, fix=fix))
