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
def test_weights_and_probabilities_have_gradients(reduction, tile_rows):
    """Against differences of the oracle's value."""
    layer = InBatchSoftmax(reduction=reduction)
    weights, q = np.array([0.5, 2.0]), np.array([0.1, 0.3, 0.6])

    def value(weights, q):
        return np.sum(oracle.in_batch_softmax(QUERIES, CANDIDATES, log_q=np.log(q), sample_weight=weights)[0])

    tensors = [tf.constant(each, tf.float32) for each in (weights, q)]
    with tiles_of(tile_rows), tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = layer(QUERIES, CANDIDATES, sample_weight=tensors[0], candidate_sampling_probability=tensors[1])
    found = tape.gradient(loss, tensors)
    for position, (values, gradient) in enumerate(zip((weights, q), found, strict=True)):
        for index in range(len(values)):
            moved = [weights.copy(), q.copy()]
            moved[position][index] += 1e-6
            slope = (value(*moved) - value(weights, q)) / 1e-6
            np.testing.assert_allclose(gradient[index], slope, rtol=1e-3, atol=1e-4)


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
    with pytest.raises(LookupError, match="first derivatives only"):
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
