"""Dense layers, one after the other, as matrix products say."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError
from reciperec_layers.layers import MLP


@settings(max_examples=15)
@given(st.lists(st.integers(1, 4), max_size=3), st.lists(st.integers(0, 3), max_size=2), st.integers(0, 99))
def test_the_value_is_that_of_matrix_products(hidden_units: list[int], shape: list[int], seed: int):
    mlp = MLP(3, 2, hidden_units, activation="relu", seed=seed)
    inputs = np.random.default_rng(seed).normal(size=(*shape, 4, 3)).astype(np.float32)
    expected, weights = inputs, mlp.get_weights()
    assert [kernel.shape for kernel in weights[::2]] == list(zip([3, *hidden_units], [*hidden_units, 2], strict=True))
    for layer, (kernel, bias) in enumerate(zip(weights[::2], weights[1::2], strict=True)):
        expected = expected @ kernel + bias
        if layer < len(hidden_units):
            expected = np.maximum(expected, 0)
    output = mlp(inputs)
    assert output.shape == (*shape, 4, 2)
    np.testing.assert_allclose(output.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_weights_exist_from_the_start_and_follow_the_seed():
    first, second, other = (MLP(3, 2, (4,), seed=seed).get_weights() for seed in (1, 1, 2))
    assert len(first) == 4
    np.testing.assert_array_equal(first[0], second[0])
    assert (first[0] != other[0]).any()


def test_dropout_is_for_training():
    mlp = MLP(3, 2, (50,), activation=None, dropout=0.5, seed=1)
    inputs = tf.ones((1, 3))
    assert mlp(inputs).numpy().tolist() == mlp(inputs, training=False).numpy().tolist()
    assert mlp(inputs, training=True).numpy().tolist() != mlp(inputs).numpy().tolist()


def test_ragged_inputs():
    mlp = MLP(2, 3, (4,), seed=1)
    flat = tf.random.normal((3, 2), seed=1)
    ragged = tf.RaggedTensor.from_row_lengths(flat, [2, 0, 1])
    output = mlp(ragged)
    assert output.shape.as_list() == [3, None, 3]
    np.testing.assert_allclose(output.flat_values.numpy(), mlp(flat).numpy(), rtol=1e-6)


@pytest.mark.parametrize(("policy", "output"), [("mixed_float16", "float16"), ("float64", "float64")])
def test_dtype_policies(policy: str, output: str):
    assert MLP(3, 2, dtype=policy)(keras.ops.ones((1, 3))).dtype.name == output


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MLP(0, 2), r"`input_dim` must be a positive integer\. Received: input_dim=0"),
        (lambda: MLP(3, None), "`output_dim` must be a positive integer"),
        (lambda: MLP(3, 2, hidden_units=(4, 0)), r"`hidden_units` must be a positive integer.*hidden_units=0"),
        (lambda: MLP(3, 2, hidden_units=64), r"`hidden_units` must be a list .*hidden_units=64.*\(64,\)"),
        (lambda: MLP(3, 2, dropout=1.0), r"`dropout` must be a number in \[0, 1\).*dropout=1\.0"),
        (lambda: MLP(3, 2, dropout=None), "dropout=None"),
    ],
)
def test_bad_arguments(call: Any, message: str):
    with pytest.raises(ArgumentError, match=f"^MLP: .*{message}"):
        call()


def test_inputs_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"expected axis -1 .* to have value 3"):
        MLP(3, 2)(tf.ones((2, 4)))
