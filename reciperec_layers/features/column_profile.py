"""ColumnProfile: a column with its distinct and missing values and a sample."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE_SIZE = 5_000
_MIN_OTHERS = 10
_NUM_SHOWN = 100
_NUM_EXAMPLES = 3
_EXAMPLE_CHARS = 30
_EXACT_BELOW = 1e16
_NUMERIC = "biuf"
_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][-+]?\d+)?")


class ColumnProfile:
    """A column with what is counted in it once: distinct values, missing ones, and a sample of the others.

    `codes` has the same number for equal values and -1 for missing ones, int64 of shape `(n,)`; it and `num_distinct`
    are `None` for lists, arrays and dicts, which cannot be hashed. `missing` says which values are, blank text too.
    `sample` has up to 5,000 of the others, from all over the column, as Python objects.

    Args:
        name: Name of the column.
        column: The column. Categories are read as the values that they stand for, and numbers in text as numbers.

    Example:
        >>> import pandas as pd
        >>> profile = ColumnProfile("diet", pd.Series(["vegan", "", None, "vegan"]))
        >>> profile.num_distinct, profile.missing.tolist(), profile.sample
        (1, [False, True, True, False], ['vegan', 'vegan'])
    """

    def __init__(self, name: Any, column: pd.Series) -> None:
        self.name = str(name)
        self.is_categorical = column.dtype.name == "category"
        if self.is_categorical:
            # Integers have no missing value.
            column = column.astype(object if column.hasnans else column.cat.categories.dtype)
        self._look(column)
        self._shown = self.sample[:_NUM_SHOWN]  # numbers in text as they are written
        if not self.is_numeric and self.sample and all(map(_is_number, self.sample)):
            self._look(_to_numbers(self.column, self.missing))

    def _look(self, column: pd.Series) -> None:
        self.column = column
        self.codes, self.num_distinct = _count(column)
        self.missing = column.isna().to_numpy(dtype=bool) if self.codes is None else self.codes < 0
        known = np.flatnonzero(~self.missing)
        if len(known) > _SAMPLE_SIZE:
            known = np.sort(np.random.default_rng(0).choice(known, _SAMPLE_SIZE, replace=False))
        self.sample: list[Any] = column.iloc[known].tolist()

    @property
    def num_known(self) -> int:
        """Number of rows with a value."""
        return int(np.count_nonzero(~self.missing))

    @property
    def share_missing(self) -> float:
        """Share of the rows without a value."""
        return float(self.missing.mean())

    @property
    def share_distinct(self) -> float:
        """Number of distinct values, by rows with a value; of the sample where they cannot be hashed, 1."""
        return 1.0 if self.num_distinct is None else self.num_distinct / max(self.num_known, 1)

    @property
    def share_distinct_but_one(self) -> float:
        """The same without the rows of the most frequent value; 0 where fewer than 10 are left."""
        if self.codes is None:
            return 1.0
        counts = np.bincount(self.codes[~self.missing], minlength=1)
        num_others = self.num_known - int(counts.max())
        return (np.count_nonzero(counts) - 1) / num_others if num_others >= _MIN_OTHERS else 0.0

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers or booleans."""
        return self.column.dtype.kind in _NUMERIC

    @cached_property
    def numbers(self) -> np.ndarray:
        """The values of a numeric column, float64 of shape `(n,)`, NaN where one is missing."""
        return self.column.to_numpy(dtype=np.float64, na_value=np.nan)

    @property
    def examples(self) -> tuple[str, ...]:
        """A few different values as short text."""
        texts = dict.fromkeys(map(short_text, self._shown))
        return tuple(texts)[:_NUM_EXAMPLES]


def _is_number(value: Any) -> bool:
    """Returns whether a value is a number, or text of one that is not a code with leading zeros."""
    if isinstance(value, str):
        return _NUMBER.fullmatch(value.strip()) is not None
    return isinstance(value, (int, float, Decimal, np.number)) and not isinstance(value, bool)


def _to_numbers(column: pd.Series, missing: np.ndarray) -> pd.Series:
    """Returns a column as float64, or as it is where not all of it are numbers."""
    import pandas as pd  # not needed to train, and slow to import

    numbers = pd.to_numeric(column.where(~missing, None), errors="coerce").astype(np.float64)
    return column if (numbers.isna().to_numpy() & ~missing).any() else numbers


def short_text(value: Any) -> str:
    r"""Returns a value in one short printable line.

    Example:
        >>> short_text("Pork Loin, Apples,\n and Sauerkraut")
        'Pork Loin, Apples, and Saue...'
    """
    if isinstance(value, (str, bytes)):
        shown = value[: 4 * _EXAMPLE_CHARS]
        text = shown if isinstance(shown, str) else repr(shown)
    elif isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim):
        text = f"[{', '.join(map(short_text, value[:8]))}]"
    elif isinstance(value, (float, np.floating)):
        text = _text_of_float(float(value))
    else:
        text = str(value)
    text = " ".join(text.split())
    text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return text if len(text) <= _EXAMPLE_CHARS else text[: _EXAMPLE_CHARS - 3].rstrip() + "..."


def _text_of_float(value: float) -> str:
    """Returns four digits of a number, and all before the point as far as a float has them."""
    if abs(value) >= _EXACT_BELOW:
        return f"{value:.4g}"
    if value.is_integer():
        return str(int(value))
    return f"{value:.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def _count(column: pd.Series) -> tuple[np.ndarray | None, int | None]:
    """Returns codes of the values, -1 for missing ones and blank text, and the number of distinct ones."""
    import pandas as pd  # not needed to train, and slow to import

    try:
        codes, distinct = pd.factorize(column)
    except (TypeError, NotImplementedError):  # lists, arrays and dicts cannot be hashed
        return None, None
    if column.dtype.kind in _NUMERIC or column.dtype.kind in "mM":
        return codes, len(distinct)
    values = np.asarray(distinct, dtype=object).tolist()
    is_blank = np.fromiter((isinstance(each, str) and not each.strip() for each in values), bool, len(values))
    if is_blank.any():
        codes = np.where((codes >= 0) & is_blank[codes], -1, codes)
    return codes, len(distinct) - int(is_blank.sum())
