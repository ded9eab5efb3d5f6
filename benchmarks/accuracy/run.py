"""One published row: chooses the number of epochs, trains, and tests once, beside what others reach.

    python benchmarks/accuracy/run.py benchmarks/accuracy/NAME.yaml --data FOLDER [--seeds 1,2,3]

FOLDER has the folder of the data set that the file names. The number of epochs is chosen on held-out training rows, by
the first seed. Then a model of each seed is trained on all training rows for that many epochs, and ranks the test rows
once: training items are masked, all items are ranked, and every user with test items counts alike. Recall and NDCG are
those at 20, and at 10 where the last item of each user is held out.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from data_sets import read_data_set
from peers import ALS, measured_peers
from report import draw, print_found
from row_config import RowConfig, read_row_config
from trial import choose_epoch, curve_of, tested

from reciperec_layers.errors import ReciperecError

_PACKAGES = ("reciperec-layers", "tensorflow", "keras", "implicit")


def measure(config: RowConfig, folder: Path, seeds: list[int]) -> dict[str, Any]:
    """Returns everything that a run finds, as JSON can hold it."""
    data = read_data_set(folder / config.data, seeds[0])
    sides = data.users, data.items
    curve = curve_of(config, data.choice, *sides, seeds[0])
    epochs = choose_epoch(curve)
    trials = [tested(config, data.test, *sides, seed, epochs) for seed in seeds]
    peak_memory_mb = _peak_memory_mb()  # before the peers, which are not to count
    splits = {"valid": data.choice, "test": data.test}
    peers = {name: measured_peers(split, data.items, seeds[0]) for name, split in splits.items()}
    level = peers["valid"].get(ALS, {"recall": float("inf")})["recall"]
    return {
        **asdict(config),
        "k": data.test.k,
        "chosen_epoch": epochs,
        "curve": [asdict(point) for point in curve],
        "trials": trials,
        "peers": peers,
        "seconds_until_als": next((point.seconds for point in curve if point.recall > level), None),
        "peak_memory_mb": peak_memory_mb,
        "versions": _versions(),
    }


def _peak_memory_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="a YAML file of this folder")
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--seeds", default="1,2,3", help="by default 1,2,3")
    parser.add_argument("--epochs", type=int, help="in place of those of the file")
    parser.add_argument("--json", type=Path, help="file for everything that was found")
    parser.add_argument("--plot", type=Path, help="PNG file for quality over seconds")
    options = parser.parse_args()
    try:
        seeds = [int(seed) for seed in options.seeds.split(",")]
        found = measure(read_row_config(options.config, options.epochs), options.data, seeds)
    except (ReciperecError, ValueError) as error:
        parser.error(str(error))
    print_found(found)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.plot is not None:
        draw(found, options.plot)


if __name__ == "__main__":
    main()
