"""Which encoder suits the values of a column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from reciperec_layers.features.column_profile import ColumnProfile
from reciperec_layers.features.kind import Kind
from reciperec_layers.features.name_hints import says_key, says_quantity, says_row_number, says_time
from reciperec_layers.features.text_kinds import MAX_CATEGORIES, MIN_REPEATS, NEARLY_UNIQUE, text_kind

_MAX_WHOLE_CATEGORIES = 32
_MAX_SHARE_INFINITE = 0.1
_NUM_LISTS = 1_000
_LEAST_DIM = 2
_LISTS = (list, tuple, set, frozenset, np.ndarray)
_NUMBERS = (int, float, Decimal, np.number, bool, np.bool_)
_WHOLE = (int, np.integer, bool, np.bool_)
_TEXTS = (str, np.str_)

# From 1975 to 2100, in seconds; milliseconds, microseconds and nanoseconds have more digits.
_TIME_RANGE = (1.6e8, 4.2e9)
_TIME_UNITS = (1.0, 1e3, 1e6, 1e9)


def column_kind(profile: ColumnProfile) -> Kind:
    """Returns which encoder suits the values of a column, wherever they come from.

    Example:
        >>> import pandas as pd
        >>> column_kind(ColumnProfile("minutes", pd.Series([10.5, 25.0, 90.0]))).encoder
        'number'
        >>> column_kind(ColumnProfile("Unnamed: 0", pd.Series([0, 1, 2])))
        Kind(encoder=None, reason='row numbers', options={})
    """
    if not profile.num_known:
        return Kind(None, "all missing")
    if profile.num_distinct == 1 and profile.num_known > 1 and not profile.missing.any():
        return Kind(None, "constant")
    of_dtype: dict[str, Callable[[ColumnProfile], Kind]] = {
        "b": lambda _: Kind("category", "true or false"),
        "M": lambda _: Kind("time", "times"),
        "m": lambda _: Kind(None, "durations; convert them to numbers, for example by .dt.total_seconds()"),
        "c": lambda _: Kind(None, "complex numbers"),
    }
    if profile.is_numeric:
        return of_dtype.get(profile.column.dtype.kind, _number_kind)(profile)
    return of_dtype.get(profile.column.dtype.kind, _object_kind)(profile)


def _number_kind(profile: ColumnProfile) -> Kind:
    values = profile.numbers[~profile.missing]
    if np.isinf(values).any():
        return _infinite_kind(profile, values)
    if says_time(profile.name) and _are_times(values):
        return Kind("time", "times since 1970")
    if not (values == np.floor(values)).all():
        return Kind("number", "numbers")
    if _are_row_numbers(profile, values):
        return Kind(None, "row numbers")
    distinct = profile.num_distinct or 1
    if profile.is_categorical and profile.share_distinct < NEARLY_UNIQUE:
        return Kind("category", "declared as categories")
    if says_key(profile.name):
        if profile.share_distinct >= NEARLY_UNIQUE:
            return Kind(None, "codes, nearly all different")
        return Kind("category" if distinct <= MAX_CATEGORIES else "id", "codes that repeat")
    is_few = distinct <= _MAX_WHOLE_CATEGORIES and len(values) / distinct >= MIN_REPEATS
    if distinct <= 2 or (is_few and not says_quantity(profile.name)):
        return Kind("category", "few values")
    return Kind("number", "numbers")


def _infinite_kind(profile: ColumnProfile, values: np.ndarray) -> Kind:
    """Returns the kind of numbers with infinite ones, which amounts may have: what is divided by zero."""
    finite = values[np.isfinite(values)]
    num_infinite = len(values) - len(finite)
    counted = f"of which {num_infinite} of {len(values)} {'is' if num_infinite == 1 else 'are'} infinite"
    if says_time(profile.name) and len(finite) and _are_times(finite):
        return Kind(None, f"times since 1970, {counted}; put None in {'its' if num_infinite == 1 else 'their'} place")
    if says_key(profile.name):
        return Kind(None, f"codes, {counted}")
    is_rare = num_infinite <= _MAX_SHARE_INFINITE * len(values)
    return Kind("number" if is_rare else None, f"numbers, {counted}")


def _are_times(values: np.ndarray) -> bool:
    low, high = _TIME_RANGE
    return any(np.mean((values >= low * unit) & (values <= high * unit)) >= 0.95 for unit in _TIME_UNITS)


def _are_row_numbers(profile: ColumnProfile, values: np.ndarray) -> bool:
    if says_row_number(profile.name) and (profile.name.startswith("Unnamed") or profile.share_distinct == 1):
        return True
    num_rows = len(profile.column)
    if len(values) != num_rows or profile.num_distinct != num_rows or num_rows < 3:
        return False
    first = values.min()
    if first not in (0, 1) or values.max() != first + num_rows - 1:
        return False
    # In another order they may still be a few numbers of something else.
    return num_rows >= 10 or bool((np.diff(values) == 1).all())


def _object_kind(profile: ColumnProfile) -> Kind:
    sample = profile.sample
    if _all(sample, _TEXTS):
        return text_kind(profile)
    if _all(sample, (bool, np.bool_)):
        return Kind("category", "true or false")
    if _all(sample, (date, np.datetime64)):
        return Kind("time", "times")
    if _all(sample, _LISTS):
        return _list_kind(profile)
    if _all(sample, (dict,)):
        return _dict_kind(sample[:_NUM_LISTS])
    names = sorted({type(value).__name__ for value in sample})
    if len(names) == 1:
        return Kind(None, f"objects of type {names[0]}")
    is_few = profile.num_distinct is not None and profile.num_distinct <= MAX_CATEGORIES
    if is_few and profile.share_distinct <= 1 / MIN_REPEATS and _all(sample, (*_TEXTS, *_NUMBERS)):
        return Kind("category", f"few values, of types {', '.join(names)}")
    return Kind(None, f"values of several types: {', '.join(names)}")


def _list_kind(profile: ColumnProfile) -> Kind:
    rows = profile.sample[:_NUM_LISTS]
    if any(getattr(row, "ndim", 1) != 1 for row in rows):
        return Kind(None, "arrays with more than one axis")
    items = [item for row in rows for item in row]
    if not items:
        return Kind(None, "all lists are empty")
    if _all(items, _NUMBERS) and not _all(items, _WHOLE):
        return _vector_kind(profile)
    if _all(items, _WHOLE):
        return _whole_kind(rows)
    if _all(items, (*_TEXTS, *_NUMBERS)):
        return Kind("list", "lists")
    if _all(items, (tuple, list)) and all(len(item) == 2 and isinstance(item[1], _NUMBERS) for item in items):
        return Kind("list", "lists of items with weights")
    names = sorted({type(item).__name__ for item in items})
    return Kind(None, f"lists of {', '.join(names)}")


def _whole_kind(rows: Sequence[Any]) -> Kind:
    lengths = {len(row) for row in rows if len(row)}
    if len(lengths) > 1 or max(lengths) < _LEAST_DIM:
        return Kind("list", "lists of whole numbers")
    shown = f"lists of {max(lengths)} whole numbers"
    return Kind("list", f"{shown}, read as items; convert them to floats if they are vectors")


def _vector_kind(profile: ColumnProfile) -> Kind:
    lengths = np.unique(np.fromiter(map(len, profile.column[~profile.missing]), np.int64, profile.num_known))
    lengths = lengths[lengths > 0]  # an empty vector is a missing one
    if len(lengths) > 1:
        shown = ", ".join(map(str, lengths[:3])) + (", ..." if len(lengths) > 3 else "")
        return Kind(None, f"vectors of unequal lengths: {shown}")
    # And so is a whole row of NaN.
    rows = np.array([list(row) for row in profile.sample if len(row)], dtype=np.float64)
    is_bad = ~np.isfinite(rows).all(axis=1) & ~np.isnan(rows).all(axis=1)
    if is_bad.any():
        return Kind(None, f"vectors, of which {int(is_bad.sum())} of {len(rows)} have NaN or inf")
    return Kind("vector", f"vectors of {lengths[0]} numbers")


def _dict_kind(rows: Sequence[dict[Any, Any]]) -> Kind:
    values = [value for row in rows for value in row.values()]
    if values and _all(values, _NUMBERS):
        return Kind("list", "items with weights")
    nested = any(isinstance(value, (dict, *_LISTS)) for value in values)
    return Kind(None, "nested dicts" if nested else "dicts")


def _all(values: Sequence[Any], types: tuple[type, ...]) -> bool:
    return all(isinstance(value, types) for value in values)
