"""Columns of times as int64, one form for datetimes, text and numbers."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.missing_values import missing_entries
from reciperec_layers.columns.unreadable_values import Report, refuse_unreadable
from reciperec_layers.errors import ArgumentTypeError, explain

MISSING_TIME = int(np.iinfo(np.int64).min)
# Integers below are seconds, below the next milliseconds, below the next microseconds, and nanoseconds from there on.
SECONDS_BELOW, MILLISECONDS_BELOW, MICROSECONDS_BELOW = 10**11, 10**14, 10**17
_GAPS = ("", "nan", "nat")


def to_time_array(column: Any, owner: str, name: str, report: Report | None = None) -> np.ndarray:
    """Converts a column of times to int64 of shape `(n,)`; a missing time is `MISSING_TIME`.

    Integers keep their value, whose size tells the unit. Everything else becomes microseconds since 1970, UTC, or, up
    to three years before or after the beginning of 1970, whole seconds: so few microseconds would be taken for
    milliseconds. Times after the year 5138 and before -1198 are clipped.

    Args:
        column: pandas column, NumPy array or list: datetimes of any unit, also with time zones; Python datetimes and
            dates; ISO-8601 text, whose fractions of seconds and surrounding white space may differ from row to row;
            integers and floats, also as text, in seconds unless they are too large. Text of 4 or 8 digits is a year or
            a date. Without a time zone they are UTC. None, NaT, NaN, NA and blank text are missing.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.
        report: Gets which values are not times, which then are missing ones.

    Raises:
        ArgumentError: Some values are not times, and nothing is there to report it to.
        ArgumentTypeError: The column holds booleans or time differences, or is not of shape `(n,)`.

    Example:
        >>> to_time_array(["2017-04-22T12:46:43.663 ", 1492865203663, 1492865203.663, None], "Time", "t").tolist()
        [1492865203663000, 1492865203663, 1492865203663000, -9223372036854775808]
    """
    column = from_arrow(column, owner, name)
    if getattr(column, "ndim", 1) != 1:
        problem = f"column {name!r} must have one time per row"
        raise ArgumentTypeError(explain(owner, problem, column=column, fix="Pass a column of shape (n,)"))
    missing = missing_entries(column)
    values = column.data if isinstance(column, np.ma.MaskedArray) else column
    series = pd.Series(values, dtype=object if isinstance(values, (list, tuple)) else None)
    if series.dtype.kind in "bmc":
        fix = "Name the column that holds the times"
        raise ArgumentTypeError(explain(owner, f"column {name!r} does not hold times", column=series, fix=fix))
    if series.dtype.kind == "i":
        times, unreadable = series.to_numpy(dtype=np.int64, na_value=MISSING_TIME), np.zeros(len(series), bool)
    elif series.dtype.kind == "f":
        floats = series.to_numpy(dtype=np.float64, na_value=np.nan)
        times, unreadable = _from_floats(floats), np.isinf(floats)
    elif pd.api.types.is_datetime64_any_dtype(series.dtype):
        times, unreadable = _from_dates(pd.to_datetime(series, utc=True)), np.zeros(len(series), bool)
    else:
        times, unreadable = _from_objects(series)
    unreadable &= ~missing
    if unreadable.any():
        fix = "Correct or drop these rows, or pass datetimes, ISO-8601 text or numbers"
        refuse_unreadable(unreadable, series.tolist(), owner, name, "times", fix, report)
    return np.where(missing | unreadable, MISSING_TIME, times)


def dates_and_numbers(times: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Returns the datetimes, in UTC, and the numbers that a column of text or of dates holds; NaT and NaN elsewhere.

    Args:
        times: ISO-8601 text, numbers as text, or Python datetimes and dates, also mixed.

    Example:
        >>> dates, numbers = dates_and_numbers(pd.Series(["2017-04-22 ", "7.5", "soon"]))
        >>> dates.dt.year.tolist(), numbers.tolist()
        ([2017.0, nan, nan], [nan, 7.5, nan])
    """
    values = [_stripped(value) for value in times.tolist()]
    texts = pd.Series(values, index=times.index, dtype=object)
    dates = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    numbers = pd.to_numeric(texts.where(texts.map(lambda value: isinstance(value, str))), errors="coerce")
    # Pandas takes "-5" for a year before Christ.
    is_negative = np.fromiter((isinstance(value, str) and value[:1] == "-" for value in values), bool, len(values))
    return dates.mask(is_negative & numbers.notna()), numbers


def _stripped(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    # Pandas would read a number among dates as nanoseconds since 1970.
    return value if isinstance(value, (date, np.datetime64)) else None


def _from_objects(series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Returns times, and which of the values are none."""
    values = series.tolist()
    dates, numbers = dates_and_numbers(series)
    floats = numbers.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    is_gap = np.zeros(len(values), bool)
    integers = np.full(len(values), MISSING_TIME)
    for row, value in enumerate(values):
        if isinstance(value, str):
            is_gap[row] = value.strip().lower() in _GAPS
        elif isinstance(value, np.datetime64):
            is_gap[row] = np.isnat(value)
        elif isinstance(value, (float, np.floating)):
            floats[row] = value
        elif isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.timedelta64)):
            integers[row] = value if abs(int(value)) < 2**63 else MISSING_TIME
    times = _from_dates(dates)
    times = np.where(times == MISSING_TIME, _from_floats(floats), times)
    times = np.where(times == MISSING_TIME, integers, times)
    return times, (times == MISSING_TIME) & ~is_gap


def _from_dates(dates: pd.Series) -> np.ndarray:
    return _told_by_size(pd.DatetimeIndex(dates).as_unit("us").asi8)  # NaT is the missing time


def _from_floats(floats: np.ndarray) -> np.ndarray:
    size = np.abs(floats)
    below = [size < SECONDS_BELOW, size < MILLISECONDS_BELOW, size < MICROSECONDS_BELOW]
    microseconds = np.rint(floats * np.select(below, [1e6, 1e3, 1.0], 1e-3))
    is_time = np.isfinite(microseconds)
    clipped = np.clip(np.where(is_time, microseconds, 0), -MICROSECONDS_BELOW, MICROSECONDS_BELOW)
    return _told_by_size(np.where(is_time, clipped.astype(np.int64), MISSING_TIME))


def _told_by_size(microseconds: np.ndarray) -> np.ndarray:
    """Returns microseconds so that their size tells the unit, as for integers."""
    known = np.where(microseconds == MISSING_TIME, 0, microseconds)
    clipped = np.clip(known, 1 - MICROSECONDS_BELOW, MICROSECONDS_BELOW - 1)
    times = np.where(np.abs(known) < MILLISECONDS_BELOW, known // 10**6, clipped)
    return np.where(microseconds == MISSING_TIME, MISSING_TIME, times)
