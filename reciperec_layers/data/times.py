"""Times converted to ranks, and to seconds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reciperec_layers.columns.time_arrays import (
    MICROSECONDS_BELOW,
    MILLISECONDS_BELOW,
    SECONDS_BELOW,
    dates_and_numbers,
)
from reciperec_layers.errors import ArgumentError, describe_ids, describe_value, explain

_MAX_SHOWN = 3
# Numbers below these have so many units a second.
_UNITS = ((SECONDS_BELOW, 1.0), (MILLISECONDS_BELOW, 1e3), (MICROSECONDS_BELOW, 1e6), (np.inf, 1e9))


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
    return np.asarray(_read(times, owner).rank(method="dense"), dtype=np.float64)


def time_seconds(times: pd.Series, owner: str) -> np.ndarray:
    r"""Returns each time in seconds since 1970 UTC, float64 of shape `(n,)`.

    Numbers are seconds, milliseconds, microseconds or nanoseconds, all of a column in one unit: the largest of them is
    below 1e11, 1e14, 1e17 or not.

    Args:
        times: As for `time_ranks`.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: Times are missing or cannot be read.

    Example:
        >>> time_seconds(pd.Series(["1970-01-02T00:00:00.5\n", "1970-01-01"]), "Popularity")
        array([86400.5,     0. ])
        >>> time_seconds(pd.Series([1_000_000_000_500, 0]), "Popularity").tolist()
        [1000000000.5, 0.0]
    """
    read = _read(times, owner)
    if pd.api.types.is_datetime64_any_dtype(read.dtype):
        index = pd.DatetimeIndex(read)  # also of Arrow's timestamps
        utc = index.tz_localize("UTC") if index.tz is None else index
        return np.asarray((utc - pd.Timestamp(0, tz="UTC")).total_seconds(), dtype=np.float64)
    numbers = read.to_numpy(np.float64)
    largest = np.abs(numbers).max(initial=0.0)
    return numbers / next(a_second for bound, a_second in _UNITS if largest < bound)


def _read(times: pd.Series, owner: str) -> pd.Series:
    """Returns the times as datetimes or numbers, none of them missing."""
    if pd.api.types.is_bool_dtype(times.dtype):
        fix = "Name the column that holds the times"
        raise ArgumentError(explain(owner, f"column {times.name!r} does not hold times", times=times, fix=fix))
    is_ordered = pd.api.types.is_numeric_dtype(times.dtype) or pd.api.types.is_datetime64_any_dtype(times.dtype)
    read, form = (times, "a time") if is_ordered else _from_objects(times)
    unread = read.isna().to_numpy()
    if pd.api.types.is_float_dtype(read.dtype):
        unread = unread | np.isinf(read.to_numpy(np.float64, na_value=np.nan))
    if unread.any():
        positions = np.flatnonzero(unread)
        shown = [describe_value(value) for value in times.iloc[positions[:_MAX_SHOWN]].tolist()]
        problem = (
            f"{len(positions)} of {len(times)} times in column {times.name!r} are missing or not {form}, at index "
            f"{describe_ids(times.index[positions], _MAX_SHOWN)}: {', '.join(shown)}"
        )
        fix = "Correct or drop these rows, or pass numbers or datetimes"
        raise ArgumentError(explain(owner, problem, fix=fix))
    return read


def _from_objects(times: pd.Series) -> tuple[pd.Series, str]:
    """Returns the times as datetimes or numbers, whichever fits more of them, and the name of that form."""
    dates, numbers = dates_and_numbers(times)
    return (numbers, "a number") if numbers.notna().sum() > dates.notna().sum() else (dates, "ISO-8601")
