"""One step from any state equals the dense reference's for the rows that the batch reads, and changes no others."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.optimizers import SGD, Adagrad, RowwiseAdagrad
from tests.optimizers.cases import (
    NUM_ROWS,
    REFERENCES,
    assert_rows_follow,
    densified,
    each_optimizer,
    is_touched,
    options_of,
    pair,
    slices,
    slots,
    state,
)

KERNEL = (2, 3)


@each_optimizer
@settings(max_examples=50)
@given(data=st.data(), row_shape=st.sampled_from([(), (3,), (2, 2)]), seed=st.integers(0, 2**32 - 1))
def test_a_step_equals_the_dense_step(cls, data, row_shape, seed):
    options = data.draw(st.sampled_from([*options_of(cls), {"learning_rate": lambda: 0.2}]))
    indices = data.draw(st.lists(st.integers(0, NUM_ROWS - 1), max_size=8))
    shapes = [(NUM_ROWS, *row_shape), KERNEL, ()]
    (ours, variables), (theirs, their_variables) = pair(cls, shapes, seed, **options)
    before = state(ours, variables)
    generator = np.random.default_rng(seed)
    of_table = slices(indices, generator.normal(size=(len(indices), *row_shape)))
    dense = [tf.constant(generator.normal(size=shape), tf.float32) for shape in shapes[1:]]
    ours.apply([of_table, *dense], variables)
    theirs.apply([densified(of_table), *dense], their_variables)
    assert_rows_follow(before, state(ours, variables), state(theirs, their_variables), is_touched([indices]))
    assert int(ours.iterations) == int(theirs.iterations)


@each_optimizer
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_dense_variables_are_updated_by_keras(cls, seed):
    (ours, variables), (theirs, their_variables) = pair(cls, [(NUM_ROWS, 2), KERNEL], seed, weight_decay=0.3)
    gradients = [tf.constant(np.random.default_rng(seed).normal(size=each.shape), tf.float32) for each in variables]
    ours.apply(gradients, variables)
    theirs.apply(gradients, their_variables)
    tolerance = 1e-6 if cls is RowwiseAdagrad else 0
    for one, other in zip(state(ours, variables), state(theirs, their_variables), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@given(seed=st.integers(0, 2**32 - 1), indices=st.lists(st.integers(0, NUM_ROWS - 1), max_size=8))
@settings(max_examples=10)
def test_it_does_not_matter_to_rowwise_adagrad_how_a_gradient_comes(seed, indices):
    gradient = slices(indices, np.random.default_rng(seed).normal(size=(len(indices), 3)))
    after = []
    for each in (gradient, densified(gradient)):
        (ours, variables), _ = pair(RowwiseAdagrad, [(NUM_ROWS, 3)], seed)
        ours.apply([each], variables)
        after.append(state(ours, variables))
    for sparse, dense in zip(*after, strict=True):
        np.testing.assert_allclose(sparse, dense, rtol=1e-6)


def test_rowwise_adagrad_keeps_one_number_for_a_row():
    optimizer = RowwiseAdagrad()
    optimizer.build([keras.Variable(np.ones(shape)) for shape in [(5, 3), (5, 2, 2), (5,), ()]])
    assert [slot.shape for slot in slots(optimizer)] == [(5,), (5,), (5,), ()]


def test_rowwise_adagrad_of_single_numbers_is_adagrad():
    tables = []
    for cls in (RowwiseAdagrad, Adagrad):
        table = keras.Variable(np.ones((NUM_ROWS, 1)))
        cls(0.1).apply([slices([3, 1, 3], [[2.0], [1.0], [0.5]])], [table])
        tables.append(table.numpy())
    np.testing.assert_allclose(*tables, rtol=1e-6)


@pytest.mark.parametrize("excluded", [{"var_names": ["table"]}, {"var_list": True}], ids=["by_name", "by_variable"])
def test_excluded_tables_do_not_decay(excluded):
    def stepped(optimizer, gradient_of):
        table = keras.Variable(np.ones((NUM_ROWS, 2)), name="table")
        kernel = keras.Variable(np.ones((2, 2)), name="kernel")
        optimizer.exclude_from_weight_decay(**{**excluded, **({"var_list": [table]} if "var_list" in excluded else {})})
        optimizer.apply([gradient_of(slices([3, 3], [[1.0, 2.0]] * 2)), tf.ones((2, 2))], [table, kernel])
        return np.concatenate([table.numpy(), kernel.numpy()])

    ours = stepped(SGD(0.1, weight_decay=0.5), lambda gradient: gradient)
    theirs = stepped(REFERENCES[SGD](0.1, weight_decay=0.5), densified)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_keras_itself_is_wrong_where_rows_repeat():
    """Why dense gradients are the reference; when this fails, Keras sums repeats."""
    table = keras.Variable(np.ones((NUM_ROWS, 1)))
    keras.optimizers.Adagrad(0.1).apply([slices([3, 3, 3], [[2.0]] * 3)], [table])
    ours = keras.Variable(np.ones((NUM_ROWS, 1)))
    Adagrad(0.1).apply([slices([3, 3, 3], [[2.0]] * 3)], [ours])
    assert table.numpy()[3] < 0.85
    assert ours.numpy()[3] == pytest.approx(1 - 0.1 * 6 / np.sqrt(36.1), abs=1e-6)
