"""Columns of numbers as float32, NaN where one is missing."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.missing_values import missing_entries
from reciperec_layers.columns.unreadable_values import refuse_unreadable
from reciperec_layers.errors import ArgumentTypeError, explain


def to_number_array(column: Any, owner: str, name: str) -> np.ndarray:
    """Converts a column to float32 of shape `(n,)`; a missing value is NaN, and what is too large infinity.

    Args:
        column: pandas column, NumPy array or list: numbers, booleans, or text with numbers in it; None, NaN, NA and
            blank text, "nan" too, are missing.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.

    Raises:
        ArgumentError: Some values are not numbers.
        ArgumentTypeError: The column holds times or complex numbers, or is not of shape `(n,)`.

    Example:
        >>> to_number_array([3, None, " 2.5"], "Number", "minutes")
        array([3. , nan, 2.5], dtype=float32)
        >>> to_number_array([3, "soon"], "Number", "minutes")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Number: 1 of 2 values in column 'minutes' are not numbers, at row 1: ...
    """
    column = from_arrow(column, owner, name)
    if getattr(column, "ndim", 1) != 1:
        problem = f"column {name!r} must have one number per row"
        raise ArgumentTypeError(explain(owner, problem, column=column, fix="Pass a column of shape (n,)"))
    missing = missing_entries(column)
    series = pd.Series(column, dtype=object if isinstance(column, (list, tuple)) else None)
    if series.dtype.kind in "Mmc":
        problem, fix = f"column {name!r} does not hold numbers", "Use an encoder of times, or leave the column out"
        raise ArgumentTypeError(explain(owner, problem, column=series, fix=fix))
    if series.dtype.kind not in "biuf":
        series = _from_objects(series, missing, owner, name)
    numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
    with np.errstate(over="ignore"):
        return np.where(missing, np.nan, numbers).astype(np.float32)


def _from_objects(series: pd.Series, missing: np.ndarray, owner: str, name: str) -> pd.Series:
    values = series.to_numpy(dtype=object)
    readable = np.empty(len(values), dtype=object)
    readable[:] = [_readable(value) for value in values.tolist()]
    numbers = pd.to_numeric(pd.Series(readable, dtype=object), errors="coerce")
    is_gap = np.fromiter((isinstance(each, float) and each != each for each in readable), bool, len(values))
    unreadable = numbers.isna().to_numpy() & ~missing & ~is_gap
    refuse_unreadable(unreadable, values, owner, name, "numbers", "Correct these values, or take another encoder")
    return numbers


def _readable(value: Any) -> Any:
    """Returns a value as pandas reads it as a number, or not at all: `None`."""
    if isinstance(value, str):
        return np.nan if value.strip().lower() in ("", "nan") else value
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        return np.inf if value > 0 else -np.inf
    return None if isinstance(value, complex) else value
