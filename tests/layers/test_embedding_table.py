"""A batch reads and updates its rows and no others, and repeats are summed."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError, ArgumentTypeError
from reciperec_layers.layers import EmbeddingTable

NUM_ROWS, DIM = 5, 3
TABLE = EmbeddingTable(NUM_ROWS, DIM, initializer=keras.initializers.RandomNormal(seed=1))
VALUES = TABLE.embeddings.numpy()
indices = st.lists(st.integers(0, NUM_ROWS - 1), min_size=1, max_size=8)


@given(st.lists(st.integers(0, 3), max_size=3), st.sampled_from(["int32", "int64", "uint8"]), st.integers(0, 99))
def test_rows_for_indices_of_every_rank(shape: list[int], dtype: str, seed: int):
    chosen = np.random.default_rng(seed).integers(0, NUM_ROWS, shape).astype(dtype)
    rows = TABLE(tf.convert_to_tensor(chosen))
    assert rows.shape == (*shape, DIM)
    np.testing.assert_array_equal(rows.numpy(), VALUES[chosen])


def test_ragged_indices():
    rows = TABLE(tf.ragged.constant([[4, 0], [], [4]], dtype=tf.int64))
    assert rows.shape.as_list() == [3, None, DIM]
    assert rows.row_lengths().numpy().tolist() == [2, 0, 1]
    np.testing.assert_array_equal(rows.flat_values.numpy(), VALUES[[4, 0, 4]])


def dense_gradient(chosen: list[int], upstream: np.ndarray) -> np.ndarray:
    gradient = np.zeros((NUM_ROWS, DIM), dtype=np.float32)
    np.add.at(gradient, chosen, upstream)
    return gradient


@pytest.mark.parametrize("in_graph", [False, True])
@settings(max_examples=30)
@given(indices, st.integers(0, 99))
def test_the_gradient_has_every_row_once(in_graph: bool, chosen: list[int], seed: int):
    upstream = np.random.default_rng(seed).normal(size=(len(chosen), DIM)).astype(np.float32)

    def run(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(TABLE(inputs) * upstream)
        slices = tape.gradient(loss, TABLE.trainable_weights)[0]
        assert isinstance(slices, tf.IndexedSlices)
        return slices.indices, slices.values

    rows, values = (tf.function(run) if in_graph else run)(tf.constant(chosen, tf.int64))
    assert sorted(rows.numpy().tolist()) == sorted(set(chosen))
    gradient = np.zeros((NUM_ROWS, DIM), dtype=np.float32)
    gradient[rows.numpy()] = values.numpy()
    np.testing.assert_allclose(gradient, dense_gradient(chosen, upstream), rtol=1e-5, atol=1e-6)


OPTIMIZERS = {
    "SGD": lambda: keras.optimizers.SGD(0.1),
    "Adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "Adam": lambda: keras.optimizers.Adam(0.1),
    "RMSprop": lambda: keras.optimizers.RMSprop(0.1),
    "clipped SGD": lambda: keras.optimizers.SGD(0.1, clipnorm=0.5),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_keras_optimizers_step_as_with_the_dense_gradient(make: Any):
    chosen, upstream = [2, 4, 2, 2], np.random.default_rng(3).normal(size=(4, DIM)).astype(np.float32)
    table = EmbeddingTable(NUM_ROWS, DIM)
    dense = keras.Variable(table.embeddings.numpy())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(table(tf.constant(chosen)) * upstream)
    make().apply(tape.gradient(loss, table.trainable_weights), table.trainable_weights)
    make().apply([tf.constant(dense_gradient(chosen, upstream))], [dense])
    np.testing.assert_allclose(table.embeddings.numpy(), dense.numpy(), rtol=1e-5, atol=1e-6)


def test_the_regularizer_is_of_the_distinct_rows():
    table = EmbeddingTable(NUM_ROWS, DIM, regularizer=keras.regularizers.L2(0.5))
    table(tf.constant([[1, 3], [1, 1]]))
    rows = table.embeddings.numpy()[[1, 3]]
    assert len(table.losses) == 1
    assert float(table.losses[0]) == pytest.approx(0.5 * (rows**2).sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("policy", "variable", "output"),
    [
        ("float32", "float32", "float32"),
        ("mixed_float16", "float32", "float16"),
        ("mixed_bfloat16", "float32", "bfloat16"),
        ("bfloat16", "bfloat16", "bfloat16"),
        ("float64", "float64", "float64"),
    ],
)
def test_dtype_policies(policy: str, variable: str, output: str):
    table = EmbeddingTable(NUM_ROWS, DIM, dtype=policy)
    with tf.GradientTape() as tape:
        rows = table(tf.constant([1, 1]))
        loss = tf.reduce_sum(tf.cast(rows, tf.float32))
    assert (table.embeddings.dtype, rows.dtype.name) == (variable, output)
    gradient = tape.gradient(loss, table.trainable_weights)[0]
    assert gradient.dtype.name == variable
    assert gradient.values.numpy().astype(float).tolist() == [[2.0] * DIM]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_counts_every_repeat(policy: str):
    table = EmbeddingTable(NUM_ROWS, DIM, dtype=policy)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(table(tf.fill([4001], 2)), tf.float32))
    gradient = tape.gradient(loss, table.trainable_weights)[0]
    assert gradient.values.numpy().tolist() == [[4001.0] * DIM]


@pytest.mark.parametrize("index", [-1, NUM_ROWS, 2**40])
def test_an_index_is_never_out_of_the_table(index: int):
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"{index} is not in \[0, {NUM_ROWS}\)"):
        TABLE(tf.constant([0, index], tf.int64))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: EmbeddingTable(0, 2), ArgumentError, r"`num_rows` must be a positive integer\. Received: num_rows=0"),
        (lambda: EmbeddingTable(2, 2.0), ArgumentError, r"`embedding_dim` .*embedding_dim=2\.0"),
        (lambda: EmbeddingTable(True, 2), ArgumentError, "num_rows=True"),
        (lambda: TABLE(tf.constant([1.0])), ArgumentTypeError, "indices must be integers"),
        (lambda: TABLE(tf.constant(["a"])), ArgumentTypeError, r"must be integers.*dtype=string"),
    ],
)
def test_bad_input(call: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=f"^EmbeddingTable: .*{message}"):
        call()
