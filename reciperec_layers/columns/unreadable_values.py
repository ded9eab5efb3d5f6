"""The error for values of a column that cannot be read."""

from __future__ import annotations

from typing import Any

import numpy as np

from reciperec_layers.errors import ArgumentError, describe_value, explain

_MAX_SHOWN = 3


def refuse_unreadable(unreadable: np.ndarray, values: Any, owner: str, name: str, noun: str, fix: str) -> None:
    """Raises `ArgumentError` with the number of unreadable values and the first of them, unless there are none.

    Args:
        unreadable: Which values are unreadable, bool of shape `(n,)`.
        values: The values, of shape `(n,)`.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.
        noun: What the values should be, such as "numbers".
        fix: What to do.

    Example:
        >>> refuse_unreadable(np.array([False, True]), [3, "soon"], "Number", "minutes", "numbers", "Correct them")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Number: 1 of 2 values in column 'minutes' are not numbers, at row 1: ...
    """
    rows = np.flatnonzero(unreadable)
    if not len(rows):
        return
    more = ", ..." if len(rows) > _MAX_SHOWN else ""
    places = ", ".join(map(str, rows[:_MAX_SHOWN])) + more
    shown = ", ".join(describe_value(values[row]) for row in rows[:_MAX_SHOWN]) + more
    problem = f"{len(rows)} of {len(unreadable)} values in column {name!r} are not {noun}, at row {places}: {shown}"
    raise ArgumentError(explain(owner, problem, fix=fix))
