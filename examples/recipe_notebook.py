"""The recipe notebook of TensorFlow Recommenders, with its split, batch sizes, optimizer and epochs.

    python examples/recipe_notebook.py DATA

DATA is the folder with `mock-data_interaction.csv` and `mock-data_recipe.csv`. Prints the notebook's results and
those of this package. The notebook has all users in its vocabulary, including those of the test rows, and so does
`plain softmax`; `corrected softmax` has only those of the training rows.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

import reciperec_layers as rl

KS = (1, 5, 10, 50, 100)
SEEDS = (42, 43, 44)
METHODS = ("plain softmax", "corrected softmax", "popularity")
PEERS = {
    "TFRS, as printed in the notebook": (0.0210, 0.1155, 0.2100, 0.4810, 0.9885),
    "TFRS 0.7.7, run again": (0.0370, 0.1540, 0.2460, 0.4775, 0.9790),
}


def measure(folder: Path) -> pd.DataFrame:
    """Returns top-k accuracies, one row per method, for each split and on average."""
    tables = rl.data.read_tables(folder / "mock-data_interaction.csv", folder / "mock-data_recipe.csv")
    interactions, recipes = tables.interactions[["user_id", "recipe_id"]], tables.candidates
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for seed in SEEDS:
        train, test = rl.data.split_random(interactions, train_size=6000, test_size=2000, seed=seed)
        all_users = rl.Vocabulary(interactions["user_id"].unique())
        known_users = rl.Vocabulary.from_data(train["user_id"])
        corrected = rl.InBatchSoftmax(sampling_correction="counts", candidate_counts=train["recipe_id"])
        popularity = rl.data.Popularity(train, "recipe_id", candidates=recipes)
        rows["plain softmax", seed] = evaluate(train, test, recipes, all_users, rl.InBatchSoftmax(), 0.0, seed)
        rows["corrected softmax", seed] = evaluate(train, test, recipes, known_users, corrected, 0.1, seed)
        rows["popularity", seed] = popularity.evaluate(test, ks=KS)
    table = {}
    for method in METHODS:
        shares = np.array(
            [[rows[method, seed][f"factorized_top_k/top_{k}_categorical_accuracy"] for k in KS] for seed in SEEDS]
        )
        table |= {f"{method}, seed {seed}": share for seed, share in zip(SEEDS, shares, strict=True)}
        table[f"{method}, mean"] = shares.mean(axis=0)
    return as_frame(table)


def as_frame(rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(rows, orient="index", columns=[f"top-{k}" for k in KS])


def evaluate(
    train: pd.DataFrame,
    test: pd.DataFrame,
    recipes: pd.DataFrame,
    users: rl.Vocabulary,
    loss: rl.InBatchSoftmax,
    id_dropout: float,
    seed: int,
) -> dict[str, float]:
    model = rl.RetrievalModel(
        query_tower=rl.IdTower(users, 32, feature="user_id", id_dropout=id_dropout, seed=seed),
        candidate_tower=rl.IdTower(recipes["recipe_id"], 32, feature="recipe_id", seed=seed + 100),
        candidates=recipes,
        candidate_id="recipe_id",
    )
    model.compile(optimizer=rl.optimizers.Adagrad(0.1), loss=loss)
    model.fit(rl.data.batches(train, 80, seed=seed), epochs=3, verbose=0)
    return model.evaluate(rl.data.batches(test, 10), return_dict=True, verbose=0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare with the recipe notebook of TensorFlow Recommenders.")
    parser.add_argument("folder", type=Path, metavar="DATA", help="folder of the two CSV files")
    measured = measure(parser.parse_args().folder)
    print(pd.concat([as_frame(PEERS), measured]).to_string(float_format="{:.4f}".format))


if __name__ == "__main__":
    main()
