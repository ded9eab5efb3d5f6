"""Keras's preprocessing layers and FeatureSpace in a functional model that serves as a tower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl

RECIPES = {
    "recipe_id": np.arange(12),
    "kitchen": np.array(["thai", "greek", "thai", "swiss"] * 3, object),
    "minutes": np.arange(12, dtype=np.float32) * 5,
}
TRAIN = {"user_id": np.arange(24) % 5, "recipe_id": np.arange(24) % 12}


def of_layers() -> keras.Model:
    kitchens, minutes = keras.layers.StringLookup(), keras.layers.Normalization(axis=None)
    kitchens.adapt(RECIPES["kitchen"])
    minutes.adapt(RECIPES["minutes"])
    inputs = {
        "kitchen": keras.Input((), name="kitchen", dtype="string"),
        "minutes": keras.Input((1,), name="minutes", dtype="float32"),
    }
    kitchen = keras.layers.Embedding(kitchens.vocabulary_size(), 4)(kitchens(inputs["kitchen"]))
    return keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Concatenate()([kitchen, minutes(inputs["minutes"])])))


def of_feature_space() -> keras.Model:
    columns = {name: RECIPES[name] for name in ("kitchen", "minutes")}
    space = keras.utils.FeatureSpace({"kitchen": "string_categorical", "minutes": "float_normalized"})
    space.adapt(tf.data.Dataset.from_tensor_slices({name: tf.constant(each) for name, each in columns.items()}))
    return keras.Model(space.get_inputs(), keras.layers.Dense(4)(space.get_encoded_features()))


@pytest.mark.saving
@pytest.mark.parametrize("make", [of_layers, of_feature_space])
def test_it_is_a_tower(make: Any, tmp_path: Path):
    layer = make()
    users = rl.IdTower(np.arange(5), 4, feature="user_id", seed=1)
    model = rl.RetrievalModel(users, layer, RECIPES, candidate_id="recipe_id")
    model.compile(optimizer=rl.optimizers.Adagrad(0.1))
    model.fit(model.batches(TRAIN, batch_size=8, seed=1), epochs=1, verbose=0)
    scores, ids = model.recommend({"user_id": [3]}, k=3)

    # Rows of one kitchen and time have one embedding, and scores are products of embeddings.
    inputs = type(layer.input)({name: tf.constant(RECIPES[name]) for name in ("kitchen", "minutes")})
    products = users(np.array([3])).numpy() @ layer(inputs).numpy().T
    np.testing.assert_allclose(scores[0], np.sort(products[0])[::-1][:3], rtol=1e-4, atol=1e-6)

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.recommend({"user_id": [3]}, k=3)[1], ids)
