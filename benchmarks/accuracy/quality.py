"""Recall and NDCG of what anything recommends: every user with held-out items counts alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from data_sets import ITEM, USER

import reciperec_layers as rl

_USERS_AT_ONCE = 2048

Recommend = Callable[[np.ndarray], np.ndarray]  # from users, shape (n,), to items, shape (n, k), best first


def quality(recommend: Recommend, held_out: pd.DataFrame, k: int) -> dict[str, float]:
    """Returns recall and NDCG at k, the means over users.

    A user is ranked once, however many items were held out; `RetrievalModel.evaluate` ranks once a row, gives the same
    numbers, and takes longer.
    """
    metrics = {"recall": rl.metrics.Recall(k), "ndcg": rl.metrics.NDCG(k)}
    held_out = held_out.sort_values(USER, kind="stable")
    users = held_out[USER].unique()
    for start in range(0, len(users), _USERS_AT_ONCE):
        asked = users[start : start + _USERS_AT_ONCE]
        first, last = np.searchsorted(held_out[USER], [asked[0], asked[-1] + 1])
        ranks = ranks_of(recommend(asked), asked, held_out.iloc[first:last])
        for metric in metrics.values():
            metric.update_state(ranks)
    return {name: float(metric.result()) for name, metric in metrics.items()}


def ranks_of(recommended: np.ndarray, users: np.ndarray, held_out: pd.DataFrame) -> np.ndarray:
    """Returns the ranks of each user's held-out items, padded with 0 and `MISS` where an item is not recommended."""
    n, k = recommended.shape
    places = pd.DataFrame(
        {USER: np.repeat(users, k), ITEM: recommended.ravel(), "rank": np.tile(np.arange(1, k + 1), n)}
    )
    found = held_out[[USER, ITEM]].merge(places, on=[USER, ITEM], how="left")["rank"].to_numpy()
    rows = np.searchsorted(users, held_out[USER])
    columns = held_out.groupby(USER, sort=False).cumcount().to_numpy()
    ranks = np.zeros((n, columns.max() + 1), dtype=np.int64)
    ranks[rows, columns] = np.where(np.isnan(found), rl.metrics.MISS, np.nan_to_num(found).astype(np.int64))
    return ranks
