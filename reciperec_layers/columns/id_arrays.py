"""Raw ids as NumPy arrays: int64, or an object array of `str`; anything else raises an error that says why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from reciperec_layers.errors import ArgumentTypeError, IdError, describe_ids, explain

_INT64 = np.iinfo(np.int64)


def to_id_array(values: Any, owner: str = "to_id_array", noun: str = "ids") -> np.ndarray:
    """Converts ids to an int64 array or an object array of `str`.

    Args:
        values: Ids of any rank: a list, NumPy array, pandas column, index or categorical, or eager tensor. Integers
            of any width that fit into int64, or text; `bytes` are read as UTF-8.
        owner: Name of the caller, for messages.
        noun: What messages about missing values call the values.

    Returns:
        Array of the same shape, dtype int64 or object. An empty input gives int64.

    Raises:
        IdError: An id is missing (NaN, `None`, NA), is a float or boolean, does not fit into int64, or text and
            numbers are mixed.
        ArgumentTypeError: `values` is a data frame instead of one of its columns, or a set, generator or dict.

    Example:
        >>> to_id_array([7, 9])
        array([7, 9])
        >>> to_id_array(["r_1", "r_2"])
        array(['r_1', 'r_2'], dtype=object)
    """
    if hasattr(values, "isna") and hasattr(values, "to_numpy"):
        values = _from_pandas(values, owner, noun)
    elif not isinstance(values, np.ndarray):
        values = _from_sequence(values, owner)
    kind = values.dtype.kind
    if kind == "i":
        return values.astype(np.int64, copy=False)
    if kind == "u":
        _refuse_above_int64(values, owner)
        return values.astype(np.int64)
    if kind == "U":
        return values.astype(object)
    if kind == "T":  # NumPy's variable-length strings, which may be missing
        return _from_objects(values.astype(object), owner, noun)
    if kind == "S":
        return _decode(values.astype(object), owner)
    if kind == "O":
        return _from_objects(values, owner, noun)
    if kind == "f":
        _refuse_missing(np.isnan(values), owner, noun)
        raise IdError(explain(owner, "ids must be integers or text, not floats", ids=values, fix=_FLOAT_FIX))
    raise IdError(explain(owner, "ids must be integers or text", ids=values, fix="Convert them to int64 or str"))


def is_text(ids: np.ndarray) -> bool:
    """Returns whether an array from `to_id_array` holds text.

    Example:
        >>> is_text(to_id_array(["a"]))
        True
    """
    return ids.dtype == object


_FLOAT_FIX = 'Whole numbers become ids by .astype("int64"); a column that pandas read as float has missing values'


def _from_pandas(values: Any, owner: str, noun: str) -> np.ndarray:
    if values.ndim != 1 or hasattr(values, "levels"):  # a frame, or an index of several columns
        kind, fix = type(values).__name__, 'Pass one column, for example frame["recipe_id"]'
        raise ArgumentTypeError(explain(owner, f"ids are needed, not a {kind}", ids=values, fix=fix))
    _refuse_missing(np.asarray(values.isna()), owner, noun)
    if values.dtype.name == "category":
        return np.asarray(values)
    # By default a nullable integer column would become object or float64.
    if values.dtype.kind == "i":
        return values.to_numpy(dtype=np.int64)
    if values.dtype.kind == "u":
        return values.to_numpy(dtype=np.uint64)
    if values.dtype.kind == "f":
        return values.to_numpy(dtype=np.float64)
    return values.to_numpy(dtype=object)


def _from_sequence(values: Any, owner: str) -> np.ndarray:
    if hasattr(values, "numpy"):
        values = values.numpy()
    if isinstance(values, (np.ndarray, np.generic)):
        return np.asarray(values)
    # np.asarray would silently turn [1, "a"] into text; objects keep their types, which are checked.
    array = np.array(values, dtype=object)
    if array.ndim == 0 and isinstance(values, Iterable) and not isinstance(values, (str, bytes)):
        problem = f"ordered ids are needed, not a {type(values).__name__}"
        raise ArgumentTypeError(explain(owner, problem, ids=values, fix="Pass a list, for example sorted(ids)"))
    return array


def _from_objects(values: np.ndarray, owner: str, noun: str) -> np.ndarray:
    flat = values.ravel().tolist()
    types = set(map(type, flat))
    if types <= {str}:
        return values if flat else values.astype(np.int64)
    if types <= {int}:
        return _to_int64(flat, values.shape, owner)
    missing = np.fromiter(map(_is_missing, flat), dtype=bool, count=len(flat))
    _refuse_missing(missing, owner, noun)
    if all(issubclass(each, str) for each in types):
        return _fill([str(value) for value in flat], values.shape)
    if all(issubclass(each, bytes) for each in types):
        return _decode(values, owner)
    if all(issubclass(each, (int, np.integer)) and each is not bool for each in types):
        return _to_int64([int(value) for value in flat], values.shape, owner)
    names = sorted(each.__name__ for each in types)
    if all(issubclass(each, (float, np.floating)) for each in types):
        raise IdError(explain(owner, "ids must be integers or text, not floats", ids=values, fix=_FLOAT_FIX))
    fix = "Give ids of one type, integers or text"
    raise IdError(explain(owner, "ids must be all integers or all text", types=names, fix=fix))


def _fill(flat: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(len(flat), dtype=object)
    array[:] = flat
    return array.reshape(shape)


def _decode(values: np.ndarray, owner: str) -> np.ndarray:
    try:
        return _fill([value.decode("utf-8") for value in values.ravel().tolist()], values.shape)
    except UnicodeDecodeError as error:
        fix = "Decode them first, and pass str"
        raise IdError(explain(owner, "ids given as bytes must be UTF-8", ids=error.object, fix=fix)) from error


def _to_int64(flat: list[int], shape: tuple[int, ...], owner: str) -> np.ndarray:
    try:
        return np.array(flat, dtype=np.int64).reshape(shape)
    except OverflowError as error:
        large = [value for value in flat if not _INT64.min <= value <= _INT64.max]
        raise IdError(_too_large(large, owner)) from error


def _refuse_above_int64(values: np.ndarray, owner: str) -> None:
    large = values[values > np.uint64(_INT64.max)]
    if large.size:
        raise IdError(_too_large(large.ravel(), owner))


def _too_large(large: Any, owner: str) -> str:
    return explain(owner, f"{len(large)} ids do not fit into int64: {describe_ids(large)}", fix="Pass them as text")


def _is_missing(value: Any) -> bool:
    # NaN, NaT and pandas' NA: NaN differs from itself, the others are told by their types.
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )


def _refuse_missing(missing: np.ndarray, owner: str, noun: str) -> None:
    count = int(np.count_nonzero(missing))
    if count:
        positions = describe_ids(np.flatnonzero(missing))
        problem = f"{count} of {missing.size} {noun} are missing (NaN, None or NA), first at position {positions}"
        raise IdError(explain(owner, problem, fix="Drop these rows, for example with DataFrame.dropna"))
