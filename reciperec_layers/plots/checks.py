"""Checks of what pictures are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reciperec_layers.errors import ArgumentError, explain


def check_named(owner: str, argument: str, value: Any, example: str) -> dict[str, Any]:
    """Returns the series of a picture by their names as text.

    Args:
        owner: Who asks, for messages.
        argument: Name of the argument.
        value: A mapping from names to values, not empty.
        example: A right value, for the message.

    Raises:
        ArgumentError: `value` is something else.

    Example:
        >>> check_named("recall_over_k", "ranks", {"model": [1, 2]}, "...")
        {'model': [1, 2]}
    """
    if not isinstance(value, Mapping) or not value:
        problem = f"`{argument}` must be a dict by name, with at least one entry"
        raise ArgumentError(explain(owner, problem, fix=f"Pass for example {example}", **{argument: value}))
    return {str(name): values for name, values in value.items()}
