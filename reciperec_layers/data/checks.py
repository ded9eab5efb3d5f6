"""Checks of frames and numbers that every function on data makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.arguments import is_integer
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain


def check_frame(frame: Any, owner: str, min_rows: int = 1) -> pd.DataFrame:
    """Returns a frame that has at least `min_rows` rows.

    Raises:
        ArgumentTypeError: It is no DataFrame.
        ArgumentError: It has fewer rows.

    Example:
        >>> len(check_frame(pd.DataFrame({"user_id": [7]}), "seen"))
        1
    """
    if not isinstance(frame, pd.DataFrame):
        fix = "Convert it, for example with pandas.DataFrame(data)"
        raise ArgumentTypeError(explain(owner, "a pandas DataFrame is needed", frame=frame, fix=fix))
    if len(frame) < min_rows:
        problem = f"at least {min_rows} row{'s are' if min_rows > 1 else ' is'} needed"
        raise ArgumentError(explain(owner, problem, frame=frame, fix="Check how the frame was read or filtered"))
    return frame


def check_integer(value: Any, name: str, owner: str, low: int = 1, high: int | None = None) -> int:
    """Returns an integer that lies in `low .. high`.

    Raises:
        ArgumentError: It is no integer, or lies outside.

    Example:
        >>> check_integer(3, "batch_size", "batches")
        3
    """
    if not is_integer(value) or value < low or (high is not None and value > high):
        expected = f"an integer in {low} .. {high}" if high is not None else f"an integer that is at least {low}"
        fix = f"Use for example {name}={low}"
        raise ArgumentError(explain(owner, f"`{name}` must be {expected}", fix=fix, **{name: value}))
    return int(value)


def check_fraction(value: Any, name: str, owner: str) -> float:
    """Returns a number between 0 and 1, both excluded.

    Raises:
        ArgumentError: It is no number, or lies outside.

    Example:
        >>> check_fraction(0.2, "test_fraction", "split_by_time")
        0.2
    """
    if not isinstance(value, (int, float, np.number)) or not 0 < value < 1:
        problem = f"`{name}` must lie between 0 and 1, both excluded"
        raise ArgumentError(explain(owner, problem, fix=f"Use for example {name}=0.2", **{name: value}))
    return float(value)
