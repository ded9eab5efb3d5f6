"""The optimizer's state is in the file whatever layers the towers hold, and training goes on as if nothing had been."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl

pytestmark = pytest.mark.saving

RECIPES = ["pie", "soup", "stew"]
ROWS = {
    "user_id": np.array([7, 9, 7, 11]),
    "recipe_id": np.array(["pie", "soup", "stew", "pie"], dtype=object),
    "title": np.array(["apple pie", "hot soup", "red hot stew", "apple pie"], dtype=object),
    "cuisine": np.array(["us", "it", "fr", "us"], dtype=object),
    "minutes": np.float32([30, 20, 90, 30]),
}


def text_layer():
    return keras.layers.TextVectorization(vocabulary=["apple", "hot", "pie", "soup"], output_sequence_length=3)


def functional_tower():
    columns = {"title": "string", "cuisine": "string", "minutes": "float32"}
    inputs = {name: keras.Input((1,), dtype=dtype, name=name) for name, dtype in columns.items()}
    words = keras.layers.Flatten()(keras.layers.Embedding(6, 2)(text_layer()(inputs["title"])))
    cuisine = keras.layers.StringLookup(vocabulary=["us", "it"], output_mode="one_hot")(inputs["cuisine"])
    minutes = keras.layers.Normalization(mean=[40.0], variance=[900.0])(inputs["minutes"])
    joined = keras.layers.Concatenate()([words, cuisine, minutes])
    return keras.Model(inputs, keras.layers.Dense(2)(joined))


@rl.serializable
class TitleTower(rl.towers.Tower):
    """Holds its layers as attributes, and calls none of them before the first batch."""

    def __init__(self, **kwargs):
        super().__init__(2, features=["title"])
        self.text = text_layer()
        self.table = rl.layers.EmbeddingTable(6, 2, combiner="sum", initializer=keras.initializers.RandomNormal(seed=4))
        self.built = True

    def call(self, inputs, training=None):
        return self.table(self.text(inputs["title"]))

    def get_config(self):
        return {}


@rl.serializable
class LazyTower(rl.towers.Tower):
    """Has a layer whose weights the first batch makes."""

    def __init__(self, **kwargs):
        super().__init__(2, features=["minutes"])
        self.dense = keras.layers.Dense(2)
        self.built = True

    def call(self, inputs, training=None):
        return self.dense(inputs["minutes"])


def trained(tower):
    columns = {name: ROWS[name] for name in ("title", "cuisine", "minutes")}
    corpus = {"recipe_id": RECIPES, **{name: column[:3] for name, column in columns.items()}}
    model = rl.RetrievalModel(rl.IdTower([7, 9, 11], 2, feature="user_id", seed=1), tower, corpus, "recipe_id")
    model.compile(rl.optimizers.Adam(0.1))
    model.fit(ROWS, batch_size=2, epochs=2, shuffle=False, verbose=0)
    return model


def state(model):
    return [each.numpy() for each in (*model.weights, *model.optimizer.variables)]


@pytest.mark.parametrize("tower", [functional_tower, TitleTower])
def test_it_is_in_the_file(tower, tmp_path):
    model = trained(tower())
    assert len(model.optimizer.variables) == 2 + 2 * len(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for again in (None, loaded, model):
        if again is not None:
            again.fit(ROWS, batch_size=2, epochs=2, shuffle=False, verbose=0)
        if again is not loaded:
            for after, expected in zip(state(loaded), state(model), strict=True):
                np.testing.assert_array_equal(after, expected)


def test_it_is_there_for_weights_of_a_file_as_well(tmp_path):
    model = trained(TitleTower())
    model.save_weights(tmp_path / "model.weights.h5")
    other = rl.RetrievalModel(
        rl.IdTower([7, 9, 11], 2, feature="user_id"), TitleTower(), model.corpus, candidate_id="recipe_id"
    )
    other.compile(rl.optimizers.Adam(0.1))
    other.load_weights(tmp_path / "model.weights.h5")
    for after, expected in zip(state(other), state(model), strict=True):
        np.testing.assert_array_equal(after, expected)


def test_weights_that_the_first_batch_makes_are_trained():
    model = rl.RetrievalModel(LazyTower(), rl.IdTower(RECIPES, 2, feature="recipe_id"))
    model.compile(rl.optimizers.Adam(0.1))
    batch = {"minutes": tf.constant([[1.0], [2.0]]), "recipe_id": tf.constant(["pie", "soup"])}
    model.train_on_batch(batch)
    before = model.query_tower.dense.kernel.numpy()
    model.train_on_batch(batch)
    assert (model.query_tower.dense.kernel.numpy() != before).all()
