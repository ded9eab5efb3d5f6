"""Columns of vectors: one array a row, all of one length."""

from __future__ import annotations

from typing import Any

import numpy as np

from reciperec_layers.columns.frames import ArrowColumns, from_arrow
from reciperec_layers.columns.missing_values import is_missing
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, describe_ids, explain

_MAX_FLOAT32 = np.finfo(np.float32).max


def to_vectors(column: Any, owner: str, name: str, dim: int | None = None) -> np.ndarray:
    """Converts a column of vectors to a matrix; the row of a missing vector is NaN.

    Args:
        column: pandas column or list of arrays or lists of numbers, `None`, empty or nothing but NaN where one is
            missing; or an array or data frame of shape `(n, dim)`.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.
        dim: Length of each vector, or `None` for that of the vectors.

    Returns:
        float32, shape `(n, dim)`.

    Raises:
        ArgumentError: Vectors are of unequal lengths or of another one than `dim`, some have NaN or infinite values or
            ones too large for float32, or all are missing and `dim` is not given.
        ArgumentTypeError: A row is not a vector of numbers.

    Example:
        >>> to_vectors([[1, 2], None], "Vector", "image").tolist()
        [[1.0, 2.0], [nan, nan]]
        >>> to_vectors([[1, 2], [3], [4, 5]], "Vector", "image")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Vector: column 'image': 1 of 3 vectors have another length than 2, first
        in rows 1. ...
    """
    column = from_arrow(column, owner, name)
    where = f"{owner}: column {name!r}"
    values = _of_matrix(column)
    if values is None:
        rows = list(column)
        positions = np.array([at for at, row in enumerate(rows) if not _is_missing_row(row)], dtype=np.int64)
        known = [np.asarray(rows[position]) for position in positions]
        dim = _common_length(known, positions, where, dim)
        values = _numbers(known, where).reshape(-1, dim)
    else:
        rows, positions = values, np.arange(len(values))
        dim = _common_length(list(values[:1]), positions[:1], where, dim)
    bad = ~(np.abs(values) <= _MAX_FLOAT32).all(axis=1) & ~np.isnan(values).all(axis=1)
    if bad.any():
        shown = describe_ids(positions[bad])
        problem = f"{bad.sum()} of {len(rows)} vectors have NaN, infinite or too large values, first in rows {shown}"
        fix = "Replace the values, or put None for the whole vector, which makes it missing"
        raise ArgumentError(explain(where, problem, fix=fix))
    vectors = np.full((len(rows), dim), np.nan, np.float32)
    vectors[positions] = values
    return vectors


def _of_matrix(column: Any) -> Any:
    """Returns a column that is a matrix of numbers as an array, else `None`."""
    if isinstance(column, ArrowColumns):
        column = column.to_frame()
    if hasattr(column, "columns") and hasattr(column, "to_numpy"):
        return column.to_numpy(dtype=np.float64)
    if isinstance(column, np.ma.MaskedArray):
        column = np.ma.filled(column.astype(np.float64), np.nan)
    is_matrix = isinstance(column, np.ndarray) and column.ndim == 2 and column.dtype.kind in "fiub"
    return _floats(column) if is_matrix else None


def _floats(values: Any) -> np.ndarray:
    """Returns numbers as float64, which holds whatever float32 cannot; half of that where they fit float32 anyway."""
    array = np.asarray(values)
    return array.astype(np.float32 if array.dtype in (np.float16, np.float32) else np.float64, copy=False)


def _is_missing_row(row: Any) -> bool:
    return len(row) == 0 if isinstance(row, (np.ndarray, list, tuple)) and np.ndim(row) else is_missing(row)


def _common_length(known: list[np.ndarray], positions: np.ndarray, where: str, dim: int | None) -> int:
    flat = [number for number, row in enumerate(known) if row.ndim != 1]
    if flat:
        problem = f"{len(flat)} of {len(known)} rows are not vectors, first in rows {describe_ids(positions[flat])}"
        fix = "Give an array or list of numbers for each row, all of one length, or None"
        raise ArgumentTypeError(explain(where, problem, row=known[flat[0]], fix=fix))
    lengths = np.fromiter(map(len, known), dtype=np.int64, count=len(known))
    if dim is None:
        if not lengths.any():
            fix = "Give a column with vectors, or `dim`"
            raise ArgumentError(explain(where, "there are no vectors, so that their length is unknown", fix=fix))
        dim = int(np.bincount(lengths).argmax())
    other = positions[lengths != dim]
    if len(other):
        shown = describe_ids(other)
        problem = f"{len(other)} of {len(known)} vectors have another length than {dim}, first in rows {shown}"
        fix = "Encode all rows by one encoder, or put None where there is no vector"
        raise ArgumentError(explain(where, problem, lengths=sorted({*lengths.tolist()})[:5], fix=fix))
    return dim


def _numbers(known: list[np.ndarray], where: str) -> np.ndarray:
    try:
        if {row.dtype.kind for row in known} - set("fiubO"):
            raise TypeError
        return _floats(known)
    except (TypeError, ValueError):
        fix = "Convert the vectors to numbers; text that has numbers in it can be read by json.loads"
        raise ArgumentTypeError(explain(where, "vectors must be of numbers", row=known[0], fix=fix)) from None
