"""Layers as towers: which are taken, and what is said of those whose embedding dim is not known."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError
from reciperec_layers.towers import LayerTower
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


def of_inputs(make, *names):
    inputs = [keras.Input((1,), name=name) for name in names]
    joined = keras.layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
    return keras.Model(make(inputs), keras.layers.Dense(3)(joined))


NAMED = [
    (of_inputs(lambda inputs: inputs, "user_id", "age"), ("user_id", "age")),
    (of_inputs(tuple, "b", "a"), ("b", "a")),
    (of_inputs(lambda inputs: inputs, "age"), ("age",)),
    (of_inputs(lambda inputs: inputs[0], "age"), ("age",)),
    (keras.Sequential([keras.Input((1,), name="age"), keras.layers.Dense(3)]), ("age",)),
]


@pytest.mark.parametrize("default", [None, "recipe_id"])
@pytest.mark.parametrize(("model", "names"), NAMED, ids=range(len(NAMED)))
def test_inputs_are_columns_by_their_names(model, names, default):
    tower = resolve_tower(model, "query_tower", default, "RetrievalModel")
    assert (tower.features, tower.embedding_dim) == (names, 3)
    kernel, bias = model.get_weights()
    values = {name: np.full((2, 1), at + 1.0, np.float32) for at, name in enumerate(names)}
    expected = np.concatenate(list(values.values()), axis=1) @ kernel + bias
    # The order of the columns that are given is not that of the inputs.
    given = dict(reversed(values.items()))
    np.testing.assert_allclose(tower({**given, "unread": values[names[0]]}), expected, rtol=1e-6)
    symbolic = tower({name: keras.Input((1,)) for name in reversed(names)})
    assert symbolic.shape == (None, 3)
    clone = type(tower).from_config(tower.get_config())
    clone.set_weights(tower.get_weights())
    np.testing.assert_allclose(clone(given), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        of_inputs(lambda inputs: inputs, None, None),
        of_inputs(lambda inputs: inputs, "user_id", None),
        of_inputs(lambda inputs: [inputs[:1], inputs[1]], "user_id", "age"),
        keras.Model.from_config(of_inputs(lambda inputs: inputs, None, None).get_config()),
    ],
)
@pytest.mark.parametrize("default", [None, "user_id"])
def test_inputs_without_names_are_to_be_named(model, default):
    with pytest.raises(ArgumentError, match="column `query_tower` reads is not known.*or use a dict of inputs by col"):
        resolve_tower(model, "query_tower", default, "RetrievalModel")


def test_a_single_input_without_a_name_reads_the_default_column():
    for model in (of_inputs(lambda inputs: inputs, None), of_inputs(lambda inputs: inputs[0], None)):
        again = keras.Model.from_config(model.get_config())
        for each in (model, again):
            assert resolve_tower(each, "query_tower", "age", "RetrievalModel").features == ("age",)
            with pytest.raises(ArgumentError, match="Name each input after its column.*or name the column by query_id"):
                resolve_tower(each, "query_tower", None, "RetrievalModel")


def test_as_many_columns_as_inputs():
    with pytest.raises(ArgumentError, match="LayerTower: the layer has 2 inputs, and 1 columns are named"):
        LayerTower(of_inputs(lambda inputs: inputs, "a", "b"), ["a"], 3)


@pytest.mark.saving
def test_models_of_a_list_of_inputs_are_saved_cloned_and_exported(tmp_path):
    ids = ["pie", "soup"]
    model = rl.RetrievalModel(
        of_inputs(lambda inputs: inputs, "b", "a"), rl.IdTower(ids, 3, feature="recipe_id"), {"recipe_id": ids}
    )
    model.compile("sgd")
    rows = {"a": [[1.0], [2.0]], "b": [[3.0], [-4.0]], "recipe_id": ids}
    model.fit(rows, verbose=0)
    expected = model.recommend(rows, k=2)
    model.save(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for each in (keras.models.load_model(tmp_path / "model.keras"), clone):
        np.testing.assert_array_equal(each.recommend(rows, k=2)[1], expected[1])
    model.export(tmp_path / "bundle", k=2)
    serve = tf.saved_model.load(tmp_path / "bundle").signatures["serving_default"]
    found = serve(a=tf.constant(rows["a"]), b=tf.constant(rows["b"]))
    np.testing.assert_allclose(found["scores"], expected[0], rtol=1e-5)
