"""Times of any usual form as integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


def read_times(column: Any, owner: str, name: str) -> tf.Tensor:
    """Temporary."""
    import pandas as pd

    if isinstance(column, tf.Tensor):
        return column
    series = pd.Series(column)
    if series.dtype.kind in "iu":
        return tf.constant(series.to_numpy(np.int64))
    if series.dtype.kind not in "M":
        series = pd.to_datetime(series.str.strip(), format="ISO8601", utc=True)
    return tf.constant(
        series.astype("datetime64[us, UTC]" if series.dt.tz is not None else "datetime64[us]")
        .astype("int64")
        .to_numpy()
    )
