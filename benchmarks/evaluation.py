"""Evaluation against the whole corpus, beside TensorFlow Recommenders on legacy Keras.

    python benchmarks/evaluation.py [--cases recipes,large] [--repeats 5]

Both sides: two tables behind a lookup of raw integer ids, `evaluate` with the five top-k accuracies that TFRS has by
default. "streaming": TFRS encodes the candidates once for every batch of rows, in batches of 4,096, which is faster
than the 128 of its tutorial. "BruteForce": its index, whose candidates are encoded before, so that only the search is
timed. cpu_seconds: what all threads of the process took, which tells a slow program from a machine that did something
else.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import two_towers
from side_by_side import Side, compare, numbers, parser, print_table


def timed_evaluation(
    model: Any, user_ids: np.ndarray, item_ids: np.ndarray, rows: int, batch_size: int
) -> Callable[[], dict[str, float]]:
    """Returns a function that evaluates once and gives the seconds."""
    import tensorflow as tf

    generator = np.random.default_rng(6)
    columns = {"user_id": generator.choice(user_ids, rows), "item_id": generator.choice(item_ids, rows)}
    batches = tf.data.Dataset.from_tensor_slices(columns).batch(batch_size).cache()

    def run() -> dict[str, float]:
        start, cpu_start = time.perf_counter(), time.process_time()
        result = model.evaluate(batches, return_dict=True, verbose=0)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
        return {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "top_100": float(result["factorized_top_k/top_100_categorical_accuracy"]),
        }

    run()
    return run


def reciperec(
    num_users: int, num_items: int, dim: int, rows: int, batch_size: int, steps_per_execution: int
) -> Callable[[], dict[str, float]]:
    """This package."""
    import reciperec_layers as rl

    user_ids, item_ids = two_towers.make_ids(num_users, seed=3), two_towers.make_ids(num_items, seed=4)
    model = rl.RetrievalModel(
        query_tower=rl.IdTower(user_ids, dim, feature="user_id"),
        candidate_tower=rl.IdTower(item_ids, dim, feature="item_id"),
        candidates={"item_id": item_ids},
        candidate_id="item_id",
    )
    model.compile(rl.optimizers.Adagrad(two_towers.LEARNING_RATE), steps_per_execution=steps_per_execution)
    return timed_evaluation(model, user_ids, item_ids, rows, batch_size)


def tfrs(
    num_users: int,
    num_items: int,
    dim: int,
    rows: int,
    batch_size: int,
    steps_per_execution: int,
    brute_force: bool,
    candidate_batch: int,
) -> Callable[[], dict[str, float]]:
    """TensorFlow Recommenders."""
    import tensorflow as tf
    import tensorflow_recommenders

    legacy = tf.keras  # noqa: TID251 - this process has legacy Keras, which TensorFlow Recommenders builds on
    layers = tensorflow_recommenders.layers.factorized_top_k

    def tower(ids: np.ndarray) -> Any:
        lookup = legacy.layers.IntegerLookup(vocabulary=ids, mask_token=None)
        return legacy.Sequential([lookup, legacy.layers.Embedding(len(ids) + 1, dim)])

    user_ids, item_ids = two_towers.make_ids(num_users, seed=3), two_towers.make_ids(num_items, seed=4)
    users, items = tower(user_ids), tower(item_ids)
    candidates: Any = tf.data.Dataset.from_tensor_slices(item_ids).batch(candidate_batch).map(items)
    if brute_force:
        candidates = layers.BruteForce(k=100).index_from_dataset(candidates)

    class Model(tensorflow_recommenders.Model):
        def __init__(self) -> None:
            super().__init__()
            self.users, self.items = users, items
            metrics = tensorflow_recommenders.metrics.FactorizedTopK(candidates=candidates)
            self.task = tensorflow_recommenders.tasks.Retrieval(metrics=metrics)

        def compute_loss(self, features: Any, training: bool = False) -> Any:
            return self.task(self.users(features["user_id"]), self.items(features["item_id"]))

    model = Model()
    model.compile(legacy.optimizers.Adagrad(two_towers.LEARNING_RATE), steps_per_execution=steps_per_execution)
    return timed_evaluation(model, user_ids, item_ids, rows, batch_size)


def cases(options: argparse.Namespace) -> dict[str, list[tuple[dict[str, int], dict[str, Side]]]]:
    """Returns the arguments and the sides of each case."""
    recipes = {"num_users": options.recipes[0], "num_items": options.recipes[1], "dim": 32, "batch_size": 10}
    large = {"num_users": options.large[0], "num_items": options.large[1], "dim": 64, "steps_per_execution": 1}
    streaming = {"brute_force": False, "candidate_batch": options.candidate_batch}
    chosen: dict[str, list[tuple[dict[str, int], dict[str, Side]]]] = {"recipes": [], "large": []}
    for steps in options.steps_per_executions:
        arguments = {**recipes, "rows": options.recipe_rows, "steps_per_execution": steps}
        sides = {
            "reciperec_layers": Side(reciperec, arguments),
            "TFRS streaming": Side(tfrs, {**arguments, **streaming}, legacy_keras=True),
        }
        chosen["recipes"].append((arguments, sides))
    arguments = {**large, "rows": options.large_rows, "batch_size": options.large_batch}
    sides = {"reciperec_layers": Side(reciperec, arguments)}
    for form, name in ((streaming, "TFRS streaming"), ({**streaming, "brute_force": True}, "TFRS BruteForce")):
        sides[name] = Side(tfrs, {**arguments, **form}, legacy_keras=True)
    chosen["large"].append((arguments, sides))
    return chosen


def measure(name: str, case: dict[str, int], sides: dict[str, Side], options: argparse.Namespace) -> list[Any]:
    found = compare(sides, options)
    seconds = found.xs("seconds", level="measure")
    ours = seconds["median"]["reciperec_layers"]
    shown = {
        "case": name,
        "rows": case["rows"],
        "candidates": case["num_items"],
        "batch": case["batch_size"],
        "per_execution": case["steps_per_execution"],
    }
    return [
        {
            **shown,
            "side": side,
            "seconds": seconds["median"][side],
            "spread": seconds["spread"][side],
            "ratio": seconds["median"][side] / ours,
            "cpu_seconds": found.xs("cpu_seconds", level="measure")["median"][side],
            "top_100": found.xs("top_100", level="measure")["median"][side],
        }
        for side in sides
    ]


def main() -> None:
    options = parser("Time an evaluation beside TensorFlow Recommenders.", repeats=5)
    options.add_argument("--cases", default="recipes,large", help="which of them, with commas")
    options.add_argument("--recipes", type=numbers, default="8_266,100", help="users and items")
    options.add_argument("--recipe-rows", type=int, default=2_000)
    options.add_argument("--steps-per-executions", type=numbers, default="1,32", help="of the recipes")
    options.add_argument("--large", type=numbers, default="100_000,10_000", help="users and items")
    options.add_argument("--large-rows", type=int, default=100_000)
    options.add_argument("--large-batch", type=int, default=1_000)
    options.add_argument("--candidate-batch", type=int, default=4_096, help="of TensorFlow Recommenders")
    options = options.parse_args()
    chosen = cases(options)
    rows = [
        row
        for name in options.cases.split(",")
        for case, sides in chosen[name]
        for row in measure(name, case, sides, options)
    ]
    print_table("Evaluation against all candidates", pd.DataFrame(rows), options, seconds=3)


if __name__ == "__main__":
    main()
