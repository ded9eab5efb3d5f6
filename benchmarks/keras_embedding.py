"""Milliseconds of a training step, beside the `Embedding` and the Adagrad of plain Keras 3.

    python benchmarks/keras_embedding.py [--users 1_000_000] [--items 200_000] [--repeats 5]

The same two towers, in-batch softmax and `fit` on batches in memory. This package looks raw ids up; Keras gets the
rows of its tables, and so does less. Ids are drawn evenly.
"""

from __future__ import annotations

import two_towers
from side_by_side import Side, compare, parser, print_table


def main() -> None:
    options = parser("Time a training step beside plain Keras 3.", repeats=5)
    options.add_argument("--users", type=int, default=1_000_000)
    options.add_argument("--items", type=int, default=200_000)
    options.add_argument("--batch", type=int, default=512)
    options.add_argument("--dim", type=int, default=64)
    options.add_argument("--steps", type=int, default=400, help="of one repeat of this package")
    options.add_argument("--keras-steps", type=int, default=10, help="of one repeat of Keras")
    options = options.parse_args()
    sizes = {"num_users": options.users, "num_items": options.items, "dim": options.dim, "batch_size": options.batch}
    sides = {
        "reciperec_layers": Side(two_towers.reciperec, {**sizes, "steps": options.steps}),
        "Keras 3": Side(two_towers.plain_keras, {**sizes, "steps": options.keras_steps}),
    }
    table = compare(sides, options).xs("ms_a_step", level="measure").rename(columns={"median": "ms_a_step"})
    table["ratio"] = table["ms_a_step"] / table.loc["reciperec_layers", "ms_a_step"]
    table = table.reset_index()
    title = f"{options.users:,} users, {options.items:,} items, {options.dim} columns, batch {options.batch:,}"
    print_table(title, table, options)


if __name__ == "__main__":
    main()
