"""Splits of interactions into training and test rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.columns.names import require_column
from reciperec_layers.data.frame_arguments import check_frame
from reciperec_layers.data.times import time_ranks
from reciperec_layers.errors import ArgumentError, explain

# With a handful of rows the share is always off, and with times by the day it is off by less.
_MAX_SHARE_OFF = 0.1
_FEW_ROWS = 20


def split_by_time(frame: Any, time: str, test_fraction: float = 0.2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits interactions by time: earlier rows for training, later ones for the test.

    Rows with the same time are never separated. Those at the cut go to the side that brings the share of test rows
    closer to `test_fraction`, to the test set on a tie; neither side is ever empty. If the share is then off by more
    than 0.1, a `UserWarning` says so when there are more than 20 rows.

    Args:
        frame: Data frame of interactions, at least two rows.
        time: Column of numbers, datetimes or ISO-8601 text, whose fractions of seconds and surrounding white space may
            differ from row to row. Times without a time zone are UTC.
        test_fraction: Share of rows for the test, between 0 and 1; default 0.2.

    Returns:
        `(train, test)`, pandas frames with rows and index as in `frame`, in its order.

    Raises:
        ColumnError: There is no such column.
        ArgumentError: Too few rows, `test_fraction` outside of (0, 1), a time that is missing or cannot be read, or all
            times equal.

    Example:
        >>> times = ["2017-04-22", "2013-06-20T15:50:25.96", "2015-02-14"]
        >>> frame = pd.DataFrame({"user_id": [7, 9, 7], "time": times})
        >>> train, test = split_by_time(frame, "time", test_fraction=0.4)
        >>> test["time"].tolist()
        ['2017-04-22']
    """
    owner = "split_by_time"
    frame = check_frame(frame, owner, min_rows=2)
    wanted = _test_rows(owner, test_fraction, len(frame))
    ranks = time_ranks(frame[require_column(frame.columns, time, owner)], owner)
    cut = np.sort(ranks)[len(frame) - wanted]
    choices = [mask for mask in (ranks >= cut, ranks > cut) if 0 < mask.sum() < len(frame)]
    if not choices:
        problem = f"all {len(frame)} rows have the same time in column {time!r}, so none is later"
        raise ArgumentError(explain(owner, problem, fix="Use split_random, or another column"))
    test = min(choices, key=lambda mask: abs(int(mask.sum()) - wanted))
    share = test.mean()
    if abs(share - wanted / len(frame)) > _MAX_SHARE_OFF and len(frame) > _FEW_ROWS:
        warnings.warn(
            f"split_by_time: {share:.0%} of the rows are test rows, not {test_fraction:.0%}: many rows have the same "
            f"time in column {time!r} and are not separated.",
            stacklevel=2,
        )
    return _parted(frame, test)


def split_random(
    frame: Any,
    test_fraction: float = 0.2,
    *,
    test_size: int | None = None,
    train_size: int | None = None,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits interactions at random.

    Args:
        frame: Data frame of interactions, at least two rows.
        test_fraction: Share of rows for the test, between 0 and 1; default 0.2. Ignored when a size is given.
        test_size: Number of rows for the test; by default all that are not for training.
        train_size: Number of rows for training; by default all that are not for the test. When both sizes are given,
            rows that remain are in neither.
        seed: Non-negative integer; one seed gives one split.

    Returns:
        `(train, test)`, pandas frames with rows and index as in `frame`, in its order.

    Raises:
        ArgumentError: Too few rows, `test_fraction` outside of (0, 1), or sizes that are not positive integers or
            exceed the number of rows.

    Example:
        >>> train, test = split_random(pd.DataFrame({"user_id": [7, 9, 7]}), test_size=1, seed=0)
        >>> len(train), len(test)
        (2, 1)
    """
    owner = "split_random"
    frame = check_frame(frame, owner, min_rows=2)
    rows = len(frame)
    seed = check_integer(owner, "seed", seed, least=0)
    if test_size is None and train_size is None:
        test_size = _test_rows(owner, test_fraction, rows)
    if test_size is not None:
        test_size = check_integer(owner, "test_size", test_size, most=rows - 1)
    if train_size is not None:
        train_size = check_integer(owner, "train_size", train_size, most=rows - (test_size or 1))
    if test_size is None:
        test_size = rows - train_size  # type: ignore[operator]
    order = np.random.default_rng(seed).permutation(rows)
    test = np.sort(order[:test_size])
    train = np.sort(order[test_size:][:train_size])
    return frame.iloc[train].copy(), frame.iloc[test].copy()


def split_leave_last_out(
    frame: Any, query: str, time: str | None = None, num_test: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Holds out the last rows of each query for the test; all others are for training.

    At least one row of each query stays in training, so fewer rows of a query with few rows are held out.

    Args:
        frame: Data frame of interactions, at least two rows.
        query: Column of query ids.
        time: Column of times, as for `split_by_time`; rows with the same time keep the order of the frame. By default
            the frame is taken to be in the order of time.
        num_test: Rows of each query for the test, at least 1; default 1.

    Returns:
        `(train, test)`, pandas frames with rows and index as in `frame`, in its order.

    Raises:
        ColumnError: There is no such column.
        IdError: A query id is missing, or is neither an integer nor text.
        ArgumentError: Too few rows, a time that is missing or cannot be read, `num_test` below 1, or no query with
            two rows.

    Example:
        >>> frame = pd.DataFrame({"user_id": [7, 7, 9], "recipe_id": [1, 2, 3]})
        >>> train, test = split_leave_last_out(frame, "user_id")
        >>> test["recipe_id"].tolist()
        [2]
    """
    owner = "split_leave_last_out"
    frame = check_frame(frame, owner, min_rows=2)
    num_test = check_integer(owner, "num_test", num_test)
    ids = to_id_array(frame[require_column(frame.columns, query, owner)], f"{owner}: column {query!r}")
    queries = pd.Series(pd.factorize(ids)[0])
    if time is not None:
        ranks = time_ranks(frame[require_column(frame.columns, time, owner)], owner)
        queries = queries.iloc[np.argsort(ranks, kind="stable")]
    from_start = queries.groupby(queries).cumcount().sort_index().to_numpy()
    from_end = queries.groupby(queries).cumcount(ascending=False).sort_index().to_numpy()
    held_out = (from_end < num_test) & (from_start > 0)
    if not held_out.any():
        problem = f"no query in column {query!r} has two rows, so none can be held out"
        raise ArgumentError(explain(owner, problem, frame=frame, fix="Use split_by_time or split_random"))
    return _parted(frame, held_out)


def _test_rows(owner: str, test_fraction: Any, rows: int) -> int:
    fraction = check_number(owner, "test_fraction", test_fraction, above=0, below=1, example=0.2)
    return min(max(round(fraction * rows), 1), rows - 1)


def _parted(frame: pd.DataFrame, is_test: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    # Copies, because pandas 2 warns when a column is added to a part of a frame.
    return frame[~is_test].copy(), frame[is_test].copy()
