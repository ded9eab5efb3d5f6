"""A tower that is not registered can be saved, with a warning, and the error of loading it says what to do."""

from __future__ import annotations

import warnings

import keras
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import PluginError
from reciperec_layers.towers import Tower

CANDIDATES = {"recipe_id": ["pie", "soup"]}


class TasteTower(Tower):
    def __init__(self, embedding_dim, **kwargs):
        super().__init__(embedding_dim, ["tastes"], **kwargs)
        self.dense = keras.layers.Dense(embedding_dim)
        self.dense.build((None, 3))

    def call(self, inputs, training=None):
        return self.dense(inputs["tastes"])


class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


def doubled(inputs):
    return 2 * inputs


def functional(**options):
    inputs = keras.Input((3,), name="tastes")
    outputs = keras.layers.Dense(2, activation=options.get("activation"))(inputs)
    for layer in options.get("layers", ()):
        outputs = layer(outputs)
    return keras.Model({"tastes": inputs}, outputs)


def model_of(tower):
    return rl.RetrievalModel(tower, rl.IdTower(CANDIDATES["recipe_id"], 2, feature="recipe_id"), CANDIDATES)


CASES = {
    "a tower": (lambda: TasteTower(2), "class 'TasteTower'", {"TasteTower": TasteTower}),
    "a nested layer": (lambda: functional(layers=[Doubled()]), "class 'Doubled'", {"Doubled": Doubled}),
    "a function": (lambda: functional(activation=doubled), "function 'doubled'", {"doubled": doubled}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_registered_is_named(name, tmp_path):
    make, named, custom_objects = CASES[name]
    model = model_of(make())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        model.save(tmp_path / "model.keras")
    warned = [each for each in caught if each.category is UserWarning]
    assert [each.filename for each in warned] == [__file__]
    assert str(warned[0].message).startswith(f"RetrievalModel.save: the {named}")
    for load in (rl.load_model, keras.models.load_model):
        with pytest.raises((PluginError, TypeError), match=rf"load_model: the model needs the {named}.*, which is not"):
            load(tmp_path / "model.keras")
    with pytest.raises(PluginError, match=r"with @rl\.towers\.register\(.* or pass custom_objects=") as raised:
        rl.load_model(tmp_path / "model.keras")
    assert "\n" not in str(raised.value)
    loaded = rl.load_model(tmp_path / "model.keras", custom_objects=custom_objects)
    query = {"tastes": tf.constant([[1.0, 2.0, 3.0]])}
    assert loaded(query).numpy().tolist() == model(query).numpy().tolist()


def test_nothing_is_said_of_what_loads(tmp_path):
    model = model_of(functional(layers=[keras.layers.Activation("relu")], activation=keras.activations.gelu))
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10)))
    model.save(tmp_path / "model.keras")  # warnings are errors
    with keras.saving.custom_object_scope({"Doubled": Doubled}):
        model_of(functional(layers=[Doubled()])).save(tmp_path / "scoped.keras")
    rl.load_model(tmp_path / "model.keras")


def test_a_class_of_a_package_that_is_not_imported_is_named():
    config = {"module": "shop.towers", "class_name": "Bag", "config": {}, "registered_name": "shop>Bag"}
    with pytest.raises(PluginError, match=r"needs the class 'Bag' of the module 'shop\.towers', which is not reg"):
        rl.RetrievalModel.from_config({"query_tower": config})
