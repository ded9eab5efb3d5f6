"""A training step of a tower of ten columns over one of ids, what the join of the corpus adds, and frozen vectors.

    python benchmarks/feature_steps.py [--batch 4096] [--candidates 20000] [--steps 20] [--repeats 5]

All sides are whole steps of a `RetrievalModel`, in one process, in turn. `ids` has a tower of ids on each side,
`features` reads ten columns of candidates from the corpus, by id, and `brought` gets the same columns, raw, with each
batch. `vectors` reads a column of frozen vectors, as `features.encode_once` gives them, and `encoded once` the texts
that they were made of through it, of which the encoding is not part of the steps.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from side_by_side import compare_here, parser, print_table, use_threads

import reciperec_layers as rl

WORDS = np.array([f"{word}{end}" for word in ("apple", "onion", "soup", "pie", "stew") for end in ("", "s", "y", "ed")])


def make_frames(rows: int, num_candidates: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    generator = np.random.default_rng(0)

    def texts(num_words: int, separator: str) -> list[str]:
        return [separator.join(row) for row in generator.choice(WORDS, (num_candidates, num_words))]

    recipes = pd.DataFrame({"recipe_id": np.arange(num_candidates)})
    recipes["recipe_name"], recipes["ingredients"] = texts(5, " "), texts(8, "^")
    recipes["tags"], recipes["cuisine"] = texts(3, "|"), generator.choice(WORDS, num_candidates)
    recipes["course"] = generator.choice(["first", "main", "last"], num_candidates)
    recipes["minutes"], recipes["price"] = generator.gamma(2, 20, (2, num_candidates))
    recipes["calories"] = generator.normal(500, 100, num_candidates)
    recipes["created_at"] = generator.integers(10**9, 16 * 10**8, num_candidates)
    users = generator.integers(0, 100_000, rows)
    return pd.DataFrame({"user_id": users, "recipe_id": generator.integers(0, num_candidates, rows)}), recipes


def steps_of(model: rl.RetrievalModel, batch: dict[str, tf.Tensor], steps: int) -> Callable[[], dict[str, float]]:
    """Returns a function that trains on a batch so many times, and returns milliseconds a step."""
    # The softmax over the corpus would read the corpus for every side, also what a batch brings.
    model.compile(loss=rl.InBatchSoftmax())
    model.train_on_batch(batch)
    step = tf.function(lambda: model.train_step(batch), autograph=False)
    step()

    def run() -> dict[str, float]:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return {"ms_a_step": 1000 * (time.perf_counter() - start) / steps}

    return run


def make_sides(options: argparse.Namespace) -> dict[str, Callable[[], dict[str, float]]]:
    pairs, recipes = make_frames(options.batch, options.candidates)
    ids = {"user_id": tf.constant(pairs["user_id"]), "recipe_id": tf.constant(pairs["recipe_id"])}

    def model(candidates: pd.DataFrame, tower: str = "feature", **of_candidates: object) -> rl.RetrievalModel:
        towers = {"query_tower": "id", "candidate_tower": tower}
        return rl.RetrievalModel.from_data(pairs, candidates, **towers, candidate_options=of_candidates or None, seed=1)

    features = model(recipes)
    columns = {name: features.read_column(recipes[name], "", name) for name in features.candidate_columns}
    chosen = {name: tf.gather(column, ids["recipe_id"]) for name, column in columns.items() if name != "recipe_id"}
    vectors = np.random.default_rng(1).normal(size=(options.candidates, 64)).astype(np.float32)
    by_name = dict(zip(recipes["recipe_name"], vectors, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        encode = lambda texts: np.stack([by_name[text] for text in texts])  # noqa: E731
        encoded = rl.features.encode_once(recipes["recipe_name"], encode, name="benchmark", folder=Path(folder))
    frames = {"vectors": vectors, "encoded once": encoded}
    sides = {"ids": steps_of(model(recipes, "id"), ids, options.steps)}
    sides["features"] = steps_of(features, ids, options.steps)
    sides["brought"] = steps_of(model(recipes), {**ids, **chosen}, options.steps)
    for name, column in frames.items():
        frame = pd.DataFrame({"recipe_id": recipes["recipe_id"], "vector": list(np.asarray(list(column)))})
        sides[name] = steps_of(model(frame, encoders={"vector": "vector"}), ids, options.steps)
    return sides


def main() -> None:
    made = parser(__doc__ or "", repeats=5)
    made.add_argument("--batch", type=int, default=4096)
    made.add_argument("--candidates", type=int, default=20_000)
    made.add_argument("--steps", type=int, default=20)
    options = made.parse_args()
    use_threads(options.threads)
    found = compare_here(make_sides(options), options).xs("ms_a_step", level="measure").reset_index()
    table = found.rename(columns={"median": "ms_a_step"})
    table["of_ids"] = table["ms_a_step"] / table["ms_a_step"].iloc[0]
    print_table(f"batch {options.batch:,}, {options.candidates:,} candidates", table, options)


if __name__ == "__main__":
    main()
