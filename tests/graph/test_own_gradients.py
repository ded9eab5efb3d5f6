"""Gradients of our own: wherever the tape is, and nothing stays behind."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

from reciperec_layers.graph.own_gradients import with_own_gradient
from reciperec_layers.graph.repeated_rows import repeat_rows
from reciperec_layers.losses import InBatchSoftmax

VALUES = np.float32([1.0, 2.0, 3.0])


def squares(values):
    """With a gradient that is not that of the squares, so that it shows which is taken."""
    return with_own_gradient(lambda tensor: (tensor**2, lambda upstream: [7.0 * upstream]), values)


def gradient_of(function):
    values = tf.constant(VALUES)
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = tf.reduce_sum(function(values))
    return tape.gradient(loss, values)


def in_loop(values):
    """Adds what is computed in two turns of a loop."""
    return tf.while_loop(
        lambda turn, _: turn < 2, lambda turn, sums: (turn + 1, sums + squares(values)), (0, 0 * values)
    )[1]


def in_branch(values):
    return tf.cond(tf.reduce_sum(values) > 0, lambda: squares(values), lambda: values)


PLACES = {
    "eager": (squares, 7),
    "tape outside of the graph": (tf.function(squares), 7),
    "a graph in a graph": (tf.function(lambda values: tf.function(squares)(values) + squares(values)), 14),
    "a loop": (tf.function(in_loop), 14),
    "a branch": (tf.function(in_branch), 7),
    "unknown length": (tf.function(squares, input_signature=[tf.TensorSpec([None])]), 7),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("tape_in_graph", [False, True])
def test_the_gradient_is_ours(place, tape_in_graph):
    function, expected = PLACES[place]
    taken = tf.function(lambda: gradient_of(function)) if tape_in_graph else lambda: gradient_of(function)
    np.testing.assert_array_equal(taken(), np.full(3, expected))


def test_what_is_computed_is_what_it_was():
    for function in (squares, tf.function(squares), tf.function(in_branch)):
        np.testing.assert_array_equal(function(tf.constant(VALUES)), VALUES**2)
    np.testing.assert_array_equal(tf.function(in_loop)(tf.constant(VALUES)), 2 * VALUES**2)


def test_a_strategy():
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        strategy = tf.distribute.get_strategy()
        found = tf.function(lambda: strategy.run(lambda: gradient_of(squares)))()
    np.testing.assert_array_equal(found, np.full(3, 7))


def test_rows_that_repeat_have_a_gradient_that_has_a_gradient():
    rows, factors = tf.constant([[2.0], [3.0]]), tf.constant([[1.0], [10.0], [100.0]])

    @tf.function
    def gradients():
        with tf.GradientTape() as outer:
            outer.watch(factors)
            with tf.GradientTape() as inner:
                inner.watch(rows)
                loss = tf.reduce_sum(factors**2 * repeat_rows(rows, tf.constant([1, 0, 1])))
            gradient = inner.gradient(loss, rows)
        return gradient, outer.gradient(gradient, factors)

    first, second = gradients()
    np.testing.assert_array_equal(first, [[100.0], [10001.0]])
    np.testing.assert_array_equal(second, 2 * factors)


@pytest.mark.saving
def test_a_graph_from_a_file_has_the_gradient_of_its_operations(tmp_path):
    module = tf.Module()
    queries, candidates = np.random.default_rng(3).normal(size=(2, 4, 3)).astype(np.float32)
    loss = InBatchSoftmax()
    repeated = lambda rows: repeat_rows(rows, tf.constant([0, 1, 1, 2]))  # noqa: E731
    whole = lambda queries, rows: loss(queries, repeated(rows))  # noqa: E731
    module.run = tf.function(whole, input_signature=[tf.TensorSpec([4, 3])] * 2)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path)).run

    def gradients(function):
        sources = [tf.constant(queries), tf.constant(candidates)]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            found = function(*sources)
        return [tf.convert_to_tensor(each) for each in tape.gradient(found, sources)]

    for ours, expected in zip(gradients(loaded), gradients(whole), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_nothing_stays_behind():
    """`tf.custom_gradient` would enter one more name for each graph, and hold what the graph holds."""

    def run():
        variable = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
        layer = InBatchSoftmax()

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                rows = repeat_rows(tf.gather(variable, [0, 1]), tf.constant([0, 1, 1]))
                loss = layer(rows, rows) + tf.reduce_sum(tf.function(squares)(rows))
            return tape.gradient(loss, variable)

        step()
        return weakref.ref(variable), weakref.ref(step.get_concrete_function().graph)

    run()
    names = set(ops.gradient_registry.list())
    held = [each for _ in range(3) for each in run()]
    gc.collect()
    assert set(ops.gradient_registry.list()) == names
    assert [each() for each in held] == [None] * 6
