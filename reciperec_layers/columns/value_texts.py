"""Values of any simple type as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.missing_values import is_missing
from reciperec_layers.errors import ArgumentTypeError, explain


def value_texts(column: Any, owner: str, name: str) -> np.ndarray:
    """Returns the text of each value of a column, objects that are `str`; a missing value is `""`.

    A value has one text, whatever the type of its column: 3, 3.0 and "3" are "3", since pandas reads whole numbers with
    gaps as floats.

    Args:
        column: pandas column, NumPy array or list, of shape `(n,)`.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.

    Raises:
        ArgumentTypeError: A value is a list, dict or array, or the column is not of shape `(n,)` or a single text.

    Example:
        >>> value_texts([3.0, True, "pie", None, 2.5], "Category", "kind").tolist()
        ['3', 'True', 'pie', '', '2.5']
    """
    column = from_arrow(column, owner, name)
    if getattr(column, "ndim", 1) != 1 or isinstance(column, (str, bytes)):
        problem = f"column {name!r} must have one value per row"
        raise ArgumentTypeError(explain(owner, problem, column=column, fix="Pass a column of shape (n,)"))
    if isinstance(column, np.ndarray) and column.dtype.kind == "O":
        values = column
    else:
        series = pd.Series(column, dtype=object if isinstance(column, (list, tuple)) else None)
        # Texts of numbers and categories are made once for each distinct value, of which there are few.
        if series.dtype.kind in "biuf" or series.dtype.name == "category":
            codes, distinct = pd.factorize(series)
            texts = np.append(_texts(np.asarray(distinct), owner, name), "")
            return _without_masked(texts[codes], column)
        values = series.to_numpy(dtype=object)
    return _without_masked(_texts(values, owner, name), column)


def text_of(value: Any) -> str:
    """Returns the text of a single value.

    Example:
        >>> [text_of(value) for value in (7, 7.0, 7.5, True, b"pie", None)]
        ['7', '7', '7.5', 'True', 'pie', '']
    """
    if is_missing(value):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _texts(values: Any, owner: str, name: str) -> np.ndarray:
    items = list(values)
    texts = np.empty(len(items), dtype=object)
    if not set(map(type, items)) <= {str}:
        refused = sorted({type(each).__name__ for each in items if _is_container(each)})
        if refused:
            problem = f"column {name!r} has values of type {', '.join(refused)}, which have no text"
            fix = "Leave the column out, or use an encoder of lists or vectors"
            raise ArgumentTypeError(explain(owner, problem, fix=fix))
        items = list(map(text_of, items))
    texts[:] = items
    return texts


def _is_container(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))


def _without_masked(texts: np.ndarray, column: Any) -> np.ndarray:
    if isinstance(column, np.ma.MaskedArray):
        texts[np.ma.getmaskarray(column)] = ""
    return texts
