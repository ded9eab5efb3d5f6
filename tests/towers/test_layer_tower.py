"""LayerTower: any Keras layer or model in a tower's place."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ColumnError
from reciperec_layers.towers import LayerTower

ONE = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)


def dense() -> keras.layers.Dense:
    layer = keras.layers.Dense(3)
    layer.build((None, 2))
    return layer


def of_two() -> keras.Model:
    columns = {"a": keras.Input((2,), name="a"), "b": keras.Input((1,), name="b")}
    return keras.Model(columns, keras.layers.Dense(3)(keras.layers.Concatenate()([columns["a"], columns["b"]])))


def test_one_column():
    layer = dense()
    tower = LayerTower(layer, ["a"], embedding_dim=3)
    kernel, bias = layer.get_weights()
    for inputs in (ONE, {"a": ONE}, {"a": tf.constant(ONE), "ignored": tf.constant(["x", "y"])}):
        np.testing.assert_allclose(tower(inputs).numpy(), ONE @ kernel + bias, rtol=1e-5)


def test_several_columns():
    model = of_two()
    tower = LayerTower(model, ["a", "b"], embedding_dim=3)
    kernel, bias = model.get_weights()
    output = tower({"a": ONE, "b": ONE[:, :1], "ignored": ONE})
    np.testing.assert_allclose(output.numpy(), np.hstack([ONE, ONE[:, :1]]) @ kernel + bias, rtol=1e-5)
    symbolic = tower({"a": keras.Input((2,)), "b": keras.Input((1,))})
    assert (symbolic.shape, symbolic.dtype) == ((None, 3), "float32")
    with pytest.raises(ColumnError, match=r"LayerTower: there is no column 'b'; the columns are 'a'"):
        tower({"a": ONE})


def test_a_dict_of_one_column():
    column = keras.Input((2,), name="a")
    model = keras.Model({"a": column}, keras.layers.Dense(3)(column))
    assert LayerTower(model, ["a"], embedding_dim=3, as_dict=True)({"a": ONE}).shape == (2, 3)


def test_ids_pass_as_they_are():
    tower = LayerTower(keras.Sequential([rl.IdTower([2**24, 2**24 + 1], 3)]), ["user_id"], embedding_dim=3)
    table = tower.get_weights()[0]
    np.testing.assert_array_equal(tower({"user_id": np.array([2**24 + 1])}).numpy(), table[2:])


def test_training_reaches_the_layer():
    dropout = keras.layers.Dropout(0.5, seed=1)
    tower = LayerTower(dropout, ["a"], embedding_dim=2)
    assert tower(ONE).numpy().tolist() == ONE.tolist()
    assert tower(ONE, training=True).numpy().tolist() != ONE.tolist()


@pytest.mark.parametrize(
    ("layer", "features"), [(None, ["a"]), (keras.layers.Dense, ["a"]), (dense(), []), (dense(), "a")]
)
def test_bad_arguments(layer: Any, features: Any):
    with pytest.raises(ArgumentError, match=r"LayerTower: a Keras layer and the list of the columns"):
        LayerTower(layer, features, embedding_dim=3)
