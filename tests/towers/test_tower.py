"""The contract of towers, for towers of other people."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from reciperec_layers import towers
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError


class ColumnTower(towers.Tower):
    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return keras.ops.ones((len(self.column(inputs)), self.embedding_dim))


def test_registered_towers():
    assert {"id", "mlp"} <= set(towers.names())
    made = towers.create("id", vocabulary=[7], embedding_dim=2, name="users")
    assert type(made) is towers.IdTower
    assert made.name == "users"
    assert towers.get("mlp") is towers.MLPTower


def test_a_column_is_taken_by_name():
    tower = ColumnTower(2, features=["user_id"])
    for inputs in (tf.ones(3), {"user_id": tf.ones(3), "other": tf.ones(3)}):
        assert tower(inputs).shape == (3, 2)
    with pytest.raises(ColumnError, match=r"ColumnTower: there is no column 'user_id'; the columns are 'id'"):
        tower({"id": tf.ones(3)})
    with pytest.raises(ColumnError, match=r"ColumnTower: .*which one it reads\. Received: columns=\['id'\]"):
        ColumnTower(2)({"id": tf.ones(3)})


def test_what_is_by_name():
    assert has_named_columns({"a": 1})
    assert has_named_columns(pd.DataFrame({"a": [1]}))
    assert not any(map(has_named_columns, (np.ones(1), pd.Series([1]), [1], tf.ones(1))))


def test_the_config_names_the_distribution_only_for_messages():
    class OfPackage(ColumnTower):
        pass

    config = OfPackage(2).get_config()
    assert OfPackage.from_config({**config, "distribution": ["reciperec-bag", "1.0"]}).embedding_dim == 2


def test_bad_arguments():
    with pytest.raises(ArgumentError, match=r"ColumnTower: `embedding_dim` must be a positive integer.*=-1"):
        ColumnTower(-1)
    with pytest.raises(NotImplementedError, match="ColumnTower has no from_data"):
        ColumnTower.from_data({}, feature="a", embedding_dim=2)


@pytest.mark.parametrize("name", ["id", "mlp"])
def test_a_misspelt_option_lists_those_that_there_are(name):
    with pytest.raises(ArgumentTypeError, match=r"no arguments 'id_dropuot'.*Accepted: vocabulary.*id_dropout.*dtype"):
        towers.create(name, vocabulary=[7], embedding_dim=2, id_dropuot=0.1)


def test_the_hooks_have_defaults():
    tower = ColumnTower(2, features=["user_id"])
    column = tower.read("user_id", pd.Series([7, 9]), "test")
    assert (column.dtype, column.numpy().tolist()) == (tf.int64, [7, 9])
    assert (tower.form("user_id"), tower.missing_value("user_id"), tower.prepares) == (None, None, False)
    assert tower.knowledge({"user_id": column}).numpy().tolist() == tower.knowledge(column).numpy().tolist() == [2, 2]
    assert (tower.knowledge_levels, tower.known_features({"user_id": column})) == ((), {})
    prepared = tower.prepare({"user_id": column})
    assert tower.encode(prepared).shape == (2, 2)


@pytest.mark.parametrize("name", ["id", "mlp"])
def test_a_tower_of_ids_knows_its_ids(name):
    tower = towers.create(name, vocabulary=["a", "b"], embedding_dim=2, feature="user_id", num_oov_indices=3)
    ids = tf.constant(["b", "c"])
    assert tower.form("user_id") == tf.TensorSpec((None,), tf.string)
    assert tower.knowledge({"user_id": ids}).numpy().tolist() == tower.knowledge(ids).numpy().tolist() == [2, 0]
    assert tower.knowledge_levels == (0, 2)
