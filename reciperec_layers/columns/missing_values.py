"""Values that are missing: `None`, NaN, NA, and the masked values of NumPy's masked arrays."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import numpy as np

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.errors import IdError, describe_ids, explain


def is_missing(value: Any) -> bool:
    """Returns whether a Python object stands for a missing value.

    Example:
        >>> [is_missing(value) for value in (None, float("nan"), np.ma.masked, "", 0)]
        [True, True, True, False, False]
    """
    # NaN, NaT and pandas' NA: NaN differs from itself, the others are told by their types.
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(value != value)


def missing_entries(column: Any) -> np.ndarray:
    """Returns which entries of a column are missing, bool of shape `(n,)`.

    Args:
        column: pandas column, NumPy array, also masked, list, column that speaks Arrow, or tensor.

    Example:
        >>> missing_entries(["a", None, float("nan")]).tolist()
        [False, True, True]
    """
    column = from_arrow(column, "missing_entries")
    if hasattr(column, "isna"):
        return np.asarray(column.isna(), dtype=bool)
    if isinstance(column, np.ma.MaskedArray) and column.ndim == 1:
        return np.ma.getmaskarray(column) | missing_entries(column.data)
    if isinstance(column, np.ndarray) and column.dtype.kind != "O":
        is_missing_number = column.ndim == 1 and column.dtype.kind in "fcmM"
        return np.isnan(column) if is_missing_number else np.zeros(len(column), bool)
    if hasattr(column, "dtype") and not isinstance(column, np.ndarray):  # a tensor
        return np.zeros(len(column), bool)
    return np.fromiter(map(is_missing, column), dtype=bool, count=len(column))


def refuse_missing(missing: np.ndarray, owner: str, noun: str) -> None:
    """Raises `IdError` with the number of missing values, unless there are none.

    Args:
        missing: Which values are missing, bool of any shape.
        owner: Name of the caller, for messages.
        noun: What the values are, for messages; "values" of a column that need not be read.

    Example:
        >>> refuse_missing(np.array([False, True]), "batches: column 'recipe_name'", "values")
        Traceback (most recent call last):
        reciperec_layers.errors.IdError: batches: column 'recipe_name': 1 of 2 values are missing (NaN, None or NA), ...
    """
    count = int(np.count_nonzero(missing))
    if count:
        positions = describe_ids(np.flatnonzero(missing))
        problem = f"{count} of {missing.size} {noun} are missing (NaN, None or NA), first at position {positions}"
        all_are = count == missing.size
        fix = f"Check how the {noun} were read" if all_are else "Drop these rows, for example with DataFrame.dropna"
        if noun == "values":
            fix += ", or leave the column out, as RetrievalModel.batches does with those that the model does not read"
        raise IdError(explain(owner, problem, fix=fix))


def refuse_missing_ids(column: Any, owner: str) -> None:
    """Raises `IdError` where ids of a column are missing: a row of training or a query says whose it is.

    Args:
        column: As for `missing_entries`; what has no length passes.
        owner: Name of the caller and of the column, for messages.

    Example:
        >>> refuse_missing_ids([7, None], "fit: column 'user_id'")
        Traceback (most recent call last):
        reciperec_layers.errors.IdError: fit: column 'user_id': 1 of 2 ids are missing (NaN, None or NA), first at ...
    """
    if isinstance(column, Sized):
        refuse_missing(missing_entries(column), owner, "ids")


def without_mask(values: Any, owner: str, noun: str) -> Any:
    """Returns a masked array of which nothing is masked as a plain array, and anything else as it is.

    NumPy itself would silently take the numbers under the mask.

    Args:
        values: Anything; a list may hold masked arrays.
        owner: Name of the caller, for messages.
        noun: What the values are, for messages.

    Raises:
        IdError: A value is masked.

    Example:
        >>> without_mask(np.ma.array([7, 9]), "recommend", "ids")
        array([7, 9])
    """
    if isinstance(values, (list, tuple)) and any(isinstance(each, np.ma.MaskedArray) for each in values):
        refuse_missing(np.array([each is np.ma.masked for each in values]), owner, noun)
        values = np.ma.array(values)
    if not isinstance(values, np.ma.MaskedArray):
        return values
    refuse_missing(np.ma.getmaskarray(values), owner, noun)
    return values.data
