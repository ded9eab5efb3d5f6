"""A query that a batch has several times is computed once where that is exact."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import reciperec_layers as rl
from reciperec_layers.graph import distinct_ids

USERS, RECIPES = np.arange(5), np.arange(10, 17)
RNG = np.random.default_rng(3)
ROWS = {"user_id": RNG.choice([*USERS, 99], 24), "recipe_id": RNG.choice(RECIPES, 24)}


class CountingTower(rl.MLPTower):
    rows = ()

    def call(self, inputs, training=None):
        type(self).rows = (*type(self).rows, inputs.shape[0])
        return super().call(inputs, training=training)


def make(cls=CountingTower, dtype=None, **options):
    return rl.RetrievalModel(
        cls(USERS, 4, feature="user_id", seed=1, dtype=dtype, **options),
        rl.IdTower(RECIPES, 4, feature="recipe_id", seed=2, dtype=dtype),
        {"recipe_id": RECIPES},
        "recipe_id",
    )


def trained(**options):
    model = make(**options)
    model.compile(rl.optimizers.Adagrad(0.3), loss=rl.InBatchSoftmax(remove_accidental_hits=True))
    weights = RNG.__class__(np.random.PCG64(0)).random(24)
    history = model.fit(ROWS, sample_weight=weights, batch_size=12, shuffle=False, epochs=3, verbose=0).history
    return [*history.values(), *model.get_weights()]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(None, 1e-5), ("mixed_bfloat16", 2e-2)], ids=["float32", "mixed precision"]
)
def test_training_is_the_same(monkeypatch, dtype, tolerance):
    options = {"dtype": dtype, "activation": "tanh"}  # smooth: relu would turn an error of rounding into a step
    all_rows = trained(**options)
    monkeypatch.setattr(distinct_ids, "_SMALL_BATCH", 0)
    for once, each in zip(trained(**options), all_rows, strict=True):
        np.testing.assert_allclose(once, each, rtol=tolerance, atol=tolerance)


def rows_computed(monkeypatch, **options):
    monkeypatch.setattr(distinct_ids, "_SMALL_BATCH", 0)
    model = make(**options)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    CountingTower.rows = ()
    model.fit({"user_id": [1, 1, 2, 1], "recipe_id": [10, 11, 12, 12]}, batch_size=4, verbose=0)
    return CountingTower.rows


def test_each_query_is_computed_once(monkeypatch):
    assert rows_computed(monkeypatch) == (2,)


@pytest.mark.parametrize("options", [{"id_dropout": 0.5}, {"dropout": 0.5}], ids=str)
def test_chance_is_drawn_for_each_row(monkeypatch, options):
    assert rows_computed(monkeypatch, **options) == (4,)


def test_few_rows_are_not_looked_through():
    model = make()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    CountingTower.rows = ()
    model.fit({"user_id": [1, 1], "recipe_id": [10, 11]}, verbose=0)
    assert CountingTower.rows == (2,)
