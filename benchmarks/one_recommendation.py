"""Recommendations for one query, from one thread and from many, beside the exported bundle and plain NumPy.

    python benchmarks/one_recommendation.py [--candidates 100,10_000,1_000_000] [--callers 1,32] [--repeats 7]

All sides go from a raw id to ids. "recommend, features": the query tower reads an id and nine numbers, through a
functional Keras model. NumPy: a dict from ids to rows, one product, `argpartition`, a sort of the k best. The bundle is
called in a process that has TensorFlow and not this package. With several callers, threads of one process share the
calls; `per_second` counts all of them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from exported_bundle import bundle, export, recommend
from side_by_side import Side, compare, numbers, parser, print_table, started

NUM_NUMBERS = 9


def plain_numpy(folder: str, asked: Any, k: int) -> Callable[[int], Any]:
    users, queries, item_ids = asked["user_ids"].tolist(), asked["queries"], asked["item_ids"]
    row_of_user = {user: row for row, user in enumerate(users)}
    embeddings = asked["embeddings"]

    def answer(row: int) -> Any:
        scores = embeddings @ queries[row_of_user[users[row % len(users)]]]
        best = np.argpartition(-scores, k - 1)[:k]
        return item_ids[best[np.argsort(-scores[best], kind="stable")]][np.newaxis]

    return answer


def recommend_by_features(folder: str, asked: Any, k: int) -> Callable[[int], Any]:
    import keras

    import reciperec_layers as rl

    dim, item_ids = asked["queries"].shape[1], asked["item_ids"]
    user_id = keras.Input((), dtype="int64", name="user_id")
    given = [keras.Input((), name=f"number_{place}") for place in range(NUM_NUMBERS)]
    joined = keras.ops.stack(given, axis=-1)
    hidden = keras.layers.Concatenate()([rl.IdTower(np.unique(asked["user_ids"]), dim)(user_id), joined])
    output = keras.layers.Dense(dim)(keras.layers.Dense(2 * dim, "relu")(hidden))
    tower = keras.Model({each.name: each for each in (user_id, *given)}, output)
    model = rl.RetrievalModel(tower, rl.IdTower(item_ids, dim, feature="item_id"), {"item_id": item_ids})
    others, users = {each.name: np.ones(1, np.float32) for each in given}, asked["user_ids"]
    return lambda row: model.recommend({"user_id": users[[row % len(users)]], **others}, k=k)[1]


SIDES = {
    "recommend": recommend,
    "recommend, features": recommend_by_features,
    "bundle": bundle,
    "NumPy": plain_numpy,
}


def calls_of(side: str, folder: str, k: int, calls: int, callers: list[int]) -> Callable[[], dict[str, float]]:
    """Returns a function that gives the calls a second of each number of callers."""
    answer = SIDES[side](folder, np.load(f"{folder}/asked.npz"), k)

    def rate(num_callers: int) -> float:
        with ThreadPoolExecutor(num_callers) as pool:
            start = time.perf_counter()
            list(pool.map(lambda first: [answer(row) for row in range(first, calls, num_callers)], range(num_callers)))
            return calls / (time.perf_counter() - start)

    def run() -> dict[str, float]:
        return {str(num_callers): rate(num_callers) for num_callers in callers}

    run()
    return run


def measure(num_candidates: int, options: Any) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"folder": folder, "candidates": num_candidates, "dim": options.dim, "k": options.k}
        with started({"export": Side(export, sizes)}, options.threads):
            pass
        calls = max(2, min(options.calls, options.scores // num_candidates))
        asked = {"folder": folder, "k": options.k, "calls": calls, "callers": options.callers}
        found = compare({name: Side(calls_of, {"side": name, **asked}) for name in SIDES}, options)
    return [
        {
            "candidates": num_candidates,
            "side": name,
            "callers": num_callers,
            "per_second": found["median"][name, str(num_callers)],
            "ms": 1000 / found["median"][name, str(num_callers)],
            "spread": found["spread"][name, str(num_callers)],
            "over_one": found["median"][name, str(num_callers)] / found["median"][name, str(options.callers[0])],
        }
        for name in SIDES
        for num_callers in options.callers
    ]


def main() -> None:
    options = parser("Time recommendations for one query.", repeats=7)
    options.add_argument("--candidates", type=numbers, default=[100, 10_000, 1_000_000])
    options.add_argument("--callers", type=numbers, default=[1, 32], help="numbers of threads that call at once")
    options.add_argument("--dim", type=int, default=64)
    options.add_argument("--calls", type=int, default=640, help="queries of a repeat, at most")
    options.add_argument("--scores", type=int, default=64_000_000, help="scores of a repeat, at most")
    options.add_argument("-k", type=int, default=10)
    options = options.parse_args()
    rows = [row for num_candidates in options.candidates for row in measure(num_candidates, options)]
    print_table(f"The {options.k} best for one query", pd.DataFrame(rows), options, per_second=0, ms=3)


if __name__ == "__main__":
    main()
