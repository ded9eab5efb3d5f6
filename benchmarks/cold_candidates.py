"""Candidates that training never saw, ranked among themselves from their features alone.

    python benchmarks/cold_candidates.py FOLDER [--draws 5] [--share 0.05]

FOLDER is `ml-latest-small` or `amazon_beauty_s3rec`. A share of the items is withheld with all their interactions; a
model of no option is trained on the rest, gets the withheld items as its corpus, and ranks them for the people that it
knows. Chance is 10 of the withheld items.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from side_by_side import parser, print_table

import reciperec_layers as rl


def movie_lens(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    columns = {"userId": "user_id", "movieId": "item_id"}
    return tuple(pd.read_csv(folder / name).rename(columns=columns) for name in ("ratings.csv", "movies.csv"))


def beauty(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns interactions, which have no times, and items with lists of attributes."""
    lines = [list(map(int, line.split())) for line in (folder / "Beauty.txt").read_text().splitlines()]
    pairs = [(user, item) for user, *items in lines for item in items]
    attributes = json.loads((folder / "Beauty_item2attributes.json").read_text())
    items = pd.DataFrame({"item_id": sorted({item for _, item in pairs})})
    items["attributes"] = [attributes.get(str(item), []) for item in items["item_id"]]
    return pd.DataFrame(pairs, columns=["user_id", "item_id"]), items


def draw(
    interactions: pd.DataFrame, items: pd.DataFrame, share: float, epochs: int | None, seed: int
) -> dict[str, float]:
    withheld = np.random.default_rng(seed).choice(items["item_id"], round(share * len(items)), replace=False)
    is_withheld = items["item_id"].isin(withheld)
    is_test = interactions["item_id"].isin(withheld)
    train = interactions[~is_test]
    test = interactions[is_test & interactions["user_id"].isin(train["user_id"])]
    model = rl.RetrievalModel.from_data(train, items[~is_withheld], seed=seed)
    model.compile()
    model.fit(train, epochs=epochs, verbose=0)
    model.set_candidates(items[is_withheld])
    recall, chance = float(np.mean(model.held_out_ranks(test) <= 10)), 10 / len(withheld)
    return {"draw": seed, "withheld": len(withheld), "recall@10": recall, "chance": chance, "ratio": recall / chance}


def main() -> None:
    options = parser(__doc__ or "", repeats=1)
    options.add_argument("folder", type=Path)
    options.add_argument("--draws", type=int, default=5)
    options.add_argument("--share", type=float, default=0.05)
    options.add_argument("--epochs", type=int, help="by default chosen")
    arguments = options.parse_args()
    read = movie_lens if (arguments.folder / "ratings.csv").exists() else beauty
    interactions, items = read(arguments.folder)
    draws = range(arguments.draws)
    table = pd.DataFrame([draw(interactions, items, arguments.share, arguments.epochs, seed) for seed in draws])
    mean = table.mean().to_frame().T.assign(draw="mean")
    table = pd.concat([table.astype({"draw": object}), mean], ignore_index=True)
    print_table(arguments.folder.name, table, arguments, withheld=0)


if __name__ == "__main__":
    main()
