"""Raw ids as NumPy arrays: int64, or an object array of `str`; anything else raises an error that says why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.missing_values import is_missing, refuse_missing, without_mask
from reciperec_layers.errors import ArgumentTypeError, IdError, describe_ids, explain

_INT64 = np.iinfo(np.int64)


def to_id_array(
    values: Any, owner: str = "to_id_array", noun: str = "ids", dtype: str | None = None, source: str = "training"
) -> np.ndarray:
    """Converts ids to an int64 array or an object array of `str`.

    Args:
        values: Ids of any rank: a list, NumPy array, pandas column, index or categorical, column that speaks Arrow,
            or eager tensor. Integers of any width that fit into int64, or text; `bytes` are read as UTF-8.
        owner: Name of the caller, for messages.
        noun: What messages call the values.
        dtype: What the ids must be, `"int64"` or `"string"`, or `None` for either.
        source: Where they have this dtype, for messages.

    Returns:
        Array of the same shape, dtype int64 or object. An empty input gives int64.

    Raises:
        IdError: An id is missing (NaN, `None`, NA, masked), is a float or boolean, does not fit into int64, or text and
            numbers are mixed.
        ArgumentTypeError: `values` is a data frame instead of one of its columns, or a set, generator or dict.

    Example:
        >>> to_id_array([7, 9])
        array([7, 9])
        >>> to_id_array(["r_1", "r_2"])
        array(['r_1', 'r_2'], dtype=object)
    """
    values = from_arrow(values, owner)
    try:
        ids = _to_ids(values, owner, noun)
    except IdError:
        if dtype is None or _kinds(values) in (None, _KINDS[dtype]):
            raise
        raise of_other_type(values, dtype, source, owner, noun) from None
    if dtype is not None and ids.size and is_text(ids) != (dtype == "string"):
        raise of_other_type(ids, dtype, source, owner, noun)
    return ids


def of_other_type(values: Any, dtype: str, source: str, owner: str, noun: str = "ids") -> IdError:
    """Returns the error for ids of another type than they had before.

    Args:
        values: The ids.
        dtype: `"int64"` or `"string"`.
        source: Where they have this dtype.
        owner: Name of the caller, for messages.
        noun: What messages call the values.

    Example:
        >>> print(of_other_type(["5"], "int64", "training", "recommend"))
        recommend: ids must be integers, as in training, not text: '5'. Convert them, for example by .astype("int64").
    """
    came = f"{_kinds(values) or 'other values'}: {describe_ids(_flat(values), limit=3)}"
    fix = f"Convert them, for example by .astype({'str' if dtype == 'string' else _QUOTED_INT64})"
    return IdError(explain(owner, f"{noun} must be {_KINDS[dtype]}, as in {source}, not {came}", fix=fix))


def _to_ids(values: Any, owner: str, noun: str) -> np.ndarray:
    if hasattr(values, "isna") and hasattr(values, "to_numpy"):
        values = _from_pandas(values, owner, noun)
    elif isinstance(values, np.ndarray):
        values = without_mask(values, owner, noun)
    else:
        values = _from_sequence(values, owner, noun)
    kind = values.dtype.kind
    if kind == "i":
        return values.astype(np.int64, copy=False)
    if kind == "u":
        _refuse_above_int64(values, owner, noun)
        return values.astype(np.int64)
    if kind == "U":
        return values.astype(object)
    if kind == "T":  # NumPy's variable-length strings, which may be missing
        return _from_objects(values.astype(object), owner, noun)
    if kind == "S":
        return _decode(values.astype(object), owner, noun)
    if kind == "O":
        return _from_objects(values, owner, noun)
    if kind == "f":
        refuse_missing(np.isnan(values), owner, noun)
        raise _refusal(f"{noun} must be integers or text, not floats", FLOAT_FIX, owner, noun, values)
    raise _refusal(f"{noun} must be integers or text", "Convert them to int64 or str", owner, noun, values)


def is_text(ids: np.ndarray) -> bool:
    """Returns whether an array from `to_id_array` holds text.

    Example:
        >>> is_text(to_id_array(["a"]))
        True
    """
    return ids.dtype == object


_KINDS = {"int64": "integers", "string": "text"}
_QUOTED_INT64 = '"int64"'
FLOAT_FIX = 'Whole numbers become ids by .astype("int64"); a column that pandas read as float has missing values'


def _flat(values: Any) -> list[Any]:
    return np.array(values, dtype=object).ravel().tolist()


def _kinds(values: Any) -> str | None:
    """Returns what types of values there are, or `None` where some are missing."""
    flat = _flat(values)
    if any(map(is_missing, flat)):
        return None
    return " and ".join(sorted({_kind(type(value)) for value in flat}))


def _kind(cls: type) -> str:
    named = {
        "booleans": (bool, np.bool_),
        "integers": (int, np.integer),
        "floats": (float, np.floating),
        "text": (str, bytes),
    }
    found = (name for name, classes in named.items() if issubclass(cls, classes))
    return next(found, f"values of type {cls.__name__}")


def _refusal(problem: str, fix: str, owner: str, noun: str, values: Any) -> IdError:
    return IdError(explain(owner, problem, fix=fix, **{noun: values}))


def _from_pandas(values: Any, owner: str, noun: str) -> np.ndarray:
    if values.ndim != 1 or hasattr(values, "levels"):  # a frame, or an index of several columns
        kind, fix = type(values).__name__, 'Pass one column, for example frame["recipe_id"]'
        raise ArgumentTypeError(explain(owner, f"{noun} are needed, not a {kind}", fix=fix, **{noun: values}))
    refuse_missing(np.asarray(values.isna()), owner, noun)
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


def _from_sequence(values: Any, owner: str, noun: str) -> np.ndarray:
    if hasattr(values, "numpy"):
        values = values.numpy()
    if isinstance(values, (np.ndarray, np.generic)):
        return np.asarray(values)
    # np.asarray would silently turn [1, "a"] into text; objects keep their types, which are checked.
    array = np.array(None if isinstance(values, Mapping) else values, dtype=object)
    if array.ndim == 0 and isinstance(values, Iterable) and not isinstance(values, (str, bytes)):
        problem = f"ordered {noun} are needed, not a {type(values).__name__}"
        fix = f"Pass a list, for example sorted({noun})"
        raise ArgumentTypeError(explain(owner, problem, fix=fix, **{noun: values}))
    # Rows that are masked arrays have lost their masks by now; single masked values are objects of their own.
    return array if array.ndim < 2 else np.asarray(without_mask(values, owner, noun), dtype=object)


def _from_objects(values: np.ndarray, owner: str, noun: str) -> np.ndarray:
    flat = values.ravel().tolist()
    types = set(map(type, flat))
    if types <= {str}:
        return values if flat else values.astype(np.int64)
    if types <= {int}:
        return _to_int64(flat, values.shape, owner, noun)
    refuse_missing(np.fromiter(map(is_missing, flat), dtype=bool, count=len(flat)), owner, noun)
    if all(issubclass(each, str) for each in types):
        return _fill([str(value) for value in flat], values.shape)
    if all(issubclass(each, bytes) for each in types):
        return _decode(values, owner, noun)
    if all(issubclass(each, (int, np.integer)) and each is not bool for each in types):
        return _to_int64([int(value) for value in flat], values.shape, owner, noun)
    names = sorted(each.__name__ for each in types)
    if all(issubclass(each, (float, np.floating)) for each in types):
        raise _refusal(f"{noun} must be integers or text, not floats", FLOAT_FIX, owner, noun, values)
    fix = f"Give {noun} of one type, integers or text"
    raise IdError(explain(owner, f"{noun} must be all integers or all text", types=names, fix=fix))


def _fill(flat: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(len(flat), dtype=object)
    array[:] = flat
    return array.reshape(shape)


def _decode(values: np.ndarray, owner: str, noun: str) -> np.ndarray:
    try:
        return _fill([value.decode("utf-8") for value in values.ravel().tolist()], values.shape)
    except UnicodeDecodeError as error:
        fix = "Decode them first, and pass str"
        raise _refusal(f"{noun} given as bytes must be UTF-8", fix, owner, noun, error.object) from error


def _to_int64(flat: list[int], shape: tuple[int, ...], owner: str, noun: str) -> np.ndarray:
    try:
        return np.array(flat, dtype=np.int64).reshape(shape)
    except OverflowError as error:
        large = [value for value in flat if not _INT64.min <= value <= _INT64.max]
        raise IdError(_too_large(large, owner, noun)) from error


def _refuse_above_int64(values: np.ndarray, owner: str, noun: str) -> None:
    large = values[values > np.uint64(_INT64.max)]
    if large.size:
        raise IdError(_too_large(large.ravel(), owner, noun))


def _too_large(large: Any, owner: str, noun: str) -> str:
    problem = f"{len(large)} {noun} do not fit into int64: {describe_ids(large)}"
    return explain(owner, problem, fix="Pass them as text")
