"""The in-batch softmax, forward and backward, beside its plain form in TensorFlow.

    python benchmarks/in_batch_softmax.py [--batches 4096,8192] [--repeats 15] [--memory-batch 32768]

The plain form is one matrix product and `sparse_softmax_cross_entropy_with_logits`; "correction" takes log q off the
logits, "accidental hits" compares all ids. All ids are distinct. "matrix products": the three that forward and backward
cannot do without. Both sides run in one process, in turn.

Memory is the peak of the process (Linux) beyond what it had before the first step, inputs included. The logits alone
are computed: no form that holds them takes less.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import Side, compare, numbers, parser, print_table

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "correction": {"sampling_correction": "counts"},
    "accidental hits": {"remove_accidental_hits": True},
}
OURS, PLAIN, TFRS, PRODUCTS = "reciperec_layers", "TensorFlow", "TFRS", "matrix products"


def make_loss(side: str, variant: str, ids: np.ndarray) -> Callable[..., Any]:
    """Returns the loss of embeddings of queries and candidates, given the candidates' ids."""
    import tensorflow as tf

    options = dict(VARIANTS[variant])
    if side == TFRS:
        import tensorflow_recommenders

        task = tensorflow_recommenders.tasks.Retrieval(**options)
        return lambda queries, candidates, ids: task(queries, candidates, candidate_ids=ids, compute_metrics=False)
    if side == OURS:
        import reciperec_layers as rl

        if "sampling_correction" in options:
            options["candidate_counts"] = ids
        layer = rl.InBatchSoftmax(**options)
        return lambda queries, candidates, ids: layer(queries, candidates, candidate_ids=ids, training=True)

    def plain(queries: Any, candidates: Any, ids: Any) -> Any:
        logits = tf.matmul(queries, candidates, transpose_b=True)
        size = tf.shape(logits)[0]
        if "sampling_correction" in options:
            logits -= tf.math.log(tf.fill([size], 1.0 / tf.cast(size, tf.float32)))
        if "remove_accidental_hits" in options:
            hits = tf.linalg.set_diag(ids[:, None] == ids[None, :], tf.zeros([size], tf.bool))
            logits = tf.where(hits, -float("inf"), logits)
        return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.range(size), logits))

    return plain


def make_step(loss: Callable[..., Any], dim: int) -> Callable[..., Any]:
    """Returns forward and backward as one graph for every batch size."""
    import tensorflow as tf

    floats, integers = tf.TensorSpec([None, dim]), tf.TensorSpec([None], tf.int64)

    @tf.function(input_signature=[floats, floats, integers])
    def step(queries: Any, candidates: Any, ids: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([queries, candidates])
            value = loss(queries, candidates, ids)
        return value, *tape.gradient(value, [queries, candidates])

    return step


def make_products(dim: int) -> Callable[..., Any]:
    import tensorflow as tf

    floats, integers = tf.TensorSpec([None, dim]), tf.TensorSpec([None], tf.int64)

    @tf.function(input_signature=[floats, floats, integers])
    def step(queries: Any, candidates: Any, ids: Any) -> Any:
        scores = tf.matmul(queries, candidates, transpose_b=True)
        return tf.matmul(scores, candidates), tf.matmul(scores, queries, transpose_a=True)

    return step


def make_inputs(batch_size: int, dim: int) -> tuple[Any, Any, Any]:
    import tensorflow as tf

    generator = np.random.default_rng(0)
    queries, candidates = (0.3 * generator.standard_normal((batch_size, dim), dtype=np.float32) for _ in range(2))
    return tf.constant(queries), tf.constant(candidates), tf.constant(generator.permutation(batch_size))


def step_times(batches: Sequence[int], dim: int) -> Callable[[], dict[str, float]]:
    """Returns a function that runs every step once and gives milliseconds by `batch/variant/side`."""
    steps, inputs = {}, {}
    for batch in batches:
        inputs[batch] = make_inputs(batch, dim)
        for variant in VARIANTS:
            for side in (OURS, PLAIN):
                loss = make_loss(side, variant, inputs[batch][2].numpy())
                steps[batch, variant, side] = make_step(loss, dim)
        steps[batch, next(iter(VARIANTS)), PRODUCTS] = make_products(dim)

    def run() -> dict[str, float]:
        times = {}
        for (batch, variant, side), step in steps.items():
            start = time.perf_counter()
            step(*inputs[batch])[-1].numpy()
            times[f"{batch}/{variant}/{side}"] = 1000 * (time.perf_counter() - start)
        return times

    run()
    return run


def peak_memory(side: str, batch: int, dim: int) -> Callable[[], dict[str, float]]:
    """Returns a function that gives the megabytes that a step takes beyond its inputs."""
    inputs = make_inputs(batch, dim)
    step = make_step(make_loss(side, "plain", inputs[2].numpy()), dim)
    step(*make_inputs(8, dim))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _resident("VmRSS")

    def run() -> dict[str, float]:
        step(*inputs)[-1].numpy()
        return {"peak_mb": _resident("VmHWM") - before}

    return run


def _resident(name: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1000


def times_table(options: argparse.Namespace) -> pd.DataFrame:
    found = compare({"steps": Side(step_times, {"batches": options.batches, "dim": options.dim})}, options).loc["steps"]
    rows = []
    for name, (median, spread) in zip(found.index, found.to_numpy(), strict=True):
        batch, variant, side = name.split("/")
        ratio = median / found.loc[f"{batch}/{variant}/{OURS}", "median"]
        rows.append(
            {"batch": int(batch), "loss": variant, "side": side, "ms": median, "spread": spread, "ratio": ratio}
        )
    return pd.DataFrame(rows)


def memory_table(options: argparse.Namespace) -> pd.DataFrame:
    batches = {OURS: options.memory_batch}
    if options.plain_memory_batch:
        batches |= dict.fromkeys((PLAIN, TFRS), options.plain_memory_batch)
    sides = {
        side: Side(peak_memory, {"side": side, "batch": batch, "dim": options.dim}, legacy_keras=side == TFRS)
        for side, batch in batches.items()
    }
    found = compare(sides, options)["median"]
    rows = [
        {"side": side, "batch": batch, "peak_mb": found[side, "peak_mb"], "how": "measured"}
        for side, batch in batches.items()
    ]
    logits_mb = 4 * options.memory_batch**2 / 1e6
    return pd.DataFrame(
        [*rows, {"side": "logits alone", "batch": options.memory_batch, "peak_mb": logits_mb, "how": "computed"}]
    )


def main() -> None:
    options = parser("Time the in-batch softmax and take its memory.", repeats=15)
    options.add_argument("--batches", type=numbers, default="4096,8192")
    options.add_argument("--dim", type=int, default=64)
    options.add_argument("--memory-batch", type=int, default=32_768, help="0 leaves the memory out")
    options.add_argument("--plain-memory-batch", type=int, default=0, help="measures the plain form and TFRS, if not 0")
    options = options.parse_args()
    print_table(f"Forward and backward, {options.dim} columns", times_table(options), options)
    if options.memory_batch:
        print_table(f"Memory of forward and backward, {options.dim} columns", memory_table(options), options, peak_mb=0)


if __name__ == "__main__":
    main()
