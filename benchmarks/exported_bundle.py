"""One query at a time of an exported model, beside a matrix product with `tf.math.top_k`, and beside `recommend`.

    python benchmarks/exported_bundle.py [--candidates 100_000] [--dim 64] [--calls 200] [--repeats 15]

The bundle is called in a process that has TensorFlow and not this package: from a raw id to ids. The product starts at
the query's embedding and ends at rows, in one `tf.function`, with the candidates by column as in the bundle.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import two_towers
from side_by_side import Side, compare, parser, print_table, started

NUM_USERS = 1_000
SEEN = 50


def export(folder: str, candidates: int, dim: int, k: int) -> Callable[[], dict[str, float]]:
    """Writes the bundle, the model, and what the sides are asked."""
    import reciperec_layers as rl

    user_ids, item_ids = two_towers.make_ids(NUM_USERS, seed=3), two_towers.make_ids(candidates, seed=4)
    query_tower, candidate_tower = (
        rl.IdTower(ids, dim, feature=name, initializer="random_normal", seed=seed)
        for seed, (ids, name) in enumerate(((user_ids, "user_id"), (item_ids, "item_id")))
    )
    model = rl.RetrievalModel(query_tower, candidate_tower, {"item_id": item_ids}, "item_id")
    model.export(f"{folder}/bundle", k=k)
    model.save(f"{folder}/model.keras")
    asked = np.random.default_rng(5).choice(user_ids, 1_000)
    queries = model({"user_id": asked}).numpy()
    embeddings = model.candidate_embeddings().to_numpy()
    np.savez(f"{folder}/asked.npz", user_ids=asked, queries=queries, embeddings=embeddings, item_ids=item_ids)
    return dict


def one_at_a_time(side: str, folder: str, k: int, calls: int) -> Callable[[], dict[str, float]]:
    """Returns a function that asks some queries and gives the milliseconds of one."""
    asked = np.load(f"{folder}/asked.npz")
    sides = {"bundle": bundle, "bundle, exclude": bundle_without_seen, "product": product, "recommend": recommend}
    answer = sides[side](folder, asked, k)

    def run() -> dict[str, float]:
        start = time.perf_counter()
        found = [answer(row) for row in range(calls)]
        milliseconds = 1000 * (time.perf_counter() - start) / calls
        return {"ms": milliseconds, "sum_of_ids": float(np.sum(found, dtype=np.float64))}

    run()
    return run


def signature(folder: str, name: str) -> Any:
    """Loads a bundle in a process in which the package cannot be imported."""
    sys.modules["reciperec_layers"] = None
    import tensorflow as tf

    return tf.saved_model.load(f"{folder}/bundle").signatures[name]


def bundle(folder: str, asked: Any, k: int) -> Callable[[int], Any]:
    serve = signature(folder, "serving_default")
    import tensorflow as tf

    users = [tf.constant(user) for user in asked["user_ids"][:, np.newaxis]]
    return lambda row: serve(user_id=users[row % len(users)])["ids"].numpy()


def bundle_without_seen(folder: str, asked: Any, k: int) -> Callable[[int], Any]:
    serve = signature(folder, "recommend")
    import tensorflow as tf

    users, many = [tf.constant(user) for user in asked["user_ids"][:, np.newaxis]], tf.constant(k)
    exclude = tf.constant(asked["item_ids"][np.newaxis, :SEEN])
    return lambda row: serve(user_id=users[row % len(users)], k=many, exclude=exclude)["ids"].numpy()


def product(folder: str, asked: Any, k: int) -> Callable[[int], Any]:
    import tensorflow as tf

    columns = tf.Variable(np.ascontiguousarray(asked["embeddings"].T), trainable=False)
    queries, item_ids = [tf.constant(query[np.newaxis]) for query in asked["queries"]], asked["item_ids"]

    @tf.function(input_signature=[tf.TensorSpec((None, columns.shape[0]))], autograph=False)
    def answer(query: Any) -> Any:
        return tf.math.top_k(tf.matmul(query, columns), k).indices

    return lambda row: item_ids[answer(queries[row % len(queries)]).numpy()]


def recommend(folder: str, asked: Any, k: int) -> Callable[[int], Any]:
    import reciperec_layers as rl

    model, users = rl.load_model(f"{folder}/model.keras"), asked["user_ids"]
    return lambda row: model.recommend({"user_id": users[[row % len(users)]]}, k=k)[1]


def main() -> None:
    options = parser("Time single queries of an exported model.", repeats=15)
    options.add_argument("--candidates", type=int, default=100_000)
    options.add_argument("--dim", type=int, default=64)
    options.add_argument("--calls", type=int, default=200, help="queries of a repeat")
    options.add_argument("-k", type=int, default=10)
    options = options.parse_args()
    names = ("bundle", "bundle, exclude", "product", "recommend")
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"folder": folder, "candidates": options.candidates, "dim": options.dim, "k": options.k}
        with started({"export": Side(export, sizes)}, options.threads):
            pass
        asked = {"folder": folder, "k": options.k, "calls": options.calls}
        found = compare({name: Side(one_at_a_time, {"side": name, **asked}) for name in names}, options)
        bundle_bytes = sum(path.stat().st_size for path in Path(folder, "bundle").rglob("*") if path.is_file())
    ms = found.xs("ms", level="measure")
    sums = found.xs("sum_of_ids", level="measure")["median"]
    rows = [
        {
            "side": name,
            "ms": ms["median"][name],
            "spread": ms["spread"][name],
            "ratio": ms["median"][name] / ms["median"]["product"],
            "equal_ids": "" if "exclude" in name else bool(sums[name] == sums["product"]),
        }
        for name in names
    ]
    title = f"The {options.k} best of {options.candidates:,} for one query; a bundle of {bundle_bytes / 1e6:.0f} MB"
    print_table(title, pd.DataFrame(rows), options, ms=3)


if __name__ == "__main__":
    main()
