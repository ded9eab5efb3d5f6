"""Converts a user's `index=` argument to an `Index`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reciperec_layers.errors import ArgumentTypeError, explain
from reciperec_layers.indexes import INDEXES, Index


@dataclass(frozen=True)
class OwnIndex:
    """Hides a model's index from Keras, which would save its candidates in addition to the model's own.

    Args:
        index: The index.

    Example:
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> OwnIndex(BruteForceIndex()).index.num_candidates
        0
    """

    index: Index


def resolve_index(value: Any) -> Index:
    """Returns a new index, from its registered name, a config, or another index with the same settings.

    Two models never share an index, since each fills it with its own candidates.

    Args:
        value: An `Index`; a registered name; or a dict of the name under `"index"` and the constructor's arguments.

    Example:
        >>> resolve_index({"index": "inverted_file", "scored_fraction": 0.1}).scored_fraction
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
    raise ArgumentTypeError(explain("RetrievalModel", "`index` must be an index", index=value, fix=fix))
