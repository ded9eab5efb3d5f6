"""Times converted to ranks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reciperec_layers.columns.time_arrays import dates_and_numbers
from reciperec_layers.errors import ArgumentError, describe_ids, describe_value, explain

_MAX_SHOWN = 3


def time_ranks(times: pd.Series, owner: str) -> np.ndarray:
    """Returns the rank of each time, equal for equal times, float64 of shape `(n,)`.

    Args:
        times: Numbers; datetimes, also with time zones; or ISO-8601 text, whose fractions of seconds and surrounding
            white space may differ from row to row. Text and datetimes without a time zone are UTC.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: Times are missing or cannot be read.

    Example:
        >>> time_ranks(pd.Series(["2017-04-22T12:46:43.663 ", "2013-06-20T15:50:25"]), "split_by_time")
        array([2., 1.])
    """
    if pd.api.types.is_bool_dtype(times.dtype):
        fix = "Name the column that holds the times"
        raise ArgumentError(explain(owner, f"column {times.name!r} does not hold times", times=times, fix=fix))
    is_ordered = pd.api.types.is_numeric_dtype(times.dtype) or pd.api.types.is_datetime64_any_dtype(times.dtype)
    read, form = (times, "a time") if is_ordered else _from_objects(times)
    unread = read.isna().to_numpy()
    if unread.any():
        positions = np.flatnonzero(unread)
        shown = [describe_value(value) for value in times.iloc[positions[:_MAX_SHOWN]].tolist()]
        problem = (
            f"{len(positions)} of {len(times)} times in column {times.name!r} are missing or not {form}, at index "
            f"{describe_ids(times.index[positions], _MAX_SHOWN)}: {', '.join(shown)}"
        )
        fix = "Correct or drop these rows, or pass numbers or datetimes"
        raise ArgumentError(explain(owner, problem, fix=fix))
    return np.asarray(read.rank(method="dense"), dtype=np.float64)


def _from_objects(times: pd.Series) -> tuple[pd.Series, str]:
    """Returns the times as datetimes or numbers, whichever fits more of them, and the name of that form."""
    dates, numbers = dates_and_numbers(times)
    return (numbers, "a number") if numbers.notna().sum() > dates.notna().sum() else (dates, "ISO-8601")
