"""What is said of values of a column that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reciperec_layers.errors import ArgumentError, describe_value, explain

# Gets what is wrong with the values of a column, as a text without a full stop.
Report = Callable[[str], object]

_MAX_SHOWN = 3


def refuse_unreadable(
    unreadable: np.ndarray,
    values: Any,
    owner: str,
    name: str,
    noun: str,
    fix: str,
    report: Report | None = None,
) -> None:
    """Raises `ArgumentError` with the number of unreadable values and the first of them, unless there are none.

    Args:
        unreadable: Which values are unreadable, bool of shape `(n,)`.
        values: The values, of shape `(n,)`.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.
        noun: What the values should be, such as "numbers".
        fix: What to do.
        report: Gets what would be said, in place of the error.

    Example:
        >>> refuse_unreadable(np.array([False, True]), [3, "soon"], "Number", "minutes", "numbers", "Correct them")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Number: 1 of 2 values in column 'minutes' are not numbers, at row 1: ...
    """
    if unreadable.any():
        problem = what_is_wrong(unreadable, values, name, f"are not {noun}")
        if report is None:
            raise ArgumentError(explain(owner, problem, fix=fix))
        report(problem)


def what_is_wrong(wrong: np.ndarray, values: Any, name: str, fault: str) -> str:
    """Returns how many values of a column have a fault, and the first of them.

    Args:
        wrong: Which values have it, bool of shape `(n,)`.
        values: The values, of shape `(n,)`.
        name: Name of the column.
        fault: The fault, as a predicate.

    Example:
        >>> what_is_wrong(np.array([False, True]), [3, -3], "minutes", "are negative")
        "1 of 2 values in column 'minutes' are negative, at row 1: -3"
    """
    rows = np.flatnonzero(wrong)
    more = ", ..." if len(rows) > _MAX_SHOWN else ""
    places = ", ".join(map(str, rows[:_MAX_SHOWN])) + more
    shown = ", ".join(describe_value(values[row]) for row in rows[:_MAX_SHOWN]) + more
    return f"{len(rows)} of {len(wrong)} values in column {name!r} {fault}, at row {places}: {shown}"
