"""MixtureTower: several towers, joined by gates."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from reciperec_layers import features, towers
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError

FRAME = pd.DataFrame({"user_id": [9, 5, 7], "city": ["Rome", None, "Oslo"]})


def parts() -> list[towers.Tower]:
    encoders = {"user_id": features.Id([7, 9], width=4, seed=1), "city": features.Id(["Rome"], width=2, seed=2)}
    return [
        towers.IdTower([7, 9], 4, feature="user_id", seed=3),
        towers.FeatureTower(encoders, 4, seed=4),
        towers.FeatureTower({"city": features.Id(["Rome", "Oslo"], width=4, seed=5)}, 4),
    ]


@pytest.mark.parametrize("normalize", [False, True])
def test_the_value_is_that_of_gates(normalize: bool):
    tower = towers.MixtureTower(parts(), 4, normalize=normalize)
    embeddings = [tower.towers[0](FRAME["user_id"]).numpy(), *(each(FRAME).numpy() for each in tower.towers[1:])]
    mean = np.mean(embeddings, axis=0)
    scale = np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-7) if normalize else 1
    np.testing.assert_allclose(tower(FRAME).numpy(), mean / scale, rtol=1e-4, atol=1e-6)

    kernel, bias = np.random.default_rng(1).normal(size=(12, 3)) * 20, np.array([0.5, 0.0, -0.5])
    tower.gates.set_weights([kernel, bias])
    powers = np.exp(np.hstack(embeddings) @ kernel + bias)
    shares = powers / powers.sum(axis=1, keepdims=True)
    mixed = sum(share[:, None] * each for share, each in zip(shares.T, embeddings, strict=True))
    mixed = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-7) if normalize else mixed
    np.testing.assert_allclose(tower(FRAME).numpy(), mixed, rtol=1e-3, atol=1e-5)


def test_hooks_are_those_of_the_towers():
    tower = towers.MixtureTower(parts(), 4)
    assert tower.features == ("city", "user_id")
    assert [tower.form(name).dtype for name in tower.features] == [tf.string, tf.int64]
    assert (tower.missing_value("city"), tower.missing_value("user_id")) == ("", None)  # an IdTower needs its ids
    columns = {name: tower.read(name, FRAME[name], "test") for name in tower.features}
    assert tower.knowledge(columns).numpy().tolist() == [2, 0, 2]
    assert tower.knowledge_levels == (0, 1, 2)
    assert tower.prepares
    prepared = {name: tf.gather(each, [1, 1, 0]) for name, each in tower.prepare(columns).items()}
    np.testing.assert_allclose(tower.encode(prepared).numpy(), tower(FRAME).numpy()[[1, 1, 0]], rtol=1e-6)
    assert not towers.MixtureTower(parts()[:1] * 2, 4).prepares


def test_a_tower_that_cannot_tell_does_not_make_everything_known():
    age = keras.Input((1,), name="age")
    blind = towers.LayerTower(keras.Model(age, keras.layers.Dense(4)(age)), ["age"], 4)
    columns = {"age": tf.ones((3, 1)), "user_id": tf.constant([9, 5, 7], tf.int64)}
    assert towers.MixtureTower([blind, parts()[0]], 4).knowledge(columns).numpy().tolist() == [2, 0, 2]
    assert towers.MixtureTower([blind, parts()[0]], 4).knowledge_levels == (0, 2)
    assert towers.MixtureTower([blind, blind], 4).knowledge_levels == ()
    assert towers.MixtureTower([blind, blind], 4).knowledge({"age": tf.ones((3, 1))}).numpy().tolist() == [2, 2, 2]


def test_columns_that_are_not_given():
    tower = towers.MixtureTower(parts(), 4)
    users = tf.constant([9, 5, 7], tf.int64)
    expected = tower(FRAME.assign(city=pd.Series([None] * 3, dtype=object))).numpy()
    np.testing.assert_array_equal(tower({"user_id": users}).numpy(), expected)
    assert tower.knowledge({"user_id": users}).numpy().tolist() == [2, 0, 2]
    with pytest.raises(ColumnError, match="MixtureTower: there is no column 'user_id'"):
        tower({"city": ["Rome"]})
    with pytest.raises(ArgumentError, match="MixtureTower: inputs must be a dict of the columns 'city', 'user_id'"):
        tower(users)
    one_column = towers.MixtureTower([parts()[0], parts()[0]], 4)
    assert one_column(np.array([9, 5])).shape == (2, 4)


def test_from_data():
    frame = pd.DataFrame({"recipe_id": range(40), "minutes": np.arange(40) % 7, "kitchen": ["thai", "greek"] * 20})
    options: dict[str, Any] = {"feature": "recipe_id", "embedding_dim": 4, "seed": 1}
    tower = towers.MixtureTower.from_data(frame, leave_out=["kitchen"], normalize=True, **options)
    assert [type(each) for each in tower.towers] == [towers.IdTower, towers.FeatureTower]
    assert tower.features == ("minutes", "recipe_id")
    chosen = ({"tower": "feature", "hidden_units": (3,), "columns": ["minutes"]}, "id")
    tower = towers.MixtureTower.from_data(frame, towers=chosen, **options)
    assert tower.towers[0].features == ("minutes", "recipe_id")
    assert tower.towers[0].hidden_units == (3,)
    assert tower(frame).shape == (40, 4)


def test_deterministic():
    assert towers.MixtureTower(parts(), 4).deterministic
    dropping = towers.IdTower([7], 4, feature="user_id", id_dropout=0.1)
    assert not towers.MixtureTower([dropping, parts()[0]], 4).deterministic


def test_towers_as_configs():
    config = {"tower": "id", "vocabulary": [7, 9], "embedding_dim": 4, "feature": "user_id", "seed": 3}
    tower = towers.create("mixture", towers=[config, parts()[1]], embedding_dim=4)
    expected = towers.MixtureTower(parts()[:2], 4)
    np.testing.assert_array_equal(tower(FRAME).numpy(), expected(FRAME).numpy())


def test_bad_arguments():
    ids, texts = parts()[0], towers.IdTower(["a"], 4, feature="user_id")
    for given, error, message in (
        ("id", ArgumentTypeError, "MixtureTower: `towers` must be a list of towers"),
        ([ids], ArgumentError, "MixtureTower: `towers` must have two towers or more"),
        ([ids, towers.IdTower([7], 3, feature="a")], ArgumentError, "all towers must have the mixture's embedding_dim"),
        ([ids, towers.IdTower([7], 4)], ArgumentError, "every tower must name the columns that it reads"),
        ([ids, texts], ArgumentError, "column 'user_id' is read in different forms: int64 and string"),
        ([ids, 7], ArgumentTypeError, r"MixtureTower: `towers\[1\]` must be a tower"),
    ):
        with pytest.raises(error, match=message):
            towers.MixtureTower(given, 4)
