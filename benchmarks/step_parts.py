"""What a training step consists of: the time of its parts, each as often as in a step.

    python benchmarks/step_parts.py [--batches 80,512] [--repeats 15]

The model is that of training_over_tfrs.py: raw ids, two tables, in-batch softmax, Adagrad. Each part runs in a loop
inside of TensorFlow, without Python between two turns, and the parts take turns from repeat to repeat. "matrix
products": the three that forward and backward of the softmax cannot do without; the rate of the last column is theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import two_towers
from side_by_side import Side, compare, numbers, parser, print_table


def parts(num_users: int, num_items: int, dim: int, batch_size: int, turns: int) -> Callable[[], dict[str, float]]:
    """Returns a function that gives the microseconds of each part."""
    import tensorflow as tf

    import reciperec_layers as rl

    user_ids, item_ids = two_towers.make_ids(num_users, seed=3), two_towers.make_ids(num_items, seed=4)
    users, items = rl.IdTower(user_ids, dim, feature="user_id"), rl.IdTower(item_ids, dim, feature="item_id")
    model = rl.RetrievalModel(query_tower=users, candidate_tower=items, candidate_id="item_id")
    optimizer = rl.optimizers.Adagrad(two_towers.LEARNING_RATE)
    model.compile(optimizer)
    drawn = two_towers.draw_batches(num_users, num_items, batch_size, 1, 0.0, 0.7)
    batch = {"user_id": tf.constant(user_ids[drawn[0][0]]), "item_id": tf.constant(item_ids[drawn[1][0]])}
    generator = np.random.default_rng(5)
    queries, candidates = (tf.constant(generator.normal(0, 0.1, (batch_size, dim)), tf.float32) for _ in range(2))
    variables = [users.embedding_table.embeddings, items.embedding_table.embeddings]

    indices = [users.id_lookup(batch["user_id"]), items.id_lookup(batch["item_id"])]

    # `zero` makes what a part reads depend on the turn before: TensorFlow would compute it once for all turns.
    def lookups(zero: Any) -> list[Any]:
        zero = tf.cast(zero, tf.int64)
        return [users.id_lookup(batch["user_id"] + zero), items.id_lookup(batch["item_id"] + zero)]

    def tables(zero: Any) -> list[Any]:
        zero = tf.cast(zero, tf.int64)
        with tf.GradientTape() as tape:
            embeddings = [users.embedding_table(indices[0] + zero), items.embedding_table(indices[1] + zero)]
        sources = [variable.value for variable in variables]
        gradients = tape.gradient(embeddings, sources, output_gradients=[queries, candidates])
        return [*embeddings, *(gradient.values for gradient in gradients)]

    def softmax(zero: Any) -> list[Any]:
        shifted = queries + zero
        with tf.GradientTape() as tape:
            tape.watch([shifted, candidates])
            loss = model.in_batch_loss(shifted, candidates, candidate_ids=batch["item_id"], training=True)
        return [loss, *tape.gradient(loss, [shifted, candidates])]

    def products(zero: Any) -> list[Any]:
        logits = tf.matmul(queries + zero, candidates, transpose_b=True)
        return [tf.matmul(logits, candidates), tf.matmul(logits, queries, transpose_a=True)]

    def updates(zero: Any) -> list[Any]:
        gradients = []
        for index, values in zip(indices, (queries, candidates), strict=True):
            distinct, _ = tf.unique(index)
            gradients.append(tf.IndexedSlices(values[: tf.size(distinct)], distinct))
        optimizer.apply(gradients, variables)
        return [zero]

    def step(zero: Any) -> list[Any]:
        return [model.train_step(batch)["loss"] + zero]

    named = {
        "lookups of ids": lookups,
        "rows of the tables and their gradients": tables,
        "in-batch softmax and its gradient": softmax,
        "matrix products of the softmax": products,
        "Adagrad on both tables": updates,
        "a whole step": step,
    }
    loops = {name: _loop(part, turns) for name, part in named.items()}
    for loop in loops.values():
        loop()

    def run() -> dict[str, float]:
        found = {}
        for name, loop in loops.items():
            start = time.perf_counter()
            loop().numpy()
            found[name] = 1e6 * (time.perf_counter() - start) / turns
        return found

    return run


def _loop(part: Callable[[Any], list[Any]], turns: int) -> Callable[[], Any]:
    import tensorflow as tf

    @tf.function(autograph=False)
    def loop() -> Any:
        def body(turn: Any, zero: Any) -> tuple[Any, Any]:
            outputs = part(zero)
            firsts = [tf.cast(tf.reshape(output, [-1])[0], tf.float32) for output in outputs]
            return turn + 1, tf.clip_by_value(tf.add_n(firsts), 0.0, 0.0)

        return tf.while_loop(lambda turn, _: turn < turns, body, (0, 0.0), parallel_iterations=1)[1]

    return loop


def measure(case: dict[str, int], options: Any) -> list[dict[str, object]]:
    # Of both sizes the whole takes about as long.
    turns = max(50, options.examples // case["batch_size"])
    found = compare({"parts": Side(parts, {**case, "turns": turns})}, options).loc["parts"]
    gflop = 6e-9 * case["batch_size"] ** 2 * case["dim"]
    return [
        {
            "batch": case["batch_size"],
            "part": name,
            "us": found["median"][name],
            "spread": found["spread"][name],
            "of_step": found["median"][name] / found["median"]["a whole step"],
            "gflop_per_s": gflop / (found["median"][name] * 1e-6) if "products" in name else np.nan,
        }
        for name in found.index
    ]


def main() -> None:
    options = parser("Time the parts of a training step.", repeats=15)
    options.add_argument("--batches", type=numbers, default="80,512")
    options.add_argument("--recipes", type=numbers, default="8_266,100", help="users and items, batches below 100 rows")
    options.add_argument("--large", type=numbers, default="1_000_000,200_000", help="users and items, larger batches")
    options.add_argument("--examples", type=int, default=100_000, help="of one part and repeat, about")
    options = options.parse_args()
    rows = []
    for batch in options.batches:
        sizes, dim = (options.recipes, 32) if batch < 100 else (options.large, 64)
        case = {"num_users": sizes[0], "num_items": sizes[1], "dim": dim, "batch_size": batch}
        rows += measure(case, options)
    print_table("Parts of a training step", pd.DataFrame(rows), options, us=1, gflop_per_s=0)


if __name__ == "__main__":
    main()
