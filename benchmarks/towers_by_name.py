"""Towers that are swapped by a word, on MovieLens: quality beside both popularity baselines, and seconds.

    python benchmarks/towers_by_name.py FOLDER [--split time] [--towers id,feature,cross,mixture] [--seeds 3]

FOLDER is `ml-latest-small`. Each model is `from_data`, `compile()` and `fit`, with no option.
Seen candidates are left out; movies that are not in the list are not tested.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from side_by_side import parser, print_table

import reciperec_layers as rl
from reciperec_layers.evaluation import compare_models


def split(ratings: pd.DataFrame, how: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    if how == "time":
        return rl.data.split_by_time(ratings, "timestamp", 0.2)
    return rl.data.split_leave_last_out(ratings, "userId", "timestamp")


def maker(
    train: pd.DataFrame, movies: pd.DataFrame, tower: str, epochs: int | None
) -> Callable[[int], rl.RetrievalModel]:
    def make(seed: int) -> rl.RetrievalModel:
        towers = {"query_tower": tower, "candidate_tower": tower}
        model = rl.RetrievalModel.from_data(train, movies, **towers, seed=seed)
        model.compile()
        model.fit(train, epochs=epochs, verbose=0)
        return model

    return make


def main() -> None:
    options = parser(__doc__ or "", repeats=1)
    options.add_argument("folder", type=Path)
    options.add_argument("--split", choices=["time", "leave-last-out"], default="time")
    options.add_argument("--towers", default="id,feature,cross,mixture")
    options.add_argument("--epochs", type=int, help="by default chosen")
    options.add_argument("--seeds", type=int, default=3)
    arguments = options.parse_args()
    ratings, movies = (pd.read_csv(arguments.folder / name) for name in ("ratings.csv", "movies.csv"))
    train, test = split(ratings, arguments.split)
    test = test[test["movieId"].isin(movies["movieId"])]
    models = {name: maker(train, movies, name, arguments.epochs) for name in arguments.towers.split(",")}
    metrics = [rl.metrics.Recall(10), rl.metrics.NDCG(10)]
    found = compare_models(models, test, train, seeds=range(arguments.seeds), metrics=metrics, time="timestamp")
    table = pd.DataFrame({"towers": found.index})
    for metric in metrics:
        values, ends = found[metric.name], [found[f"{metric.name}_{end}"] for end in ("min", "max")]
        table[metric.name] = values.to_numpy()
        table[f"{metric.name}_range"] = [f"{low:.4f}-{high:.4f}" for low, high in zip(*ends, strict=True)]
        table[f"{metric.name}_of_popularity"] = (values / values["popularity"]).to_numpy()
    table["seconds"] = found["seconds"].to_numpy()
    title = f"{len(train):,} training and {len(test):,} test rows by {arguments.split}, {arguments.seeds} seeds"
    print_table(title, table, arguments, **{metric.name: 4 for metric in metrics}, seconds=1)


if __name__ == "__main__":
    main()
