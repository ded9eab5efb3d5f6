"""Public data sets in files with lines of `user item item ...`, split as in the papers that publish numbers on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, explain

USER, ITEM = "user_id", "item_id"
VALID_FRACTION = 0.1


@dataclass(frozen=True)
class Split:
    """Rows to train on, the rows of the same users that are held out, and the number of places that is looked at."""

    train: pd.DataFrame
    held_out: pd.DataFrame
    k: int = 20


@dataclass(frozen=True)
class DataSet:
    """A data set: how it is split for the test and, within the rows for training, for every choice."""

    test: Split
    choice: Split
    users: np.ndarray
    items: np.ndarray


def read_pairs(path: Path) -> pd.DataFrame:
    """Reads lines of `user item item ...`; a user without items has no row."""
    try:
        lines = [np.array(line.split(), dtype=np.int64) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        problem, fix = f"the file cannot be read ({error})", "Check --data and the key `data`"
        raise ArgumentError(explain("accuracy", problem, path=str(path), fix=fix)) from error
    lines = [line for line in lines if len(line) > 1]
    users = np.repeat([line[0] for line in lines], [len(line) - 1 for line in lines])
    return pd.DataFrame({USER: users, ITEM: np.concatenate([line[1:] for line in lines])})


def read_data_set(folder: Path, seed: int) -> DataSet:
    """Reads `train.txt` and `test.txt`, and what choices are made on; or the only `.txt` file, in the order of time.

    Choices are made on `train_minus_valid.txt` and `valid.txt` where they are there; else a random tenth of the
    training rows, drawn by `seed`, is held out. Of a single file each user's last item is for the test, and the one
    before it for choices; ten places are looked at.
    """
    if not (folder / "train.txt").exists() and (files := sorted(folder.glob("*.txt"))):
        return _leave_one_out(read_pairs(files[0]))
    train, test = (read_pairs(folder / f"{name}.txt") for name in ("train", "test"))
    if (folder / "valid.txt").exists():
        choice = Split(*(read_pairs(folder / f"{name}.txt") for name in ("train_minus_valid", "valid")))
    else:
        choice = Split(*rl.data.split_random(train, VALID_FRACTION, seed=seed))
    return _data_set(Split(train, test), choice)


def _leave_one_out(rows: pd.DataFrame) -> DataSet:
    from_end = rows.groupby(USER, sort=False).cumcount(ascending=False)
    test, choice = (Split(rows[from_end > last], rows[from_end == last], k=10) for last in (0, 1))
    return _data_set(test, choice)


def _data_set(test: Split, choice: Split) -> DataSet:
    users, items = (np.unique(np.concatenate([test.train[name], test.held_out[name]])) for name in (USER, ITEM))
    return DataSet(test, choice, users, items)
