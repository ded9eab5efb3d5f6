"""A model beside popularity, item-kNN, EASE and ALS on the same rows of real data, with seconds and intervals.

    python benchmarks/yardsticks.py FOLDER [--epochs N]

The folder has `amazon_electronics_ultragcn` and `ml-latest-small`. Electronics has a published split. Of MovieLens the
movies with at least five ratings are taken, and a random fifth of the rows is held out. Options of the yardsticks are
chosen on training rows; the model is `from_data`, `compile()` and `fit(train)`, of ids alone.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import keras
import pandas as pd

import reciperec_layers as rl

COLUMNS = ["recall@10", "ndcg@10", "seconds", "outcome", "recall@10_low", "recall@10_high"]


def electronics(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    def read(name: str) -> pd.DataFrame:
        lines = (folder / "amazon_electronics_ultragcn" / name).read_text().splitlines()
        rows = [line.split() for line in lines]
        pairs = [(int(user), int(item)) for user, *items in rows for item in items]
        return pd.DataFrame(pairs, columns=["user_id", "item_id"])

    return read("train.txt"), read("test.txt")


def movies(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    ratings = pd.read_csv(folder / "ml-latest-small" / "ratings.csv").rename(columns={"userId": "user_id"})
    ratings = ratings[ratings.groupby("movieId")["movieId"].transform("size") >= 5].rename(
        columns={"movieId": "item_id"}
    )
    ratings = ratings[["user_id", "item_id"]].sample(frac=1, random_state=42)
    size = len(ratings) * 4 // 5
    return ratings[:size], ratings[size:]


def compared(train: pd.DataFrame, test: pd.DataFrame, epochs: int | None) -> pd.DataFrame:
    keras.utils.set_random_seed(42)
    items = pd.DataFrame({"item_id": pd.unique(pd.concat([train["item_id"], test["item_id"]]))})
    began = time.perf_counter()
    model = rl.RetrievalModel.from_data(train, items, embedding_dim=64, seed=42)
    model.compile()
    model.fit(train, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - began
    metrics = [rl.metrics.Recall(10), rl.metrics.NDCG(10)]
    table = rl.evaluation.compare(model, test, train, metrics=metrics, yardsticks="all").loc["all", COLUMNS]
    table.loc["model", "seconds"] = seconds
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, help="by default chosen")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # that the model loses is in the table
    for name, read in {"electronics": electronics, "ml-latest-small": movies}.items():
        train, test = read(options.folder)
        print(f"{name}: {len(train):,} training and {len(test):,} test rows, {train['item_id'].nunique():,} items")
        print(compared(train, test, options.epochs).round({"seconds": 1}).round(4).to_string(), flush=True)


if __name__ == "__main__":
    main()
