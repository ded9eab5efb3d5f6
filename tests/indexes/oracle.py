"""Search of the largest inner products by a sort in NumPy, which never imports the package."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np


def best(scores: np.ndarray, k: int, excluded: Collection[int] = ()) -> list[int]:
    """Rows of the k best, ties in row order; -1 where fewer are left."""
    left_out = set(excluded)
    order = [int(row) for row in np.lexsort((np.arange(len(scores)), -scores)) if int(row) not in left_out]
    return (order + [-1] * k)[:k]


def search(
    queries: np.ndarray, candidates: np.ndarray, k: int, excluded: Sequence[Collection[int]] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and rows of the k best candidates of each query; -inf and -1 where fewer are left."""
    products = queries.astype(np.float64) @ candidates.astype(np.float64).T
    lists = excluded if excluded is not None else [()] * len(queries)
    rows = [best(scores, k, left_out) for scores, left_out in zip(products, lists, strict=True)]
    rows = np.array(rows, np.int64).reshape(len(queries), k)
    found = np.take_along_axis(products, np.maximum(rows, 0), axis=1)
    return np.where(rows >= 0, found, -np.inf).astype(np.float32), rows


def recall(found: np.ndarray, expected: np.ndarray) -> float:
    """Share of the expected rows that were found."""
    return float(
        np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), expected.tolist(), strict=True)])
    )
