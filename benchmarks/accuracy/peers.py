"""Yardsticks that learn from the same rows in the same run: popularity, and ALS of the package `implicit`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from data_sets import ITEM, USER, Split
from quality import quality

import reciperec_layers as rl
from reciperec_layers.errors import MissingExtraError

ALS = "ALS, implicit"
# The best of five on valid of Gowalla, a tenth of its users.
_ALS_OPTIONS = {"factors": 64, "regularization": 10.0, "alpha": 40.0, "iterations": 15}


def popularity(train: pd.DataFrame, items: np.ndarray, seed: int) -> Any:
    return rl.data.Popularity(train, ITEM, pd.DataFrame({ITEM: items}))


def als(train: pd.DataFrame, items: np.ndarray, seed: int) -> Any:
    return rl.evaluation.ALS(**_ALS_OPTIONS, seed=seed).fit(train, USER, ITEM, items)


_PEERS: dict[str, Callable[[pd.DataFrame, np.ndarray, int], Any]] = {"popularity": popularity, ALS: als}


def measured_peers(split: Split, items: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    """Returns quality and seconds of training by name; ALS only where `implicit` is installed."""
    found, exclude = {}, rl.data.seen(split.train, USER, ITEM)
    for name, make in _PEERS.items():
        begin = time.perf_counter()
        try:
            peer = make(split.train, items, seed)
        except MissingExtraError:
            continue
        seconds = time.perf_counter() - begin
        recommend = lambda users, peer=peer: peer.recommend(users, split.k, exclude)[1]  # noqa: E731
        found[name] = {"seconds": seconds, **quality(recommend, split.held_out, split.k)}
    return found
