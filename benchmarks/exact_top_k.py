"""The k best of a large corpus, exactly, beside a matrix product with `tf.math.top_k`, and beside faiss.

    python benchmarks/exact_top_k.py [--candidates 1_000_000] [--batches 256,1] [--repeats 15]

`tf.matmul` and `tf.math.top_k` is what TensorFlow Recommenders and keras-rs do; faiss is `IndexFlatIP`. "product": the
product alone, of TensorFlow for several queries and of NumPy for one. The last column is the product's rate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import Side, compare, numbers, parser, print_table


def draw(num_candidates: int, dim: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns candidates and queries, float32."""
    generator = np.random.default_rng(0)
    shapes = (num_candidates, dim), (batch, dim)
    candidates, queries = (generator.standard_normal(shape, dtype=np.float32) for shape in shapes)
    return candidates, queries


def search(
    side: str, num_candidates: int, dim: int, batch: int, k: int, threads: int
) -> Callable[[], dict[str, float]]:
    """Returns a function that answers all queries once and gives the milliseconds."""
    candidates, queries = draw(num_candidates, dim, batch)
    answer = {"reciperec_layers": ours, "TensorFlow": plain, "faiss": faiss_flat, "product": product}[side](
        candidates, queries, k, threads
    )

    def run() -> dict[str, float]:
        start = time.perf_counter()
        rows = answer()
        milliseconds = 1000 * (time.perf_counter() - start)
        return {"ms": milliseconds, "sum_of_rows": float(np.sum(rows, dtype=np.float64))}

    run()
    return run


def ours(candidates: np.ndarray, queries: np.ndarray, k: int, threads: int) -> Callable[[], Any]:
    import tensorflow as tf

    from reciperec_layers.indexes import BruteForceIndex

    index = BruteForceIndex()
    index.assign(candidates)
    asked = tf.constant(queries)
    return lambda: index.search_rows(asked, k)[1].numpy()


def plain(candidates: np.ndarray, queries: np.ndarray, k: int, threads: int) -> Callable[[], Any]:
    import tensorflow as tf

    matrix, asked = tf.constant(candidates), tf.constant(queries)

    @tf.function
    def answer(asked: Any) -> Any:
        return tf.math.top_k(tf.matmul(asked, matrix, transpose_b=True), k).indices

    return lambda: answer(asked).numpy()


def faiss_flat(candidates: np.ndarray, queries: np.ndarray, k: int, threads: int) -> Callable[[], Any]:
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(candidates.shape[1])
    index.add(candidates)
    return lambda: index.search(queries, k)[1]


def product(candidates: np.ndarray, queries: np.ndarray, k: int, threads: int) -> Callable[[], Any]:
    if len(queries) == 1:
        return lambda: (candidates @ queries[0])[:1]
    import tensorflow as tf

    columns, asked = tf.constant(np.ascontiguousarray(candidates.T)), tf.constant(queries)
    answer = tf.function(lambda asked: tf.matmul(asked, columns)[:, :1])
    return lambda: answer(asked).numpy()


def main() -> None:
    options = parser("Time exact search beside TensorFlow and faiss.", repeats=15)
    options.add_argument("--candidates", type=int, default=1_000_000)
    options.add_argument("--dim", type=int, default=64)
    options.add_argument("--batches", type=numbers, default="256,1")
    options.add_argument("-k", type=int, default=100)
    options = options.parse_args()
    rows = []
    for batch in options.batches:
        arguments = {"num_candidates": options.candidates, "dim": options.dim, "batch": batch, "k": options.k}
        arguments["threads"] = options.threads
        names = ("reciperec_layers", "TensorFlow", "faiss", "product")
        found = compare({name: Side(search, {"side": name, **arguments}) for name in names}, options)
        ms = found.xs("ms", level="measure")
        sums = found.xs("sum_of_rows", level="measure")["median"]
        gflop = 2e-9 * options.candidates * options.dim * batch
        rows += [
            {
                "batch": batch,
                "side": name,
                "ms": ms["median"][name],
                "spread": ms["spread"][name],
                "ratio": ms["median"][name] / ms["median"]["reciperec_layers"],
                "equal_rows": "" if name == "product" else bool(sums[name] == sums["reciperec_layers"]),
                "gflop_per_s": 1000 * gflop / ms["median"][name],
            }
            for name in names
        ]
    title = f"The {options.k} best of {options.candidates:,} with {options.dim} columns"
    print_table(title, pd.DataFrame(rows), options, gflop_per_s=0)


if __name__ == "__main__":
    main()
