"""Accumulated steps equal Keras's dense accumulation for the rows that any of the batches reads."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError
from reciperec_layers.optimizers import SGD, RowwiseAdagrad
from tests.optimizers.cases import (
    NUM_ROWS,
    OPTIONS,
    assert_rows_follow,
    densified,
    each_optimizer,
    is_touched,
    pair,
    slices,
    slots,
    state,
)

SHAPES = [(NUM_ROWS, 2), (2, 3), ()]


@each_optimizer
@settings(max_examples=20)
@given(
    cycles=st.integers(2, 3).flatmap(
        lambda steps: st.lists(
            st.lists(st.lists(st.integers(0, NUM_ROWS - 1), max_size=6), min_size=steps, max_size=steps),
            min_size=1,
            max_size=2,
        )
    ),
    options=st.sampled_from(OPTIONS),
    seed=st.integers(0, 2**32 - 1),
)
def test_accumulated_steps_equal_dense_ones(cls, cycles, options, seed):
    options = {**options, "gradient_accumulation_steps": len(cycles[0])}
    (ours, variables), (theirs, their_variables) = pair(cls, SHAPES, seed, **options)
    generator = np.random.default_rng(seed)
    for batches in cycles:
        before = state(ours, variables)
        for one, other in zip((*variables, *slots(ours)), (*their_variables, *slots(theirs)), strict=True):
            other.assign(one)
        for indices in batches:
            for one, other in zip(before, state(ours, variables), strict=True):
                np.testing.assert_array_equal(one, other)
            of_table = slices(indices, generator.normal(size=(len(indices), 2)))
            dense = [tf.constant(generator.normal(size=shape), tf.float32) for shape in SHAPES[1:]]
            ours.apply([of_table, *dense], variables)
            theirs.apply([densified(of_table), *dense], their_variables)
            assert int(ours.iterations) == int(theirs.iterations)
        assert_rows_follow(before, state(ours, variables), state(theirs, their_variables), is_touched(batches))


def test_what_is_kept_stays_small():
    optimizer, table = SGD(0.1, gradient_accumulation_steps=3), keras.Variable(np.zeros((1013, 2)))
    for step in range(12):
        indices = np.arange(5) * 7 + step
        optimizer.apply([slices(indices, np.ones((5, 2)), 1013)], [table])
    assert len(optimizer._pending[0].values.numpy()) <= 2 * 3 * 5
    assert len(optimizer.variables) == 2  # no accumulators beside the iteration and the learning rate


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["rows_first", "dense_first"])
def test_rows_and_dense_gradients_of_one_variable_do_not_mix(order):
    optimizer, table = SGD(0.1, gradient_accumulation_steps=2), keras.Variable(np.zeros((NUM_ROWS, 2)))
    gradients = [slices([1], [[1.0, 1.0]]), tf.ones((NUM_ROWS, 2))]
    optimizer.apply([gradients[order[0]]], [table])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Between two updates the gradient of one variable"):
        optimizer.apply([gradients[order[1]]], [table])


def test_a_graph_accumulates():
    """Batches of any size go through one trace."""
    optimizer, table = SGD(0.5, gradient_accumulation_steps=2), keras.Variable(np.zeros((NUM_ROWS, 1)))
    optimizer.build([table])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
    def step(indices):
        optimizer.apply([tf.IndexedSlices(tf.ones([tf.size(indices), 1]), indices, [NUM_ROWS, 1])], [table])

    for indices in ([1, 1, 2], [2], [3], [3, 3, 4, 5]):
        step(tf.constant(indices, tf.int64))
    np.testing.assert_array_equal(table.numpy().ravel(), -0.25 * np.array([0, 2, 2, 3, 1, 1, 0, 0, 0]))


@pytest.mark.parametrize(("cls", "of_keras"), [(SGD, "SGD"), (RowwiseAdagrad, "Adagrad")])
def test_variables_that_keras_overwrites_are_refused(cls, of_keras):
    variable = keras.Variable(np.zeros(2))
    variable.overwrite_with_gradient = True
    said = rf"`gradient_accumulation_steps` does not work with variables .* keras\.optimizers\.{of_keras}\.$"
    with pytest.raises(ArgumentError, match=f"^{cls.__name__}: {said}"):
        cls(gradient_accumulation_steps=2).build([variable])
