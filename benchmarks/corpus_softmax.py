"""The softmax over the corpus, forward and backward, beside the three products that it cannot do without.

    python benchmarks/corpus_softmax.py [--queries 1024] [--candidates 40981] [--rows 25600] [--dim 64] [--repeats 15]

Sizes are those of a step on Gowalla. Ratios are to the fastest tiling of the products; "TensorFlow" is the plain form,
the whole matrix of logits at once; "step" is a training step of two `IdTower`s with lookups, normalization and Adam.
All run in one process, in turn. Beside the time there is that of the processor, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from side_by_side import compare_here, parser, print_table, use_threads

import reciperec_layers as rl

PRODUCTS, PLAIN, OURS, STEP = "products", "TensorFlow", "CorpusSoftmax", "step"


def make_embeddings(options: argparse.Namespace) -> tuple[tf.Tensor, ...]:
    random = np.random.default_rng(0)
    sizes = options.queries, options.candidates
    sides = [random.normal(size=(size, options.dim)).astype(np.float32) for size in sizes]
    queries, corpus = (tf.constant(side / np.linalg.norm(side, axis=1, keepdims=True)) for side in sides)
    columns = tf.constant(random.integers(0, options.candidates, options.rows), tf.int32)
    query_rows = tf.constant(np.sort(random.integers(0, options.queries, options.rows)), tf.int32)
    return queries, corpus, columns, query_rows


def make_products(queries: tf.Tensor, corpus: tf.Tensor, tile: int) -> Callable[[], Any]:
    @tf.function
    def products() -> tuple[tf.Tensor, tf.Tensor]:
        transposed = tf.transpose(corpus)

        def body(start: tf.Tensor, total: tf.Tensor, by_corpus: tf.Tensor) -> tuple[tf.Tensor, ...]:
            rows = queries[start : start + tile]
            scores = tf.matmul(rows, transposed)
            by_rows = tf.matmul(scores, corpus)
            # Of rows, which takes half of the time of a product by the columns of `scores`.
            added = tf.add_n([by_corpus, tf.matmul(rows, scores, transpose_a=True)])
            return start + tile, total + by_rows[0, 0], added

        size = queries.shape[0]
        _, total, by_corpus = tf.while_loop(
            lambda start, *_: start < size, body, (0, 0.0, tf.zeros_like(transposed)), parallel_iterations=2
        )
        return total, by_corpus

    return products


def make_losses(embeddings: tuple[tf.Tensor, ...]) -> dict[str, Callable[[], Any]]:
    queries, corpus, columns, query_rows = embeddings
    layer = rl.losses.CorpusSoftmax(0.1, 1.2)

    def plain(queries: tf.Tensor, corpus: tf.Tensor, columns: tf.Tensor, query_rows: tf.Tensor) -> tf.Tensor:
        logits = tf.matmul(queries, corpus, transpose_b=True) / 0.1
        totals = tf.reduce_logsumexp(logits, axis=1)
        own = tf.gather_nd(logits, tf.stack([query_rows, columns], axis=1))
        return tf.reduce_sum(1.2 * tf.gather(totals, query_rows) - own)

    def ours(queries: tf.Tensor, corpus: tf.Tensor, columns: tf.Tensor, query_rows: tf.Tensor) -> tf.Tensor:
        return layer(queries, corpus, positive_columns=columns, query_rows=query_rows)

    def with_gradient(loss: Callable[..., tf.Tensor]) -> Callable[[], Any]:
        @tf.function(input_signature=[tf.TensorSpec([None, *each.shape[1:]], each.dtype) for each in embeddings])
        def step(queries: tf.Tensor, corpus: tf.Tensor, *pairs: tf.Tensor) -> Any:
            with tf.GradientTape() as tape:
                tape.watch([queries, corpus])
                value = loss(queries, corpus, *pairs)
            return tape.gradient(value, [queries, corpus])

        return lambda: step(queries, corpus, columns, query_rows)

    return {PLAIN: with_gradient(plain), OURS: with_gradient(ours)}


def make_step(embeddings: tuple[tf.Tensor, ...], dim: int) -> Callable[[], Any]:
    queries, corpus, columns, query_rows = embeddings
    users, recipes = np.arange(len(queries)), np.arange(len(corpus))
    model = rl.RetrievalModel(
        rl.IdTower(users, dim, feature="user_id", normalize=True, dropout=0.2, seed=1),
        rl.IdTower(recipes, dim, feature="recipe_id", normalize=True, seed=2),
        {"recipe_id": recipes},
        "recipe_id",
    )
    model.compile(rl.optimizers.Adam(0.005), rl.losses.CorpusSoftmax(0.1, 1.2))
    batch = {"user_id": tf.cast(query_rows, tf.int64), "recipe_id": tf.cast(columns, tf.int64)}
    step = tf.function(model.train_step, reduce_retracing=True)
    return lambda: [step(batch)["loss"]]


def timed(run: Callable[[], Any]) -> dict[str, float]:
    begin, begin_of_process = time.perf_counter(), time.process_time()
    np.asarray(tf.reshape(tf.nest.flatten(run())[-1], [-1])[0])
    wall, processor = time.perf_counter() - begin, time.process_time() - begin_of_process
    return {"ms": 1000 * wall, "processor_ms": 1000 * processor}


def main() -> None:
    made = parser("Time the softmax over the corpus.", repeats=15)
    for name, size in {"queries": 1024, "candidates": 40_981, "rows": 25_600, "dim": 64}.items():
        made.add_argument(f"--{name}", type=int, default=size)
    options = made.parse_args()
    use_threads(options.threads)
    embeddings = make_embeddings(options)
    tiles = [tile for tile in (128, 256, 512, 1024) if tile <= options.queries] or [options.queries]
    sides = {f"{PRODUCTS}, tiles of {tile}": make_products(*embeddings[:2], tile) for tile in tiles}
    sides |= make_losses(embeddings) | {STEP: make_step(embeddings, options.dim)}
    found = compare_here({name: partial(timed, run) for name, run in sides.items()}, options)
    table = found.xs("ms", level="measure").reset_index().rename(columns={"median": "ms"})
    table["processor_ms"] = found.xs("processor_ms", level="measure")["median"].to_numpy()
    least = table.iloc[: len(tiles)][["ms", "processor_ms"]].min()
    table["of_products"] = table["ms"] / least["ms"]
    table["processor_of_products"] = table["processor_ms"] / least["processor_ms"]
    sizes = f"{options.queries:,} queries with {options.rows:,} rows, {options.candidates:,} candidates"
    print_table(f"{sizes}, {options.dim} columns", table, options)


if __name__ == "__main__":
    main()
