"""Memory of a process that makes model after model: what each leaves behind, beside plain Keras.

    python benchmarks/memory_over_models.py [--models 30] [--users 200_000] [--items 50_000] [--dim 16]

Each side runs in a process of its own. It makes a model, trains, evaluates, recommends and drops it, again and again,
as a search over settings does; after each model Keras's session is cleared and the garbage collected. Keras's side is
two `Embedding`s of the same sizes, trained and evaluated by Keras's own steps. Printed are the resident memory after
the first models and after the last, and what a model adds: the slope of a line through all models but the first ones.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from model_memory import resident_mb
from side_by_side import environment, parser, print_table

# While TensorFlow's pools still grow.
_WARM_UP = 5


def ours(num_users: int, num_items: int, dim: int, rows: dict[str, np.ndarray]) -> None:
    import reciperec_layers as rl

    users, items = np.arange(num_users), np.arange(num_items)
    towers = rl.IdTower(users, dim, feature="user_id"), rl.IdTower(items, dim, feature="item_id")
    model = rl.RetrievalModel(*towers, {"item_id": items})
    model.compile(rl.optimizers.Adagrad(0.1))
    model.fit(rl.data.batches(rows, batch_size=256, seed=1), epochs=2, verbose=0)
    model.evaluate(rl.data.batches(rows, batch_size=256), verbose=0)
    model.recommend({"user_id": users[:8]}, k=10)


def plain_keras(num_users: int, num_items: int, dim: int, rows: dict[str, np.ndarray]) -> None:
    import keras

    inputs = {name: keras.Input((), dtype="int64", name=name) for name in rows}
    tables = {"user_id": num_users, "item_id": num_items}
    embeddings = [keras.layers.Embedding(size, dim)(inputs[name]) for name, size in tables.items()]
    model = keras.Model(inputs, keras.layers.Dot(axes=1)(embeddings))
    model.compile("adagrad", "mse")
    targets = np.ones(len(rows["user_id"]), np.float32)
    model.fit(rows, targets, batch_size=256, epochs=2, verbose=0)
    model.evaluate(rows, targets, batch_size=256, verbose=0)
    model.predict({name: column[:8] for name, column in rows.items()}, verbose=0)


_SIDES: dict[str, Callable[..., None]] = {"reciperec_layers": ours, "Keras 3": plain_keras}


def live(side: str, num_models: int, num_users: int, num_items: int, dim: int) -> None:
    """Prints the memory after each model as JSON."""
    import keras

    generator = np.random.default_rng(7)
    rows = {"user_id": generator.integers(0, num_users, 2048), "item_id": generator.integers(0, num_items, 2048)}
    found = []
    for _ in range(num_models):
        _SIDES[side](num_users, num_items, dim, rows)
        keras.backend.clear_session()
        gc.collect()
        found.append(resident_mb())
    print(json.dumps(found))


def measure(side: str, options: argparse.Namespace) -> dict[str, Any]:
    arguments = (side, options.models, options.users, options.items, options.dim)
    repeats = []
    for _ in range(options.repeats):
        done = subprocess.run(
            [sys.executable, "-c", f"import memory_over_models; memory_over_models.live{arguments!r}"],
            cwd=Path(__file__).parent,
            env=os.environ | environment(options.threads),
            capture_output=True,
            text=True,
            check=True,
        )
        repeats.append(json.loads(done.stdout.splitlines()[-1])[min(_WARM_UP, options.models - 2) :])
    slopes = [np.polyfit(np.arange(len(found)), found, 1)[0] for found in repeats]
    return {
        "side": side,
        "models": options.models,
        "mb_first": statistics.median(found[0] for found in repeats),
        "mb_last": statistics.median(found[-1] for found in repeats),
        "mb_a_model": statistics.median(slopes),
    }


def main() -> None:
    options = parser(__doc__, repeats=1)
    options.add_argument("--models", type=int, default=30, help="one after the other, at least 3")
    options.add_argument("--users", type=int, default=200_000)
    options.add_argument("--items", type=int, default=50_000)
    options.add_argument("--dim", type=int, default=16)
    options = options.parse_args()
    table = pd.DataFrame([measure(side, options) for side in _SIDES])
    print_table("Memory of a process over many models", table, options, mb_first=0, mb_last=0)


if __name__ == "__main__":
    main()
