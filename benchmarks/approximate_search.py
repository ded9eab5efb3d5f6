"""Most of the k best of a large corpus, for one query at a time, beside exact search and faiss's inverted file.

    python benchmarks/approximate_search.py [--candidates 1_000_000] [--queries 100] [--repeats 10]

Every approximate side scores the smallest part of the candidates with which it finds `--recall` of the k best of 500
queries: `tune` for ours, the smallest `nprobe` for faiss's `IndexIVFFlat`. Other queries are timed, another one in
every call, so that what a query reads is not in a cache yet; `recall` is theirs. `part_percent`: of our candidates, of
faiss's lists. The ratio is over our inverted file.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import Side, compare, numbers, parser, print_table

TUNED_BY = 500
CLUSTERS = 1_000
# How far candidates and queries are from the centre of their cluster, which has length 1, and the standard
# deviation of the logarithm of candidates' lengths.
DATA = {
    "tight, equal lengths": (0.7, 0.0),
    "tight, skewed lengths": (0.7, 0.3),
    "loose, equal lengths": (1.5, 0.0),
    "loose, skewed lengths": (1.5, 0.3),
}


def draw(data: str, num_candidates: int, num_queries: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns candidates and queries in clusters, float32."""
    generator, (far, skew) = np.random.default_rng(0), DATA[data]
    centers = generator.standard_normal((CLUSTERS, dim), dtype=np.float32)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)

    def near_centers(size: int) -> np.ndarray:
        noise = generator.standard_normal((size, dim), dtype=np.float32)
        return centers[generator.integers(0, CLUSTERS, size)] + far / dim**0.5 * noise

    candidates, queries = near_centers(num_candidates), near_centers(num_queries)
    candidates *= np.exp(skew * generator.standard_normal((num_candidates, 1), dtype=np.float32))
    return candidates, queries


def least_scores(candidates: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Returns the score of the k-th best candidate of each query, less what float32 may be off."""
    found = [np.partition(query @ candidates.T, -k)[-k] for query in queries]
    return np.array(found) - 1e-6 * np.linalg.norm(queries, axis=1) * np.linalg.norm(candidates, axis=1).max()


def recall_of(rows: np.ndarray, candidates: np.ndarray, queries: np.ndarray, least: np.ndarray) -> float:
    """Returns the share of the k best that was found; equal scores are equally right."""
    scores = np.einsum("qkd,qd->qk", candidates[rows], queries)
    return float(np.mean((rows >= 0) & (scores >= least[:, np.newaxis])))


def search(
    side: str,
    data: str,
    num_candidates: int,
    num_queries: int,
    repeats: int,
    dim: int,
    k: int,
    recall: float,
    lists: int,
    threads: int,
) -> Callable[[], dict[str, float]]:
    """Returns a function that answers the next queries one by one and gives the median of their milliseconds."""
    candidates, queries = draw(data, num_candidates, TUNED_BY + num_queries * repeats, dim)
    tuning, timed = queries[:TUNED_BY], queries[TUNED_BY:]
    least = least_scores(candidates, timed, k)
    if side == "faiss":
        answer, part = faiss_inverted_file(candidates, tuning, k, recall, lists, threads)
    else:
        answer, part = ours(side, candidates, tuning, k, recall)
    answer(tuning[:1])
    next_query = 0

    def run() -> dict[str, float]:
        nonlocal next_query
        chosen = slice(next_query, next_query + num_queries)
        next_query += num_queries
        rows, milliseconds = [], []
        for place in range(chosen.start, chosen.stop):
            start = time.perf_counter()
            rows.append(answer(timed[place : place + 1]))
            milliseconds.append(1000 * (time.perf_counter() - start))
        found = recall_of(np.concatenate(rows), candidates, timed[chosen], least[chosen])
        return {"ms": float(np.median(milliseconds)), "recall": found, "part": part}

    return run


def ours(
    side: str, candidates: np.ndarray, tuning: np.ndarray, k: int, recall: float
) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    import tensorflow as tf

    from reciperec_layers.indexes import BruteForceIndex, InvertedFileIndex, tune

    index = BruteForceIndex() if side == "BruteForceIndex" else InvertedFileIndex()
    index.assign(candidates)
    part = 1.0 if side == "BruteForceIndex" else tune(index, tuning, recall, k)
    return lambda query: index.search_rows(tf.constant(query), k)[1].numpy(), part


def faiss_inverted_file(
    candidates: np.ndarray, tuning: np.ndarray, k: int, recall: float, lists: int, threads: int
) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    import faiss

    faiss.omp_set_num_threads(threads)
    least = least_scores(candidates, tuning, k)
    lists = min(lists, len(candidates))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(candidates.shape[1]), candidates.shape[1], lists, 0)
    assert index.metric_type == faiss.METRIC_INNER_PRODUCT
    index.cp.min_points_per_centroid = 1
    index.train(candidates)
    index.add(candidates)
    low, high = 1, lists
    while low < high:
        index.nprobe = (low + high) // 2
        if recall_of(index.search(tuning, k)[1], candidates, tuning, least) >= recall:
            high = index.nprobe
        else:
            low = index.nprobe + 1
    index.nprobe = low
    return lambda query: index.search(query, k)[1], low / lists


def main() -> None:
    options = parser("Time approximate search beside exact search and faiss.", repeats=10)
    options.add_argument("--candidates", type=int, default=1_000_000)
    options.add_argument("--dim", type=int, default=64)
    options.add_argument("--data", nargs="+", choices=list(DATA), default=list(DATA), help="how candidates lie")
    options.add_argument("--queries", type=int, default=100, help="queries of a repeat, one at a time")
    options.add_argument("--recall", type=float, default=0.95)
    options.add_argument("--lists", type=numbers, default="1000,4000", help="lists of faiss's inverted files")
    options.add_argument("-k", type=int, default=100)
    options = options.parse_args()
    sizes: dict[str, Any] = {"num_candidates": options.candidates, "num_queries": options.queries, "dim": options.dim}
    sizes |= {"k": options.k, "recall": options.recall, "repeats": options.repeats, "threads": options.threads}
    names = {name: (name, 0) for name in ("InvertedFileIndex", "BruteForceIndex")}
    names |= {f"faiss, {lists} lists": ("faiss", lists) for lists in options.lists}
    rows = []
    for data in options.data:
        sides = {
            name: Side(search, {"side": side, "lists": lists, "data": data, **sizes})
            for name, (side, lists) in names.items()
        }
        found = compare(sides, options)
        ms, recall, part = (found.xs(measure, level="measure") for measure in ("ms", "recall", "part"))
        rows += [
            {
                "data": data,
                "side": name,
                "recall": recall["median"][name],
                "part_percent": 100 * part["median"][name],
                "ms": ms["median"][name],
                "spread": ms["spread"][name],
                "ratio": ms["median"][name] / ms["median"]["InvertedFileIndex"],
            }
            for name in names
        ]
    title = (
        f"The {options.k} best of {options.candidates:,} with {options.dim} columns, {options.queries} queries a repeat"
    )
    print_table(title, pd.DataFrame(rows), options, recall=3, ms=3)


if __name__ == "__main__":
    main()
