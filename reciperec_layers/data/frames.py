"""CSV files read into frames whose ids keep the form they have in the file."""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from reciperec_layers.columns.names import require_column
from reciperec_layers.data.separators import check_separator, find_separator
from reciperec_layers.errors import ArgumentError, ColumnError, IdError, describe_ids, explain

FilePath = str | os.PathLike[str]

_FIX = "Pass a file with commas, tabs, semicolons or pipes between fields and the names of columns in its first line"
_FIX_OF_PARQUET = (
    "Write it as CSV: pandas.read_parquet(...).to_csv(...). "
    "From Python, RetrievalModel.from_data takes the frame as it is"
)
_PARQUET = b"PAR1"
_LINES_LOOKED_AT = 50


def read_csv(path: FilePath, ids: Iterable[str] = ("user_id",), *, sep: str | None = None) -> pd.DataFrame:
    r"""Reads a CSV file into a frame, with ids exactly as in the file.

    An id column becomes int64 if `str(int(x)) == x` for every id in it and all fit into int64; otherwise it is text,
    so that `00123` stays `00123`, and `NA` is an ordinary id. Nothing is stripped. Columns without a name, such as the
    row numbers that pandas writes, are left out. All other columns are as `pandas.read_csv` reads them.

    Args:
        path: File in UTF-8 whose first line names the columns.
        ids: Columns that hold ids.
        sep: What separates the fields; by default a comma, tab, semicolon or pipe, as the first lines tell.

    Raises:
        ArgumentError: There is no such file, it is not a CSV file, or it has no rows.
        ColumnError: A column of ids is missing.
        IdError: An id is missing.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "interactions.csv"
        >>> size = path.write_text("user_id,recipe_id,rating\n00123,7,5\n456,9,4\n")
        >>> frame = read_csv(path, ids=["user_id", "recipe_id"])
        >>> frame["user_id"].tolist(), frame["recipe_id"].tolist()
        (['00123', '456'], [7, 9])
    """
    names = list(ids)
    frame = read_csv_text_ids(path, names, sep=sep)
    return frame.assign(**{name: ids_from_text(frame[name]) for name in names})


def read_csv_text_ids(
    path: FilePath, ids: Iterable[str], *, texts: Iterable[str] = (), sep: str | None = None
) -> pd.DataFrame:
    r"""Reads a CSV file as `read_csv` does, with all ids as text.

    Args:
        path: As for `read_csv`.
        ids: As for `read_csv`.
        texts: Further columns that are text as it is in the file, which may be empty.
        sep: As for `read_csv`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "interactions.csv"
        >>> size = path.write_text("user_id,recipe_id\n123,7\n")
        >>> read_csv_text_ids(path, ["user_id"])["user_id"].tolist()
        ['123']
    """
    names, texts = list(ids), list(texts)
    owner = _owner(path)
    sep = _separator(path, sep)
    frame = _read(path, sep)
    with noting_one_column(frame.columns):
        for name in (*names, *texts):
            require_column(frame.columns, name, owner)
    if frame.empty:
        raise ArgumentError(explain(owner, "there are no rows below the names of the columns", fix=_FIX))
    # A second pass reads the ids verbatim: the first one stripped zeros and took `NA` for a missing value.
    verbatim = _read(path, sep, usecols=[*names, *texts], dtype=str, na_filter=False)
    frame = frame.assign(**{name: verbatim[name] for name in (*names, *texts)})
    for name in names:
        missing = np.flatnonzero((frame[name] == "").to_numpy())
        if missing.size:
            rows = describe_ids(missing + 1)
            problem = f"{missing.size} of {len(frame)} ids in column {name!r} are missing, in rows {rows}"
            raise IdError(explain(owner, problem, fix="Correct or remove these rows; the first below the names is 1"))
    return frame


def read_columns(path: FilePath, *, sep: str | None = None) -> list[str]:
    r"""Returns the names of a CSV file's columns.

    Args:
        path: As for `read_csv`.
        sep: As for `read_csv`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "interactions.csv"
        >>> size = path.write_text("user_id,recipe_id\n123,7\n")
        >>> read_columns(path)
        ['user_id', 'recipe_id']
    """
    return list(_read(path, _separator(path, sep), nrows=0).columns)


@contextmanager
def noting_one_column(columns: Iterable[str]) -> Iterator[None]:
    """Adds to the error for a missing column that a file has only one, which is often that of another separator.

    Args:
        columns: The columns of the file.

    Example:
        >>> with noting_one_column(["user_id:recipe_id"]):
        ...     raise ColumnError("there is no column 'user_id'.")
        Traceback (most recent call last):
        reciperec_layers.errors.ColumnError: there is no column 'user_id'.
        The file has one column only. If something else ...
    """
    try:
        yield
    except ColumnError as error:
        if len(list(columns)) == 1:
            error.add_note(
                "The file has one column only. If something else than a comma, tab, semicolon or pipe separates its "
                "fields, name it by sep= (--sep)."
            )
        raise


def ids_from_text(column: pd.Series) -> pd.Series:
    """Returns text ids as int64 if each is an integer as Python writes it and fits into int64, else unchanged.

    Example:
        >>> ids_from_text(pd.Series(["7", "-9"])).tolist(), ids_from_text(pd.Series(["7", "09"])).tolist()
        ([7, -9], ['7', '09'])
    """
    texts = column.tolist()
    try:
        numbers = list(map(int, texts))
        is_exact = list(map(str, numbers)) == texts
        return pd.Series(np.array(numbers, dtype=np.int64), column.index, name=column.name) if is_exact else column
    except (ValueError, OverflowError):  # not an integer, or too large for int64
        return column


def _owner(path: FilePath) -> str:
    return f"read_csv: {Path(path).name or Path(path)}"  # `.` and `/` have no name


def _separator(path: FilePath, sep: str | None) -> str:
    if sep is not None:
        return check_separator(sep, _owner(path))
    # Read as the file is, compressed or not, by a separator that no text has.
    options: Any = {"header": None, "nrows": _LINES_LOOKED_AT, "dtype": str, "na_filter": False}
    lines = _read(path, "\x1f", quoting=csv.QUOTE_NONE, **options)
    return find_separator(lines[0].tolist())


def _read(path: FilePath, sep: str, **options: Any) -> pd.DataFrame:
    owner = _owner(path)
    try:
        with warnings.catch_warnings():
            # pandas only warns when it cuts a row that has more fields than names.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(Path(path), sep=sep, index_col=False, low_memory=False, **options)
    except pd.errors.EmptyDataError as error:
        raise ArgumentError(explain(owner, "the file is empty", fix=_FIX)) from error
    except (OSError, EOFError, BadZipFile) as error:
        problem = f"the file cannot be read ({getattr(error, 'strerror', None) or error})"
        raise ArgumentError(explain(owner, problem, path=Path(path), fix="Check the path")) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError) as error:
        if _is_parquet(path):
            raise ArgumentError(explain(owner, "this is a Parquet file", fix=_FIX_OF_PARQUET)) from error
        reason = " ".join(str(error).split())
        raise ArgumentError(explain(owner, f"this is not a CSV file in UTF-8 ({reason})", fix=_FIX)) from error
    return frame.loc[:, [not str(name).startswith("Unnamed: ") for name in frame.columns]]


def _is_parquet(path: FilePath) -> bool:
    with Path(path).open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET
