"""Layers as towers: which are taken, and what is said of those whose embedding dim is not known."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reciperec_layers.errors import ArgumentError
from reciperec_layers.towers.resolve_tower import resolve_tower

ONE = np.ones((2, 2), np.float32)


class Silent(keras.layers.Layer):
    """Does not tell the shape of its output."""

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 3))

    def call(self, inputs):
        return inputs @ self.kernel


class Telling(Silent):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 3)


@pytest.mark.parametrize("built", [False, True])
def test_a_layer_that_does_not_tell_its_shape_is_told_what_it_needs(built):
    layer = Silent()
    if built:
        layer(ONE)
    with pytest.raises(ArgumentError) as caught:
        resolve_tower(layer, "query_tower", "age", "RetrievalModel")
    text = str(caught.value)
    assert "a method compute_output_shape, or wrap it: towers.LayerTower(layer, ['age'], embedding_dim)" in text
    assert "once" not in text


def test_a_model_of_layers_is_to_be_called_once():
    with pytest.raises(ArgumentError, match="not known before it is built.*Call the layer once, or wrap it"):
        resolve_tower(keras.Sequential([Silent()]), "query_tower", "age", "RetrievalModel")


@pytest.mark.parametrize("layer", [Telling(), keras.layers.Dense(3), keras.Sequential([keras.layers.Dense(3)])])
def test_a_layer_that_tells_its_shape_is_taken(layer):
    assert resolve_tower(layer, "query_tower", "age", "RetrievalModel").embedding_dim == 3
    layer(ONE)
    assert resolve_tower(layer, "query_tower", "age", "RetrievalModel").embedding_dim == 3
