"""Milliseconds of a training step, as an embedding table grows.

    python benchmarks/table_size.py [--rows 10_000,1_000_000,10_000_000] [--keras-rows 10_000,1_000_000] [--repeats 5]

A step is one of Keras's `fit` on a model that is one table, and whose loss, the mean of the squared rows, costs next
to nothing. Each batch has distinct random rows. "RetrievalModel": two towers, users as said, a fifth as many items,
Adagrad, ids looked up, in-batch softmax. The ratio is over the smallest table of the same line.

The largest table and its two slots of Adam take 8 GB; the processes of one line live side by side.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import two_towers
from side_by_side import Side, compare, numbers, parser, print_table

OPTIMIZERS: dict[str, dict[str, float]] = {"Adagrad": {}, "RowwiseAdagrad": {}, "Adam": {}, "SGD": {"momentum": 0.9}}


def table_steps(
    library: str, optimizer: str, num_rows: int, dim: int, batch_size: int, steps: int
) -> Callable[[], dict[str, float]]:
    """Returns a function that trains one epoch and gives the milliseconds of a step."""
    import keras
    import tensorflow as tf

    import reciperec_layers as rl

    class Table(keras.Model):
        def __init__(self, table: keras.layers.Layer) -> None:
            super().__init__()
            self.table = table

        def call(self, rows: Any) -> Any:
            return self.table(rows)

        def compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool = True) -> Any:
            return keras.ops.mean(keras.ops.square(y_pred))

    layer = {"reciperec_layers": rl.layers.EmbeddingTable, "Keras 3": keras.layers.Embedding}[library]
    optimizers = {"reciperec_layers": rl.optimizers, "Keras 3": keras.optimizers}[library]
    model = Table(layer(num_rows, dim))
    model.compile(getattr(optimizers, optimizer)(0.1, **OPTIMIZERS[optimizer]))
    generator = np.random.default_rng(0)
    rows = np.stack([generator.choice(num_rows, batch_size, replace=False) for _ in range(steps)])
    batches = tf.data.Dataset.from_tensor_slices(rows).prefetch(2)

    def run() -> dict[str, float]:
        start = time.perf_counter()
        model.fit(batches, verbose=0)
        return {"ms_a_step": 1000 * (time.perf_counter() - start) / steps}

    run()
    return run


def table_sides(
    library: str, optimizer: str, sizes: list[int], steps: int, options: argparse.Namespace
) -> dict[int, Side]:
    shared = {"library": library, "optimizer": optimizer, "dim": options.dim, "steps": steps}
    return {
        rows: Side(table_steps, {**shared, "num_rows": rows, "batch_size": min(options.batch, rows)}) for rows in sizes
    }


def model_sides(options: argparse.Namespace) -> dict[int, Side]:
    shared = {"dim": options.dim, "batch_size": options.model_batch, "steps": options.steps}
    return {
        rows: Side(two_towers.reciperec, {**shared, "num_users": rows, "num_items": max(rows // 5, 1)})
        for rows in options.rows
    }


def lines(options: argparse.Namespace) -> dict[tuple[str, str], dict[int, Side]]:
    """Returns the sides of each line of the table: its sizes."""
    chosen = options.optimizers.split(",")
    ours = "reciperec_layers"
    found = {
        (ours, f"EmbeddingTable, {name}"): table_sides(ours, name, options.rows, options.steps, options)
        for name in chosen
    }
    if options.model_batch:
        found[ours, f"RetrievalModel, batch {options.model_batch}"] = model_sides(options)
    if options.keras_rows:
        found["Keras 3", "Embedding, Adagrad"] = table_sides(
            "Keras 3", "Adagrad", options.keras_rows, options.keras_steps, options
        )
    return found


def main() -> None:
    options = parser("Time a training step as the table grows.", repeats=5)
    options.add_argument("--rows", type=numbers, default="10_000,1_000_000,10_000_000")
    options.add_argument("--keras-rows", type=numbers, default="10_000,1_000_000", help='"" leaves Keras out')
    options.add_argument("--optimizers", default=",".join(OPTIMIZERS))
    options.add_argument("--dim", type=int, default=64)
    options.add_argument("--batch", type=int, default=4096)
    options.add_argument("--model-batch", type=int, default=512, help="of the two towers; 0 leaves them out")
    options.add_argument("--steps", type=int, default=200, help="of one repeat")
    options.add_argument("--keras-steps", type=int, default=10, help="of one repeat of Keras")
    options = options.parse_args()
    rows = []
    for (library, measured), sides in lines(options).items():
        found = compare(sides, options).xs("ms_a_step", level="measure")
        rows += [
            {
                "side": library,
                "measured": measured,
                "rows": size,
                "ms_a_step": found["median"][size],
                "spread": found["spread"][size],
                "ratio": found["median"][size] / found["median"].iloc[0],
            }
            for size in sides
        ]
    print_table(f"{options.dim} columns, batch {options.batch:,}", pd.DataFrame(rows), options)


if __name__ == "__main__":
    main()
