"""What a vocabulary of a million ids adds to saving and loading, beside Keras's own lookup layers.

    python benchmarks/vocabulary_io.py [--ids 1000000] [--repeats 3]

Three models are saved, and each is loaded in a new process: a table alone, the same table behind this package's
vocabulary (`IdTower`), and behind Keras's `IntegerLookup` or `StringLookup`. Loading ends with the first rows looked
up, since a hash table may be made as late as that. "beyond the weights" is the time less that of the table alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd

import reciperec_layers as rl

EMBEDDING_DIM = 8
KERAS_LOOKUP = {"int64": keras.layers.IntegerLookup, "string": keras.layers.StringLookup}


def make_ids(kind: str, num_ids: int) -> np.ndarray:
    ids = np.random.default_rng(0).permutation(10 * num_ids)[:num_ids]
    return ids if kind == "int64" else np.array([f"recipe_{number}" for number in ids], dtype=object)


def make_model(variant: str, kind: str, ids: np.ndarray) -> keras.Model:
    table = rl.layers.EmbeddingTable(len(ids) + 1, EMBEDDING_DIM)
    layers = {
        "weights": lambda: [keras.Input((), dtype="int64"), table],
        "reciperec": lambda: [keras.Input((), dtype=kind), rl.IdTower(ids, EMBEDDING_DIM)],
        "keras": lambda: [keras.Input((), dtype=kind), KERAS_LOOKUP[kind](vocabulary=ids, mask_token=None), table],
    }
    return keras.Sequential(layers[variant]())


def first_inputs(variant: str, ids: np.ndarray) -> np.ndarray:
    return np.arange(4) if variant == "weights" else ids[:4]


def load(path: Path, kind: str, variant: str, num_ids: int) -> None:
    """Prints the seconds of loading and looking up, in a process where TensorFlow has been warmed up."""
    inputs = keras.ops.convert_to_tensor(first_inputs(variant, make_ids(kind, num_ids)))
    warm_up = path.with_name("warm_up.keras")
    make_model(variant, kind, make_ids(kind, 10)).save(warm_up)
    keras.models.load_model(warm_up)(inputs)
    start = time.perf_counter()
    keras.models.load_model(path)(inputs).numpy()
    print(time.perf_counter() - start)


def measure(kind: str, variant: str, num_ids: int, repeats: int, folder: Path) -> dict[str, float]:
    path = folder / f"{kind}_{variant}.keras"
    ids = make_ids(kind, num_ids)
    model = make_model(variant, kind, ids)
    model(keras.ops.convert_to_tensor(first_inputs(variant, ids)))
    saves, loads = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        model.save(path)
        saves.append(time.perf_counter() - start)
        command = [sys.executable, __file__, "--ids", str(num_ids), "--load", str(path), kind, variant]
        loads.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]))
    with zipfile.ZipFile(path) as archive:
        config_bytes = archive.getinfo("config.json").file_size
    return {
        "save_seconds": statistics.median(saves),
        "load_seconds": statistics.median(loads),
        "config_bytes": config_bytes,
        "file_mb": path.stat().st_size / 1e6,
    }


def compare(num_ids: int, repeats: int) -> pd.DataFrame:
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in KERAS_LOOKUP:
            found = {
                variant: measure(kind, variant, num_ids, repeats, Path(folder))
                for variant in ("weights", "reciperec", "keras")
            }
            both = {variant: times["save_seconds"] + times["load_seconds"] for variant, times in found.items()}
            ours = both["reciperec"] - both["weights"]
            for variant, times in found.items():
                beyond = both[variant] - both["weights"]
                rows[kind, variant] = {**times, "beyond_weights_seconds": beyond, "ratio": beyond / ours}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["ids", "model"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Time saving and loading of vocabularies.")
    parser.add_argument("--ids", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--load", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        path, kind, variant = options.load
        load(Path(path), kind, variant, options.ids)
        return
    table = compare(options.ids, options.repeats)
    formats = {"config_bytes": "{:,.0f}".format, "file_mb": "{:.1f}".format, "ratio": "{:.1f}".format}
    print(f"{options.ids:,} ids, {EMBEDDING_DIM} columns, medians of {options.repeats}, {os.cpu_count()} cores")
    print(table.to_string(float_format="{:.3f}".format, formatters=formats))


if __name__ == "__main__":
    main()
