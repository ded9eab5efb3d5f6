"""MLPTower: a row of a table, then dense layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, IdError

OPTIONS: dict[str, Any] = {"hidden_units": (5,), "id_embedding_dim": 2, "seed": 1}


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 2, 3), (0,)])
def test_the_value_is_that_of_matrix_products(shape: tuple[int, ...], normalize: bool):
    tower = rl.MLPTower([7, 9, 11], 4, normalize=normalize, **OPTIONS)
    ids = np.random.default_rng(1).choice([7, 9, 5], shape)
    table, kernel, bias, last_kernel, last_bias = tower.get_weights()
    assert table.shape == (4, 2)
    rows = np.vectorize({7: 1, 9: 2, 5: 0}.get, otypes=[int])(ids)
    expected = np.maximum(table[rows] @ kernel + bias, 0) @ last_kernel + last_bias
    if normalize:
        expected = expected / np.maximum(np.linalg.norm(expected, axis=-1, keepdims=True), 1e-7)
    embeddings = tower(ids)
    assert embeddings.shape == (*shape, 4)
    np.testing.assert_allclose(embeddings.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_ragged_ids():
    tower = rl.MLPTower([7, 9], 4, normalize=True, **OPTIONS)
    embeddings = tower(tf.ragged.constant([[7], [9, 5]], dtype=tf.int64))
    assert embeddings.shape.as_list() == [2, None, 4]
    np.testing.assert_allclose(embeddings.flat_values.numpy(), tower(np.array([7, 9, 5])).numpy(), rtol=1e-5, atol=1e-6)


def test_the_table_is_as_wide_as_the_output_by_default():
    tower = rl.MLPTower(["a"], 4, hidden_units=())
    assert [weight.shape for weight in tower.get_weights()] == [(2, 4), (4, 4), (4,)]


def test_both_dropouts_are_for_training():
    ids = np.full(50, 9)
    for option in ("dropout", "id_dropout"):
        tower = rl.MLPTower([7, 9], 4, seed=1, **{option: 0.5})
        assert tower(ids, training=True).numpy().tolist() != tower(ids).numpy().tolist()
        assert tower(ids).numpy().tolist() == tower(ids, training=False).numpy().tolist()


@pytest.mark.parametrize(("policy", "output"), [("mixed_float16", "float16"), ("float64", "float64")])
def test_dtype_policies(policy: str, output: str):
    tower = rl.MLPTower([2**24, 2**24 + 1], 4, dtype=policy)
    assert tower(np.array([2**24 + 1])).dtype.name == output
    assert tower.lookup([2**24 + 1]).tolist() == [2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_dim": 0}, "`output_dim`|`embedding_dim` must be a positive integer"),
        ({"hidden_units": (0,)}, "`hidden_units` must be a positive integer"),
        ({"hidden_units": 8}, r"`hidden_units` must be a list"),
        ({"dropout": 1.0}, r"`dropout` must be a number in \[0, 1\)"),
        ({"id_dropout": 2}, "`id_dropout`"),
        ({"id_embedding_dim": 0}, "`embedding_dim` must be a positive integer"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str):
    with pytest.raises(ArgumentError, match=message):
        rl.MLPTower(**{"vocabulary": [7], "embedding_dim": 4, **options})


def test_bad_ids():
    with pytest.raises(IdError, match="ids must be integers, as in the vocabulary, not text: '7'"):
        rl.MLPTower([7], 4)(np.array(["7"]))
