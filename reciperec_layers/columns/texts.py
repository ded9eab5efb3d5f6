"""Columns of text in which values may be missing, and numbers may stand where text is meant."""

from __future__ import annotations

from typing import Any

import numpy as np

from reciperec_layers.columns.missing_values import is_missing
from reciperec_layers.errors import ArgumentTypeError, describe_ids, explain

_FIX = "Convert the values to text, for example by .astype(str)"


def to_texts(column: Any, owner: str, name: str) -> np.ndarray:
    """Converts a column to text: numbers as `text_of` writes them, missing values as empty text.

    Args:
        column: pandas column, NumPy array or list of rank 1.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.

    Returns:
        Object array of `str`, shape `(n,)`.

    Raises:
        ArgumentTypeError: A value is neither text nor a number, or the column is a single text.

    Example:
        >>> to_texts(["pie", None, 300, float("nan")], "Text", "title").tolist()
        ['pie', '', '300', '']
    """
    where = f"{owner}: column {name!r}"
    if isinstance(column, (str, bytes)):
        problem = "one entry per row is needed, not a single value"
        raise ArgumentTypeError(explain(where, problem, value=column, fix="Put the value into a list"))
    if getattr(getattr(column, "dtype", None), "name", None) == "category":
        categorical = getattr(column, "cat", column)
        categories = to_texts(categorical.categories, owner, name)
        codes = np.asarray(categorical.codes, dtype=np.int64)
        return np.append(categories, np.array([""], dtype=object))[codes]  # code -1 is missing
    values = column.tolist() if hasattr(column, "tolist") else list(column)
    if not set(map(type, values)) <= {str}:
        other = [value for value in values if not _is_text_or_number(value)]
        if other:
            types = ", ".join(sorted({type(value).__name__ for value in other}))
            problem = f"{len(other)} of {len(values)} values are not text but {types}: {describe_ids(other)}"
            raise ArgumentTypeError(explain(where, problem, fix=_FIX))
        values = [text_of(value) for value in values]
    texts = np.empty(len(values), dtype=object)
    texts[:] = values
    return texts


def text_of(value: Any) -> str:
    """Returns text for a single value: whole numbers without a fraction, bytes read as UTF-8, missing ones empty.

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


def _is_text_or_number(value: Any) -> bool:
    is_single = isinstance(value, (str, bytes, int, float, np.number, np.bool_)) and not isinstance(
        value, np.timedelta64
    )
    return is_single or is_missing(value)
