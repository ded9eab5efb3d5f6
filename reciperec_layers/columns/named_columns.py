"""Columns by name: the one place that distinguishes a data frame or dict from a bare column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def has_named_columns(value: Any) -> bool:
    """Returns whether a value holds columns by name: a dict or a data frame.

    Example:
        >>> has_named_columns({"user_id": [7]}), has_named_columns([7])
        (True, False)
    """
    return isinstance(value, Mapping) or (hasattr(value, "columns") and hasattr(value, "iloc"))
