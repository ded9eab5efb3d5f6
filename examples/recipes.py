"""From two CSV files to a saved model that recommends recipes by name, compared with two popularity baselines.

python examples/recipes.py interactions.csv recipes.csv
python examples/recipes.py interactions.csv recipes.csv --split random --train-size 6000 --test-size 2000
python examples/recipes.py --synthetic
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pandas as pd

import reciperec_layers as rl


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train, evaluate, save, load, recommend.")
    parser.add_argument("files", nargs="*", type=Path, metavar="CSV", help="interactions, then recipes")
    parser.add_argument("--synthetic", action="store_true", help="use made-up recipes instead of files")
    parser.add_argument("--time", default="dateLastModified", help="column of times in the interactions")
    parser.add_argument("--split", choices=["time", "random"], default="time")
    parser.add_argument("--train-size", type=int, help="rows for training, with --split random")
    parser.add_argument("--test-size", type=int, help="rows for the test, with --split random")
    parser.add_argument("--batch-size", type=int, default=80)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, default=Path("recipes.keras"), help="where the model is saved")
    options = parser.parse_args()
    if options.synthetic == bool(options.files) or len(options.files) not in (0, 2):
        parser.error("give either two CSV files or --synthetic")
    return options


def read(options: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    if options.synthetic:
        data = rl.data.synthetic_recipes(options.seed)
        return data.interactions.rename(columns={"time": options.time}), data.recipes
    tables = rl.data.read_tables(*options.files, query="user_id", candidate="recipe_id")
    return tables.interactions, tables.candidates


def split(interactions: pd.DataFrame, options: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    if options.split == "time":
        return rl.data.split_by_time(interactions, time=options.time)
    sizes = {"train_size": options.train_size, "test_size": options.test_size}
    return rl.data.split_random(interactions, **sizes, seed=options.seed)


def train_model(
    train: pd.DataFrame, recipes: pd.DataFrame, loss: rl.InBatchSoftmax, options: argparse.Namespace
) -> rl.RetrievalModel:
    users = rl.Vocabulary.from_data(train["user_id"])
    model = rl.RetrievalModel(
        query_tower=rl.IdTower(users, 32, feature="user_id", id_dropout=0.1, seed=options.seed),
        candidate_tower=rl.IdTower(recipes["recipe_id"], 32, feature="recipe_id", seed=options.seed + 1),
        candidates=recipes,
        candidate_id="recipe_id",
        keep_columns=["recipe_name"],
    )
    model.compile(optimizer=rl.optimizers.Adagrad(0.1), loss=loss)
    pairs = rl.data.batches(train, options.batch_size, columns=["user_id", "recipe_id"], seed=options.seed)
    model.fit(pairs, epochs=options.epochs, verbose=2)
    return model


def main() -> None:
    options = read_options()
    interactions, recipes = read(options)
    train, test = split(interactions, options)
    new_users = 1 - test["user_id"].isin(train["user_id"]).mean()
    print(f"{len(train)} rows to train, {len(test)} to test, {new_users:.0%} of the latter from new users")

    losses = {
        "plain": rl.InBatchSoftmax(),
        "corrected": rl.InBatchSoftmax(sampling_correction="counts", candidate_counts=train["recipe_id"]),
    }
    models = {name: train_model(train, recipes, loss, options) for name, loss in losses.items()}

    seen = rl.data.seen(train, "user_id", "recipe_id")
    held_out = rl.data.batches(test, 1024, columns=["user_id", "recipe_id"])
    recent = rl.data.Popularity(train, "recipe_id", recipes, half_life="recent", time=options.time)
    baselines = {
        "popularity": rl.data.Popularity(train, "recipe_id", recipes).evaluate(test, exclude=seen),
        "recent popularity": recent.evaluate(test, exclude=seen),
    }
    columns = {
        name: model.evaluate(held_out, exclude=seen, return_dict=True, verbose=0) for name, model in models.items()
    }
    table = pd.DataFrame({**columns, **baselines}).loc[list(baselines["popularity"])]
    print(table.to_string(float_format="{:.4f}".format))

    models["corrected"].save(options.out)
    loaded = keras.models.load_model(options.out)
    print(f"saved and loaded {options.out}")
    users = {"user_id": train["user_id"].unique()[:2]}
    print(loaded.recommend(users, k=5, exclude=seen, as_frame=True).to_string(index=False))


if __name__ == "__main__":
    main()
