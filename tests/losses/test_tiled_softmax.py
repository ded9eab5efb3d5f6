"""The softmax in tiles: gradients beyond those of queries and candidates, tapes, memory."""

import math

import numpy as np
import pytest
import tensorflow as tf

from reciperec_layers.losses import InBatchSoftmax
from tests.losses import oracle
from tests.losses.softmax_cases import CANDIDATES, QUERIES, tiles_of, value_and_gradients


@pytest.mark.parametrize("reduction", ["sum", "none"])
@pytest.mark.parametrize("tile_rows", [1, 8])
def test_the_gradient_by_a_weight_is_the_loss_of_its_row(reduction, tile_rows):
    weights = tf.constant([0.5, 2.0])
    with tiles_of(tile_rows), tf.GradientTape() as tape:
        tape.watch(weights)
        loss = InBatchSoftmax(reduction=reduction)(QUERIES, CANDIDATES, sample_weight=weights)
    expected, *_ = oracle.in_batch_softmax(QUERIES, CANDIDATES, reduction="none")
    np.testing.assert_allclose(tape.gradient(loss, weights), expected, rtol=1e-5)


def test_a_tape_outside_of_the_graph_gets_the_gradient():
    layer = InBatchSoftmax()
    in_graph = tf.function(lambda queries, candidates: layer(queries, candidates))
    for ours, theirs in zip(
        value_and_gradients(in_graph, QUERIES, CANDIDATES), oracle.in_batch_softmax(QUERIES, CANDIDATES), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_a_second_derivative_is_refused(reduction):
    queries = tf.constant(QUERIES)
    with tf.GradientTape() as outer, tf.GradientTape() as inner:
        outer.watch(queries)
        inner.watch(queries)
        loss = InBatchSoftmax(reduction=reduction)(queries, CANDIDATES)
        gradient = inner.gradient(loss, queries)
    with pytest.raises(LookupError, match="only first derivatives"):
        outer.gradient(gradient, queries)


def test_no_tensor_grows_with_the_square_of_the_batch():
    layer = InBatchSoftmax(0.5, remove_accidental_hits=True)
    num_rows = 8 * 1024

    @tf.function
    def step(queries, candidates, ids):
        return value_and_gradients(layer, queries, candidates, candidate_ids=ids)

    spec = tf.TensorSpec([num_rows, 8])
    graph = step.get_concrete_function(spec, spec, tf.TensorSpec([num_rows], tf.int64)).graph
    library = graph.as_graph_def(add_shapes=True).library
    operations = [node for function in library.function for node in function.node_def]
    assert any(operation.op in ("While", "StatelessWhile") for operation in (*graph.as_graph_def().node, *operations))
    shapes = [shape for operation in operations for shape in operation.attr["_output_shapes"].list.shape]
    sizes = [math.prod(max(each.size, 1) for each in shape.dim) for shape in shapes]
    assert num_rows * 8 in sizes
    assert max(sizes) < num_rows**2 / 8


def test_one_candidate_in_a_graph_that_does_not_know_how_many():
    layer = InBatchSoftmax()
    known = {"candidate_sampling_probability": np.float32([0.25]), "sample_weight": np.float32([2.0])}
    rows = tf.TensorSpec([None, 2])
    step = tf.function(lambda *pair: value_and_gradients(layer, *pair, **known), input_signature=[rows, rows])
    with tiles_of(1):
        loss, *gradients = step(QUERIES[:1], CANDIDATES[:1])
    assert float(loss) == 0
    for gradient in gradients:
        np.testing.assert_allclose(gradient, np.zeros((1, 2)), atol=1e-6)
