"""Columns of lists as one text a row: items, and what each weighs, between two control characters."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.missing_values import is_missing
from reciperec_layers.columns.unreadable_values import Report
from reciperec_layers.columns.value_texts import text_of, value_texts
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, describe_ids, explain

# ASCII's own separators of units and of records, which no text has.
END_OF_ITEM = "\x1f"
BEFORE_WEIGHT = "\x1e"
MAX_WEIGHT = 1e6

# Stands for a separator where every text is a list that JSON or Python wrote.
WRITTEN_LISTS = "[]"
# What is between double and between single quotes, for Python and RE2.
BETWEEN_QUOTES = (r'[^"\\]*(?:\\.[^"\\]*)*', r"[^'\\]*(?:\\.[^'\\]*)*")

_NUMBER = r"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
_VALUE = rf"(?:u?\"{BETWEEN_QUOTES[0]}\"|u?'{BETWEEN_QUOTES[1]}'|{_NUMBER}|null|None|nan|NaN|true|True|false|False)"
_VALUES = rf"\s*(?:{_VALUE}(?:\s*,\s*{_VALUE})*(?:\s*,)?)?\s*"
_WRITTEN_LIST = re.compile(rf"\s*(?:\[{_VALUES}\]|\({_VALUES}\)|\{{{_VALUES}\}})\s*", re.DOTALL | re.ASCII)
AROUND_VALUES = " \t\r\n[](){},"

_SEPARATORS = ("^", "|", "\n", "\t", ";", ",")
_LEAST_SHARE = 0.1


def to_list_texts(column: Any, owner: str, name: str, report: Report | None = None) -> np.ndarray:
    r"""Converts a column of lists to text; text stays as it is, and missing values become empty text.

    Each item of a list is followed by `"\x1f"`, and before that by `"\x1e"` and its weight if it has one.

    Args:
        column: pandas column, NumPy array or list. A row is text, a list, tuple, set or array of items, a dict of
            weights by item, or a list of pairs of item and weight.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.
        report: As for `value_texts`.

    Returns:
        Object array of `str`, shape `(n,)`.

    Raises:
        ArgumentTypeError: A row or an item is of another type.
        ArgumentError: A weight is not a number in 0 .. 10^6.

    Example:
        >>> to_list_texts(["egg^milk", ["egg", 7], {"egg": 2}, None], "List", "items").tolist()
        ['egg^milk', 'egg\x1f7\x1f', 'egg\x1e2.0\x1f', '']
    """
    column = from_arrow(column, owner, name)
    if getattr(getattr(column, "dtype", None), "name", None) == "category" or isinstance(column, (str, bytes)):
        return value_texts(column, owner, name, report)
    rows = list(column) if not hasattr(column, "tolist") or isinstance(column, np.ndarray) else column.tolist()
    if set(map(type, rows)) <= {str, type(None)}:
        return value_texts(rows, owner, name, report)
    where = f"{owner}: column {name!r}"
    texts = np.empty(len(rows), dtype=object)
    texts[:] = [_text_of_row(row, where) for row in rows]
    return value_texts(texts, owner, name, report)


def find_item_separator(texts: np.ndarray) -> str:
    """Returns what separates the items in texts: `^`, `|`, a line break, a tab, `;` or `,`; `[]` for written lists.

    Where every text is a list that JSON or Python wrote, and one of them is not empty, it is `[]`. Else it is the first
    of these that a tenth of the texts have, else the one that most have, else a comma.

    Args:
        texts: Object array of `str`, shape `(n,)`.

    Example:
        >>> find_item_separator(np.array(["salt, fine^pepper", "egg"], dtype=object))
        '^'
        >>> find_item_separator(np.array(["['salt, fine', 'pepper']", "[]"], dtype=object))
        '[]'
    """
    known = [text for text in texts.tolist() if text and END_OF_ITEM not in text]
    if all(map(is_written_list, known)) and any(text.strip(AROUND_VALUES) for text in known):
        return WRITTEN_LISTS
    shares = {each: sum(each in text for text in known) / max(len(known), 1) for each in _SEPARATORS}
    frequent = next((each for each, share in shares.items() if share >= _LEAST_SHARE), None)
    if frequent is not None:
        return frequent
    return max(shares, key=lambda each: shares[each]) if any(shares.values()) else ","


def is_written_list(text: str) -> bool:
    """Returns whether a text is a list, tuple or set of text and numbers as JSON or Python writes it.

    Example:
        >>> [is_written_list(text) for text in ('["salt", "egg"]', "['salt', 7, None]", "[]", "['salt' 'egg']", "[[]]")]
        [True, True, True, False, False]
    """
    return _WRITTEN_LIST.fullmatch(text) is not None


def _text_of_row(row: Any, where: str) -> str:
    if isinstance(row, Mapping):
        return "".join(_with_weight(item, weight, where) for item, weight in row.items())
    if isinstance(row, (set, frozenset)):
        row = sorted(row, key=str)
    if isinstance(row, (list, tuple, np.ndarray)):
        return "".join(_text_of_item(item, where) for item in row)
    return _checked_text(row, where, "rows")


def _text_of_item(item: Any, where: str) -> str:
    is_pair = isinstance(item, (tuple, list)) and len(item) == 2
    if is_pair and isinstance(item[1], (int, float, np.number)):
        return _with_weight(item[0], item[1], where)
    return f"{_plain(item, where)}{END_OF_ITEM}"


def _with_weight(item: Any, weight: Any, where: str) -> str:
    number = float(weight) if isinstance(weight, (int, float, np.number)) else math.nan
    if not 0 <= number <= MAX_WEIGHT:
        problem = "weights of items must be numbers in 0 .. 10^6"
        raise ArgumentError(explain(where, problem, item=item, weight=weight, fix="Scale them, or leave the item out"))
    return f"{_plain(item, where)}{BEFORE_WEIGHT}{number!r}{END_OF_ITEM}"


def _plain(item: Any, where: str) -> str:
    return _checked_text(item, where, "items").replace(END_OF_ITEM, " ").replace(BEFORE_WEIGHT, " ")


def _checked_text(value: Any, where: str, noun: str) -> str:
    if isinstance(value, (str, bytes, int, float, np.number, np.bool_)) or is_missing(value):
        return text_of(value)
    problem = f"{noun} of type {type(value).__name__} cannot be read as lists of text: {describe_ids([value])}"
    fix = "Give lists of text or numbers, dicts of weights by item, or text"
    raise ArgumentTypeError(explain(where, problem, fix=fix))
