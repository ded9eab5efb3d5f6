"""Rows a second of `rl.data.batches`, shuffled, beside `tf.data` row by row.

    python benchmarks/batches_io.py [--rows 10_000_000] [--peer-rows 1_000_000] [--repeats 5]

Two integer columns, in memory and in a Parquet file. The datasets are run to their end inside TensorFlow, one epoch a
repeat; the order of the epoch is drawn within it. `from_tensor_slices(...).shuffle(rows).batch(...)` handles rows one
by one, and gets fewer of them: its rows a second are compared as they are, though they fall as rows grow.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import Side, compare, parser, print_table

OURS, PEER, FILE = "batches(frame)", "from_tensor_slices.shuffle.batch", "batches(Parquet file)"


def make_frame(num_rows: int) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {"user_id": generator.integers(0, 10**6, num_rows), "item_id": generator.integers(0, 10**5, num_rows)}
    )


def make_dataset(source: str, num_rows: int, batch_size: int, path: str) -> Any:
    import tensorflow as tf

    import reciperec_layers as rl

    if source == FILE:
        return rl.data.batches(path, batch_size, seed=0)
    frame = make_frame(num_rows)
    if source == OURS:
        return rl.data.batches(frame, batch_size, seed=0)
    columns = {name: frame[name].to_numpy() for name in frame}
    return tf.data.Dataset.from_tensor_slices(columns).shuffle(num_rows).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def epoch(source: str, num_rows: int, batch_size: int, path: str) -> Callable[[], dict[str, float]]:
    """Returns a function that reads one epoch and gives its rows a second."""
    import tensorflow as tf

    dataset = make_dataset(source, num_rows, batch_size, path)

    @tf.function
    def count() -> tf.Tensor:
        return dataset.reduce(tf.constant(0), lambda total, batch: total + tf.size(batch["user_id"]))

    def run() -> dict[str, float]:
        start = time.perf_counter()
        read = int(count())
        seconds = time.perf_counter() - start
        if read != num_rows:
            raise ValueError(f"{source} gave {read} of {num_rows} rows")
        return {"rows_a_second": read / seconds}

    run()
    return run


def main() -> None:
    options = parser("Time batches of rows in memory and in a file.", repeats=5)
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--peer-rows", type=int, default=1_000_000, help="of tf.data row by row")
    options.add_argument("--batch", type=int, default=4096)
    options = options.parse_args()
    rows = {OURS: options.rows, FILE: options.rows, PEER: options.peer_rows}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "interactions.parquet"
        make_frame(options.rows).to_parquet(path)
        shared = {"batch_size": options.batch, "path": str(path)}
        sides = {source: Side(epoch, {**shared, "source": source, "num_rows": size}) for source, size in rows.items()}
        found = compare(sides, options).xs("rows_a_second", level="measure")
    table = found.rename(columns={"median": "rows_a_second"}).reset_index()
    table.insert(1, "rows", table["side"].map(rows))
    table["ratio"] = table["rows_a_second"] / found["median"][PEER]
    print_table(f"Two columns, batch {options.batch:,}, shuffled", table, options, rows=0, rows_a_second=0)


if __name__ == "__main__":
    main()
