"""Batches and options of the in-batch softmax, what the oracle expects of them, and what the layer gives."""

from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

from reciperec_layers.losses import InBatchSoftmax, corpus_cross_entropy, tiled_softmax, tiles
from tests.losses import oracle

QUERIES = np.array([[1.0, 0.5], [-0.5, 1.0]], np.float32)
CANDIDATES = np.array([[0.5, 1.0], [1.0, -1.0], [0.25, 2.0]], np.float32)


def tiles_of(num_rows):
    """Makes tiles as small as test batches are."""
    stack = ExitStack()
    for module in (tiled_softmax, corpus_cross_entropy):
        stack.enter_context(patch.object(module, "_LOGITS_OF_TILE", 1))
    stack.enter_context(patch.object(tiles, "_LEAST_ROWS", num_rows))
    return stack


def value_and_gradients(layer, queries, candidates, **arguments):
    queries, candidates = tf.convert_to_tensor(queries), tf.convert_to_tensor(candidates)
    with tf.GradientTape() as tape:
        tape.watch([queries, candidates])
        loss = layer(queries, candidates, **arguments)
    return loss, *(tf.convert_to_tensor(each) for each in tape.gradient(loss, [queries, candidates]))


@st.composite
def batches(draw):
    """Draws embeddings, ids, weights, q and a mask; every test decides which of them it uses."""
    num_queries, num_extra = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    num_candidates, dim = num_queries + num_extra, draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return {
        "queries": random.normal(size=(num_queries, dim)).astype(np.float32),
        "candidates": random.normal(size=(num_candidates, dim)).astype(np.float32),
        "candidate_ids": random.integers(0, 4, num_candidates),
        "sample_weight": random.uniform(0, 2, num_queries).astype(np.float32),
        "candidate_sampling_probability": random.uniform(0, 1, num_candidates).astype(np.float32) ** 16,
        "score_mask": random.uniform(size=(num_queries, num_candidates)) < 0.6,
    }


OPTIONS = st.fixed_dictionaries(
    {
        "temperature": st.floats(0.125, 8),
        "remove_accidental_hits": st.booleans(),
        "num_hard_negatives": st.none() | st.integers(1, 8),
        "reduction": st.sampled_from(["sum", "mean", "none"]),
        "sampling_correction": st.sampled_from([None, "counts"]),
    }
)
PASSED = st.sets(st.sampled_from(["sample_weight", "candidate_sampling_probability", "score_mask"]))
# What a law about values draws: a batch, options, which arguments to pass, rows of a tile, eager or in a graph.
CALLS = {
    "batch": batches(),
    "options": OPTIONS,
    "passed": PASSED,
    "tile_rows": st.integers(1, 5),
    "in_graph": st.sampled_from([False, False, False, True]),
}
INTERACTIONS = [0, 1, 1, 2, 2, 2, 2]


def expected_of(options, queries, candidates, ids, arguments):
    q = arguments.get("candidate_sampling_probability")
    if q is not None:
        log_q = np.log(np.clip(q, 1e-6, 1))
    else:
        log_q = oracle.log_q_of_counts(ids, INTERACTIONS) if options["sampling_correction"] else None
    return oracle.in_batch_softmax(
        queries,
        candidates,
        temperature=options["temperature"],
        log_q=log_q,
        hits_of=ids if options["remove_accidental_hits"] else None,
        mask=arguments.get("score_mask"),
        num_hard_negatives=options["num_hard_negatives"],
        sample_weight=arguments.get("sample_weight"),
        reduction=options["reduction"],
    )


def found_of(options, queries, candidates, ids, arguments, in_graph):
    layer = InBatchSoftmax(**options, candidate_counts=INTERACTIONS if options["sampling_correction"] else None)

    def run(queries, candidates):
        return value_and_gradients(layer, queries, candidates, candidate_ids=ids, training=True, **arguments)

    if in_graph:
        # Lengths that the graph does not know, as in training on batches of which the last is smaller.
        run = tf.function(run, input_signature=[tf.TensorSpec([None, queries.shape[1]])] * 2)
    return run(queries, candidates)
