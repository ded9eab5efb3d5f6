"""Values of any simple type as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.missing_values import is_missing
from reciperec_layers.columns.unreadable_values import Report, what_is_wrong
from reciperec_layers.errors import ArgumentTypeError, explain


def value_texts(column: Any, owner: str, name: str, report: Report | None = None) -> np.ndarray:
    """Returns the text of each value of a column, objects that are `str`; a missing value is `""`.

    A value has one text, whatever the type of its column: 3, 3.0 and "3" are "3", since pandas reads whole numbers with
    gaps as floats. Lone surrogates, which UTF-8 cannot hold, become U+FFFD, as do bytes that are not UTF-8.

    Args:
        column: pandas column, NumPy array or list, of shape `(n,)`.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.
        report: Gets which values have lone surrogates.

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
            texts = np.append(_texts(np.asarray(distinct), owner, name), "")[codes]
            return _without_surrogates(_without_masked(texts, column), name, report)
        values = series.to_numpy(dtype=object)
    return _without_surrogates(_without_masked(_texts(values, owner, name), column), name, report)


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
            fix = "Leave the column out, or convert the values to text or numbers"
            raise ArgumentTypeError(explain(owner, problem, fix=fix))
        items = list(map(text_of, items))
    texts[:] = items
    return texts


def _is_container(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))


def _without_surrogates(texts: np.ndarray, name: str, report: Report | None) -> np.ndarray:
    try:
        "".join(texts.tolist()).encode("utf-8")
    except UnicodeEncodeError:
        # Two surrogates that belong together are one character in UTF-16.
        whole = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts.tolist()]
        pairs = zip(texts.tolist(), whole, strict=True)
        has_lone = np.array([text != other and "\ufffd" in other for text, other in pairs])
        if report is not None and has_lone.any():
            report(what_is_wrong(has_lone, texts, name, "have lone surrogates"))
        texts[:] = whole
    return texts


def _without_masked(texts: np.ndarray, column: Any) -> np.ndarray:
    if isinstance(column, np.ma.MaskedArray):
        texts[np.ma.getmaskarray(column)] = ""
    return texts
