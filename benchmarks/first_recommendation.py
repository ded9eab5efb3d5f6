"""Seconds from a file with many candidates to the first recommendation, in a new process.

    python benchmarks/first_recommendation.py [--candidates 1_000_000] [--repeats 3]

A model of two `IdTower`s is saved; then a new process imports the package, and from there on is timed: loading the
file, and `recommend` for the first and the second time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from side_by_side import environment, parser, print_table


def save(path: Path, kind: str, num_candidates: int, dim: int) -> None:
    import reciperec_layers as rl

    numbers = np.random.default_rng(0).permutation(10 * num_candidates)[:num_candidates]
    ids = numbers if kind == "int64" else np.array([f"recipe_{number}" for number in numbers], dtype=object)
    model = rl.RetrievalModel(
        query_tower=rl.IdTower(np.arange(1000), dim, feature="user_id"),
        candidate_tower=rl.IdTower(ids, dim, feature="recipe_id"),
        candidates={"recipe_id": ids},
    )
    model.save(path)


def load(path: str) -> None:
    """Prints the seconds as JSON."""
    import keras

    import reciperec_layers  # noqa: F401 - registers its classes with Keras

    start = time.perf_counter()
    model = keras.models.load_model(path)
    loaded = time.perf_counter()
    model.recommend({"user_id": [5]}, k=10)
    first = time.perf_counter()
    model.recommend({"user_id": [6]}, k=10)
    second = time.perf_counter()
    print(json.dumps({"load": loaded - start, "first": first - loaded, "second": second - first}))


def measure(kind: str, options: argparse.Namespace, folder: Path) -> dict[str, object]:
    path = folder / f"{kind}.keras"
    save(path, kind, options.candidates, options.dim)
    found = []
    for _ in range(options.repeats):
        done = subprocess.run(
            [sys.executable, __file__, "--load", path],
            env=os.environ | environment(options.threads),
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    medians = {name: statistics.median(each[name] for each in found) for name in found[0]}
    total = statistics.median(each["load"] + each["first"] for each in found)
    return {"ids": kind, "file_mb": path.stat().st_size / 1e6, **medians, "load_and_first": total}


def main() -> None:
    options = parser("Time loading and the first recommendation.", repeats=3)
    options.add_argument("--candidates", type=int, default=1_000_000)
    options.add_argument("--dim", type=int, default=64)
    options.add_argument("--load", help="internal: the file to load in this process")
    options = options.parse_args()
    if options.load:
        load(options.load)
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(kind, options, Path(folder)) for kind in ("int64", "text")]
    title = f"Seconds with {options.candidates:,} candidates of {options.dim} columns"
    print_table(title, pd.DataFrame(rows), options, file_mb=1, second=3)


if __name__ == "__main__":
    main()
