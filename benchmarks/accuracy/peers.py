"""Yardsticks that are trained on the same rows in the same run: popularity, and ALS of the package `implicit`."""

from __future__ import annotations

import time
from importlib.util import find_spec

import numpy as np
import pandas as pd
from data_sets import ITEM, USER, Split
from quality import K, Recommend, quality

import reciperec_layers as rl

ALS = "ALS, implicit"
# The best of five on valid of Gowalla, a tenth of its users.
_ALS_OPTIONS = {"factors": 64, "regularization": 10.0, "alpha": 40.0, "iterations": 15}


def popularity(split: Split, items: np.ndarray, seed: int) -> Recommend:
    counted = rl.data.Popularity(split.train, ITEM, pd.DataFrame({ITEM: items}))
    exclude = rl.data.seen(split.train, USER, ITEM)
    return lambda users: counted.recommend(users, K, exclude=exclude)[1]


def als(split: Split, items: np.ndarray, seed: int) -> Recommend:
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    columns = np.searchsorted(items, split.train[ITEM])
    shape = int(max(split.train[USER].max(), split.held_out[USER].max())) + 1, len(items)
    table = csr_matrix((np.ones(len(columns), np.float32), (split.train[USER], columns)), shape=shape)
    with threadpool_limits(1, "blas"):  # its own threads and those of BLAS would wait for each other
        model = AlternatingLeastSquares(**_ALS_OPTIONS, random_state=seed)
        model.fit(table, show_progress=False)
    return lambda users: items[model.recommend(users, table[users], N=K)[0]]


def measured_peers(split: Split, items: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    """Returns quality and seconds of training by name; ALS only where `implicit` is installed."""
    found = {}
    for name, make in {"popularity": popularity, ALS: als}.items():
        if make is als and find_spec("implicit") is None:
            continue
        begin = time.perf_counter()
        recommend = make(split, items, seed)
        seconds = time.perf_counter() - begin
        found[name] = {"seconds": seconds, **quality(recommend, split.held_out)}
    return found
