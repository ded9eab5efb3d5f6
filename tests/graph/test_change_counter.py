"""Whatever changes a weight is seen, and nothing else counts as a change."""

from __future__ import annotations

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.graph.change_counter import ChangeCounter


def make_layer() -> keras.Sequential:
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    )


def fit(layer, optimizer, rows=8):
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(optimizer, loss="mse")
    model.fit(np.ones((rows, 3)), np.zeros((rows, 2)), verbose=0)


def assign_in_a_graph(layer):
    @tf.function
    def change():
        layer.weights[0].value.assign_add(tf.ones((3, 2)))

    change()


def scatter(method):
    def change(layer):
        getattr(layer.weights[0].value, method)(tf.IndexedSlices(tf.ones((1, 2)), tf.constant([1])))

    return change


def load(layer, tmp_path):
    other = make_layer()
    other.save_weights(tmp_path / "other.weights.h5")
    layer.load_weights(tmp_path / "other.weights.h5")


CHANGES = {
    "set_weights": lambda layer: layer.set_weights([2 * weight for weight in layer.get_weights()]),
    "assign": lambda layer: layer.weights[0].assign(np.ones((3, 2))),
    "assign_add": lambda layer: layer.weights[0].assign_add(np.ones((3, 2))),
    "assign_sub": lambda layer: layer.weights[0].assign_sub(np.ones((3, 2))),
    "tensorflow's assign": lambda layer: layer.weights[0].value.assign(np.ones((3, 2))),
    "scatter_update": scatter("scatter_update"),
    "scatter_add": scatter("scatter_add"),
    "scatter_nd_update": lambda layer: layer.weights[0].value.scatter_nd_update([[1]], np.ones((1, 2))),
    "a graph": assign_in_a_graph,
    "Keras's optimizer": lambda layer: fit(layer, "adam"),
    "an own optimizer": lambda layer: fit(layer, rl.optimizers.Adagrad(0.1)),
    "statistics of batches": lambda layer: layer(np.ones((4, 3)), training=True),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_seen(change):
    layer = make_layer()
    weights = ChangeCounter(layer)
    before, digest, values = weights.version(), weights.digest(), layer.get_weights()
    change(layer)
    assert weights.version() != before
    assert any((new != old).any() for new, old in zip(layer.get_weights(), values, strict=True))
    assert weights.digest() != digest


def test_loading_is_seen(tmp_path):
    layer = make_layer()
    weights = ChangeCounter(layer)
    before = weights.version()
    load(layer, tmp_path)
    assert weights.version() != before


def test_every_run_of_a_traced_graph_is_seen():
    layer = make_layer()
    weights = ChangeCounter(layer)
    change = tf.function(lambda: layer.weights[0].value.assign_add(tf.ones((3, 2))))
    versions = [weights.version()]
    for _ in range(3):
        change()
        versions.append(weights.version())
    assert len(set(versions)) == 4


def test_reading_is_no_change(tmp_path):
    layer = make_layer()
    weights = ChangeCounter(layer)
    before = weights.version()
    layer(np.ones((4, 3)))
    layer.predict(np.ones((4, 3)), verbose=0)
    layer.save_weights(tmp_path / "layer.weights.h5")
    layer.get_weights()
    layer(np.ones((4, 3)))
    keras.layers.Dropout(0.5)(np.ones((4, 3)), training=True)
    assert weights.version() == before


def test_a_weight_that_is_made_later_is_watched():
    layer = keras.layers.Dense(2)
    weights = ChangeCounter(layer)
    empty = weights.version()
    layer.build((None, 3))
    built = weights.version()
    layer.kernel.assign(np.ones((3, 2)))
    assert len({empty, built, weights.version()}) == 3


def test_several_watch_one_layer_and_those_that_are_gone_cost_nothing():
    layer = make_layer()
    first = ChangeCounter(layer)
    for _ in range(5):
        ChangeCounter(layer)
    gc.collect()
    last = ChangeCounter(layer)
    before = first.version(), last.version()
    layer.weights[0].assign(np.ones((3, 2)))
    assert first.version() != before[0]
    assert last.version() != before[1]
    assert len(layer.weights[0].value._change_counters) == 2


def test_equal_weights_have_one_digest_and_others_another():
    one, two = make_layer(), make_layer()
    two.set_weights(one.get_weights())
    assert ChangeCounter(one).digest() == ChangeCounter(two).digest()
    two.weights[1].assign(two.weights[1] + 1e-7)
    assert ChangeCounter(one).digest() != ChangeCounter(two).digest()


def test_what_cannot_be_watched_always_counts_as_changed():
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        layer = make_layer()
    weights = ChangeCounter(layer)
    assert weights.version() != weights.version()


def test_a_watched_layer_is_saved_and_cloned_as_others_are(tmp_path):
    layer = make_layer()
    ChangeCounter(layer)
    layer.save(tmp_path / "layer.keras")
    loaded = keras.models.load_model(tmp_path / "layer.keras")
    np.testing.assert_array_equal(loaded(np.ones((1, 3))), layer(np.ones((1, 3))))
    clone = keras.models.clone_model(layer)
    assert not hasattr(clone.weights[0].value, "_change_counters")
