"""A step computes each candidate of the batch once where that changes nothing, and all of them elsewhere."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.graph import distinct_ids
from tests.models.conftest import RECIPES, USERS

LOSSES = {
    "plain": {},
    "corrected": {"sampling_correction": "counts", "temperature": 0.5},
    "hits": {"remove_accidental_hits": True},
    "hard": {"num_hard_negatives": 3},
}


@pytest.fixture(autouse=True)
def _every_batch_is_large(monkeypatch):
    monkeypatch.setattr(distinct_ids, "_SMALL_BATCH", 0)


class CountingTower(rl.IdTower):
    """Remembers the ids of its last call."""

    def call(self, inputs, training=None):
        self.last = inputs
        return super().call(inputs, training=training)


class RepeatingTower(CountingTower):
    deterministic = False


def make(tower, loss=None, **options):
    query_tower = rl.IdTower(USERS, 3, feature="user_id", seed=1)
    candidate_tower = tower(RECIPES, 3, feature="recipe_id", seed=2, **options)
    model = rl.RetrievalModel(query_tower, candidate_tower, candidate_id="recipe_id")
    model.compile(rl.optimizers.Adagrad(0.1), rl.InBatchSoftmax(**LOSSES[loss or "plain"]), run_eagerly=True)
    return model


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_training_is_the_same(pairs, loss, weighted):
    weights = np.linspace(0, 2, 23) if weighted else None
    results = []
    for tower in (CountingTower, RepeatingTower):
        model = make(tower, loss)
        history = model.fit(pairs, sample_weight=weights, batch_size=10, epochs=2, shuffle=False, verbose=0).history
        history |= model.evaluate(pairs, sample_weight=weights, batch_size=10, return_dict=True, verbose=0)
        results.append([*map(np.asarray, history.values()), *model.get_weights()])
        seen = model.candidate_tower.last.numpy()
        assert len(seen) == (len(set(seen)) if tower is CountingTower else 3)
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{"id_dropout": 0.5}, {"activity_regularizer": "l2"}], ids=str)
def test_chance_and_losses_that_count_rows_keep_all_rows(pairs, options):
    model = make(CountingTower, **options)
    model.fit(pairs, batch_size=23, verbose=0)
    assert len(model.candidate_tower.last) == 23


def test_features_that_do_not_come_by_id_keep_all_rows(pairs):
    """Two rows of one recipe may differ in its minutes."""
    ids, minutes = keras.Input((), dtype="string", name="recipe_id"), keras.Input((1,), name="minutes")
    joined = keras.layers.Concatenate()([rl.IdTower(RECIPES, 3)(ids), minutes])
    candidate = keras.Model({"recipe_id": ids, "minutes": minutes}, keras.layers.Dense(3)(joined))
    model = rl.RetrievalModel(rl.IdTower(USERS, 3, feature="user_id"), candidate, candidate_id="recipe_id")
    assert model.candidate_tower.deterministic
    batch = {**pairs, "minutes": np.arange(23.0)[:, None]}
    model.compile(keras.optimizers.SGD(0.0))
    loss = model.evaluate(batch, batch_size=23, return_dict=True, verbose=0)["loss"]
    queries, candidates = model(batch), model.encode_candidates({**batch, "recipe_id": tf.constant(pairs["recipe_id"])})
    np.testing.assert_allclose(loss, rl.InBatchSoftmax()(queries, candidates) / 23, rtol=1e-5)


def test_a_loss_of_ones_own_gets_all_rows(pairs):
    class Loss(keras.layers.Layer):
        def call(self, query_embeddings, candidate_embeddings, candidate_ids=None, sample_weight=None, training=None):
            assert len(candidate_embeddings) == len(query_embeddings)
            return tf.reduce_sum(query_embeddings * candidate_embeddings)

    model = make(CountingTower)
    model.compile("sgd", Loss(), run_eagerly=True)
    model.fit(pairs, batch_size=23, verbose=0)
    assert len(model.candidate_tower.last) == 23


def test_a_small_batch_keeps_all_rows(pairs, monkeypatch):
    monkeypatch.setattr(distinct_ids, "_SMALL_BATCH", 23)
    model = make(CountingTower)
    model.fit(pairs, batch_size=23, verbose=0)
    assert len(model.candidate_tower.last) == 23


def sequential(*layers):
    return keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(2)])


def functional(between):
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(2)(between(inputs)))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (sequential(), True),
        (sequential(keras.layers.LayerNormalization(), keras.layers.ReLU()), True),
        (sequential(rl.layers.MLP(3, 3)), True),
        (sequential(rl.layers.MLP(3, 3, dropout=0.5)), False),
        (sequential(keras.layers.Dropout(0.5)), False),
        (sequential(keras.layers.BatchNormalization()), False),
        (sequential(keras.layers.GaussianNoise(1.0)), False),
        (sequential(keras.layers.Dense(3, activity_regularizer="l2")), False),
        (sequential(sequential(keras.layers.Dropout(0.5))), False),
        (sequential(keras.layers.Lambda(lambda rows: rows)), False),
        (functional(keras.layers.Dense(3)), True),
        (functional(lambda rows: rows - keras.ops.mean(rows, axis=0, keepdims=True)), False),
        (functional(sequential(keras.layers.Dropout(0.5))), False),
    ],
)
def test_what_is_known_of_keras_layers(layer, expected):
    assert rl.towers.LayerTower(layer, ["nutrients"], 2).deterministic is expected


def test_what_is_known_of_towers():
    assert rl.IdTower([7], 2).deterministic
    assert not rl.IdTower([7], 2, id_dropout=0.1).deterministic
    assert rl.MLPTower([7], 2).deterministic
    assert not rl.MLPTower([7], 2, dropout=0.1).deterministic
    assert not rl.MLPTower([7], 2, id_dropout=0.1).deterministic
