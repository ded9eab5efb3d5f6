"""Frames that the functions on data take."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain


def check_frame(frame: Any, owner: str, min_rows: int = 1) -> pd.DataFrame:
    """Returns a frame that has at least `min_rows` rows.

    Raises:
        ArgumentTypeError: It is not a DataFrame.
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
