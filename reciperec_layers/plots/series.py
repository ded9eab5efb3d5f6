"""The series of a plot, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reciperec_layers.errors import ArgumentError, explain


def series_by_name(owner: str, argument: str, value: Any, example: str) -> dict[str, Any]:
    """Returns the series of a plot, with their names as text.

    Args:
        owner: Name of the caller, for messages.
        argument: Name of the argument.
        value: A non-empty mapping from names to values.
        example: A valid value, for the message.

    Raises:
        ArgumentError: `value` is not a mapping, or is empty.

    Example:
        >>> series_by_name("recall_over_k", "ranks", {"model": [1, 2]}, "...")
        {'model': [1, 2]}
    """
    if not isinstance(value, Mapping) or not value:
        problem = f"`{argument}` must be a dict by name, with at least one entry"
        raise ArgumentError(explain(owner, problem, fix=f"Pass for example {example}", **{argument: value}))
    return {str(name): values for name, values in value.items()}
