"""Which training rows to hold out, so that choices are made on rows that training has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.columns.time_arrays import MISSING_TIME

# More would take longer to rank and tell little more.
_MOST_ROWS = 10_000
_LEAST_ROWS = 100
_LEAST_TRAINING_ROWS = 500
# One of so many rows is held out.
_SHARE = 10


def held_out_rows(num_rows: int, query_ids: Any, times: np.ndarray | None, seed: int | None) -> np.ndarray | None:
    """Returns which rows to hold out: of each query the newest tenth, or random ones where there are no times.

    A query keeps a row, and of one row nothing is held out: of a query that training does not see nothing could be
    learned. It is at most a tenth of all rows, and at most 10,000.

    Args:
        num_rows: How many rows there are.
        query_ids: Of the rows, shape `(num_rows,)`; `None` where they are not known, and any row may be held out.
        times: Of the rows, int64 of shape `(num_rows,)` as `features.Time` reads them, or `None`.
        seed: Seed of the choice.

    Returns:
        bool of shape `(num_rows,)`; `None` where there would be fewer than 100, or fewer than 500 for training, which
        is too few to tell anything by.

    Example:
        >>> rows = held_out_rows(2_000, np.repeat(range(100), 20), np.tile(np.arange(20), 100), seed=1)
        >>> int(rows.sum()), bool(rows.reshape(100, 20)[:, -2:].all())
        (200, True)
        >>> held_out_rows(2_000, np.arange(2_000), None, seed=1) is None
        True
    """
    order = np.random.default_rng(seed).permutation(num_rows)
    if times is not None:
        known = np.where(times == MISSING_TIME, np.iinfo(np.int64).min, times)
        order = order[np.argsort(known[order], kind="stable")]
    queries = np.zeros(num_rows, np.int64) if query_ids is None else pd.factorize(np.asarray(query_ids))[0]
    ordered = pd.Series(queries[order])
    from_end = ordered.groupby(ordered).cumcount(ascending=False).to_numpy()
    counts = np.bincount(queries)[ordered]
    newest = order[(from_end < -(-counts // _SHARE)) & (from_end < counts - 1)]
    size = min(num_rows // _SHARE, _MOST_ROWS, len(newest))
    if size < _LEAST_ROWS or num_rows - size < _LEAST_TRAINING_ROWS:
        return None
    chosen = np.zeros(num_rows, dtype=bool)
    chosen[np.random.default_rng(seed).choice(newest, size, replace=False)] = True
    return chosen
