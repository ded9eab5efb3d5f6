"""Examples a second in training, beside TensorFlow Recommenders on legacy Keras.

    python benchmarks/training_over_tfrs.py [--cases movies,large,recipes] [--repeats 7]

Both sides: two tables behind a lookup of raw integer ids, in-batch softmax, Adagrad, `fit` without metrics, on the same
batches in memory. "skewed" ids: the r-th most frequent id has a probability proportional to `r ** -exponent`;
"uniform": all are equally frequent. The columns of distinct ids are means over the batches.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import two_towers
from side_by_side import Side, compare, numbers, parser, print_table


def cases(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Returns the arguments of both sides, for each case."""
    skew = options.exponent
    skewed, uniform = {"user_exponent": skew, "item_exponent": skew}, {"user_exponent": 0.0, "item_exponent": 0.0}
    movies = {"num_users": options.movies[0], "num_items": options.movies[1], "dim": 64, "steps_per_execution": 1}
    large = {"num_users": options.large[0], "num_items": options.large[1], "dim": 64, "steps_per_execution": 1}
    # Almost every user of the recipes has one interaction, so users are drawn evenly.
    recipes = {
        "num_users": options.recipes[0],
        "num_items": options.recipes[1],
        "dim": 32,
        "batch_size": options.recipe_batch,
        "user_exponent": 0.0,
        "item_exponent": skew,
    }
    return {
        "movies": [{**movies, **skewed, "batch_size": options.movies_batch}],
        "large": [
            {**large, **drawn, "batch_size": batch} for batch in options.large_batches for drawn in (skewed, uniform)
        ],
        "recipes": [{**recipes, "steps_per_execution": steps} for steps in options.steps_per_executions],
    }


def measure(name: str, case: dict[str, float], options: argparse.Namespace) -> list[dict[str, object]]:
    # A multiple of steps_per_execution, so that no side has a shorter last execution.
    per_execution = case["steps_per_execution"]
    steps = max(1, options.examples // case["batch_size"] // per_execution) * per_execution
    steps = min(steps, max(options.max_steps // per_execution, 1) * per_execution)
    arguments = {**case, "steps": steps}
    sides = {
        "reciperec_layers": Side(two_towers.reciperec, arguments),
        "TFRS": Side(two_towers.tfrs, arguments, legacy_keras=True),
    }
    found = compare(sides, options)
    drawn = ("num_users", "num_items", "batch_size", "steps", "user_exponent", "item_exponent")
    rows = two_towers.draw_batches(**{key: arguments[key] for key in drawn})
    users, items = (np.mean([len(np.unique(batch)) for batch in part]) for part in rows)
    shown = {
        "case": name,
        "users": case["num_users"],
        "items": case["num_items"],
        "ids": "skewed" if case["item_exponent"] else "uniform",
        "batch": case["batch_size"],
        "distinct_users": users,
        "distinct_items": items,
        "per_execution": per_execution,
    }
    speeds = found.xs("examples_a_second", level="measure")
    steps_ms = found.xs("ms_a_step", level="measure")["median"]
    return [
        {
            **shown,
            "side": side,
            "ms_a_step": steps_ms[side],
            "examples_a_second": speeds["median"][side],
            "spread": speeds["spread"][side],
            "ratio": speeds["median"][side] / speeds["median"]["TFRS"],
        }
        for side in sides
    ]


def main() -> None:
    options = parser("Time training beside TensorFlow Recommenders.", repeats=7)
    options.add_argument("--cases", default="movies,large,recipes", help="which of them, with commas")
    options.add_argument("--exponent", type=float, default=0.7, help="of the skewed ids")
    options.add_argument("--movies", type=numbers, default="6_040,3_706", help="users and items")
    options.add_argument("--movies-batch", type=int, default=4096)
    options.add_argument("--large", type=numbers, default="1_000_000,200_000", help="users and items")
    options.add_argument("--large-batches", type=numbers, default="512,4096")
    options.add_argument("--recipes", type=numbers, default="8_266,100", help="users and items")
    options.add_argument("--recipe-batch", type=int, default=80)
    options.add_argument("--steps-per-executions", type=numbers, default="1,32", help="of the recipes")
    options.add_argument("--examples", type=int, default=200_000, help="of one repeat, about")
    options.add_argument("--max-steps", type=int, default=2_560, help="of one repeat")
    options = options.parse_args()
    chosen = cases(options)
    rows = [row for name in options.cases.split(",") for case in chosen[name] for row in measure(name, case, options)]
    title = f"Training with fit, skew exponent {options.exponent}"
    digits = {"distinct_users": 0, "distinct_items": 0, "examples_a_second": 0}
    print_table(title, pd.DataFrame(rows), options, **digits)


if __name__ == "__main__":
    main()
