"""What a model reaches with no option, on public splits: `from_data`, `compile()`, `fit(train)`, one look at the test.

    python benchmarks/accuracy/defaults.py --data FOLDER [--sets NAME,NAME] [--seeds 1,2,3] [--embedding-dim 64]

FOLDER has a folder for each data set. `fit` chooses temperature and number of epochs on rows that it holds out of
`train.txt`, then trains on all of them. Ranked as in `run.py`, beside popularity and ALS.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from data_sets import ITEM, DataSet, read_data_set
from peers import measured_peers
from trial import quality_of

import reciperec_layers as rl

SETS = ("amazon_electronics_ultragcn", "amazon_beauty_s3rec", "gowalla_lightgcn")


def tested(data: DataSet, seed: int, embedding_dim: int) -> dict[str, Any]:
    """Trains with no option but the size, which published numbers have in common, and ranks the test rows once."""
    keras.utils.set_random_seed(seed)
    begin, train = time.perf_counter(), data.test.train
    items = pd.DataFrame({ITEM: data.items})
    model = rl.RetrievalModel.from_data(train, items, embedding_dim=embedding_dim, seed=seed)
    model.compile()
    history = model.fit(train, verbose=0)
    seconds = time.perf_counter() - begin
    found = quality_of(model, data.test)
    temperature = model.in_batch_loss.temperature
    return {**found, "seconds": seconds, "epochs": len(history.epoch), "temperature": temperature}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--sets", default=",".join(SETS), help="folders in it")
    parser.add_argument("--seeds", default="1,2,3", help="by default 1,2,3")
    parser.add_argument("--embedding-dim", type=int, default=64, help="by default 64")
    options = parser.parse_args()
    for name in options.sets.split(","):
        seeds = [int(seed) for seed in options.seeds.split(",")]
        data = read_data_set(options.data / name, seeds[0])
        names = f"{f'recall@{data.test.k}':>10}{f'NDCG@{data.test.k}':>10}"
        print(f"{name}\n{'':<28}{names}{'seconds':>9}{'epochs':>8}{'temperature':>13}")
        found = [tested(data, seed, options.embedding_dim) for seed in seeds]
        for seed, row in zip(seeds, found, strict=True):
            of_training = f"{row['seconds']:>9.0f}{row['epochs']:>8}{row['temperature']:>13g}"
            print(f"{f'defaults, seed {seed}':<28}{row['recall']:>10.4f}{row['ndcg']:>10.4f}{of_training}")
        means = [np.mean([row[key] for row in found]) for key in ("recall", "ndcg", "seconds")]
        print(f"{'defaults, mean':<28}{means[0]:>10.4f}{means[1]:>10.4f}{means[2]:>9.0f}")
        for peer, row in measured_peers(data.test, data.items, seeds[0]).items():
            print(f"{peer:<28}{row['recall']:>10.4f}{row['ndcg']:>10.4f}{row['seconds']:>9.0f}")


if __name__ == "__main__":
    main()
