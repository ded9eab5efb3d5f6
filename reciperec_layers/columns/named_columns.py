"""Columns by name: the one place that distinguishes a data frame or dict from a bare column."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from reciperec_layers.errors import ArgumentTypeError, explain


def has_named_columns(value: Any) -> bool:
    """Returns whether a value holds columns by name: a dict or a data frame.

    Example:
        >>> has_named_columns({"user_id": [7]}), has_named_columns([7])
        (True, False)
    """
    return isinstance(value, Mapping) or (hasattr(value, "columns") and hasattr(value, "iloc"))


def require_named_columns(value: Any, owner: str, argument: str) -> Any:
    """Returns a data frame or dict of columns as it is.

    Args:
        value: What a user has given, after `from_arrow`.
        owner: Name of the caller, for messages.
        argument: Name of the argument.

    Raises:
        ArgumentTypeError: It is anything else.

    Example:
        >>> require_named_columns("train.csv", "RetrievalModel.from_data", "interactions")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentTypeError: RetrievalModel.from_data: `interactions` must be a data frame ...
    """
    if not has_named_columns(value):
        kinds = "a data frame (pandas, polars, pyarrow or what else speaks Arrow) or a dict of columns"
        problem = f"`{argument}` must be {kinds}"
        raise ArgumentTypeError(explain(owner, problem, fix=way_to_columns(value), **{argument: value}))
    return value


def way_to_columns(value: Any) -> str:
    """Returns how to make a data frame of what is none, for messages.

    Example:
        >>> way_to_columns([{"user_id": 7}])
        'Convert it, for example by pandas.DataFrame(data)'
    """
    if isinstance(value, PurePath) or (isinstance(value, str) and PurePath(value).suffix):
        reader = "read_parquet" if str(value).endswith((".parquet", ".pq")) else "read_csv"
        return f"Read the file, for example by pandas.{reader}({str(value)!r})"
    if callable(getattr(value, "collect", None)):
        return "Compute it: call its method .collect()"
    if isinstance(value, np.ndarray):
        return "Convert it, for example by pandas.DataFrame(data, columns=[...])"
    if hasattr(value, "__len__") and not isinstance(value, str):
        return "Convert it, for example by pandas.DataFrame(data)"
    return 'Pass a data frame, or for example {"user_id": [7, 9]}'
