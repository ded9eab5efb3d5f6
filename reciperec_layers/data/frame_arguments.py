"""Frames that the functions on data take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reciperec_layers.columns.frames import to_frame
from reciperec_layers.columns.named_columns import way_to_columns
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain


def check_frame(frame: Any, owner: str, min_rows: int = 1, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Returns a pandas frame that has at least `min_rows` rows.

    Args:
        frame: pandas frame, or a table that speaks Arrow.
        owner: Name of the caller, for messages.
        min_rows: Number of rows that are needed.
        names: Columns that are needed; by default all. A pandas frame stays whole.

    Raises:
        ArgumentTypeError: It is not a data frame.
        ArgumentError: It has fewer rows.

    Example:
        >>> len(check_frame(pd.DataFrame({"user_id": [7]}), "seen"))
        1
    """
    frame = to_frame(frame, owner, names)
    if not isinstance(frame, pd.DataFrame):
        raise ArgumentTypeError(explain(owner, "a data frame is needed", frame=frame, fix=way_to_columns(frame)))
    if len(frame) < min_rows:
        problem = f"at least {min_rows} row{'s are' if min_rows > 1 else ' is'} needed"
        raise ArgumentError(explain(owner, problem, frame=frame, fix="Check how the frame was read or filtered"))
    return frame
