"""Embeddings that are not finite are one clear error, in all ways of asking, and never an answer."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, DivergedError

ITEMS = np.arange(5)


@pytest.fixture(scope="module")
def model():
    """A query tower that reads an id and a number; user 2 has an embedding that is not finite."""
    user_id = keras.Input((), dtype="int64", name="user_id")
    age = keras.Input((), name="age")
    ids = rl.IdTower([1, 2], 2)
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    table[2] = np.nan
    ids.set_weights([table])
    tower = keras.Model({"user_id": user_id, "age": age}, ids(user_id) + keras.ops.expand_dims(age, -1))
    model = rl.RetrievalModel(tower, rl.IdTower(ITEMS, 2, feature="item_id"), {"item_id": ITEMS}, query_id="user_id")
    model.compile("sgd")
    return model


ASK = {
    "recommend": lambda model, rows: model.recommend(rows, 2),
    "excluding": lambda model, rows: model.recommend(rows, 2, exclude=[[0]] * len(rows["age"])),
    "allowing": lambda model, rows: model.recommend(rows, 2, allow=[0, 1]),
    "eagerly": lambda model, rows: model.recommend({name: np.asarray(rows[name]) for name in rows}, 2, as_frame=True),
    "evaluate": lambda model, rows: model.evaluate({**rows, "item_id": ITEMS[: len(rows["age"])]}, verbose=0),
    "held_out_ranks": lambda model, rows: model.held_out_ranks({**rows, "item_id": ITEMS[: len(rows["age"])]}),
}


@pytest.mark.parametrize("way", ASK)
def test_a_query_that_is_not_finite_is_refused(model, way):
    ASK[way](model, {"user_id": [1, 1], "age": [1.0, 2.0]})
    with pytest.raises(DivergedError, match=r"1 of 3 query embeddings are not finite.*(lower|Replace)"):
        ASK[way](model, {"user_id": [1, 2, 1], "age": [1.0, 1.0, 1.0]})


@pytest.mark.parametrize("way", ["recommend", "excluding", "allowing"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_column_that_is_the_cause_is_named(model, way, value):
    expected = "2 of 3 query embeddings are not finite. Not finite: 2 of 3 rows of the column .age.\\. Replace"
    with pytest.raises(DivergedError, match=expected):
        ASK[way](model, {"user_id": [1, 1, 1], "age": [1.0, value, value]})


@pytest.mark.saving
def test_an_exported_model_refuses_them_too(model, tmp_path):
    model.export(tmp_path / "bundle", k=2)
    signatures = tf.saved_model.load(str(tmp_path / "bundle")).signatures
    good, bad = (tf.constant(ids, tf.int64) for ids in ([1, 1], [1, 2]))
    ages = tf.constant([1.0, 2.0])
    assert signatures["serving_default"](user_id=good, age=ages)["ids"].shape == (2, 2)
    lists = {"k": tf.constant(2), "exclude": tf.zeros((2, 0), tf.int64), "allow": tf.constant([[0], [1]], tf.int64)}
    for name in ("serving_default", "recommend", "recommend_allowed"):
        arguments = {key: lists[key] for key in signatures[name].structured_input_signature[1] if key in lists}
        with pytest.raises(tf.errors.InvalidArgumentError, match="1 of 2 query embeddings are not finite"):
            signatures[name](user_id=bad, age=ages, **arguments)


@pytest.mark.parametrize("way", ["evaluate", "held_out_ranks"])
def test_an_evaluation_names_the_column_too(model, way):
    with pytest.raises(DivergedError, match="Not finite: 2 of 3 rows of the column 'age'"):
        ASK[way](model, {"user_id": [1, 1, 1], "age": [1.0, np.nan, np.nan]})


@pytest.mark.parametrize("column", [["x", "y"], [[1.0, 2.0], [3.0, 4.0]]])
def test_columns_that_a_tower_cannot_compute_are_named_in_one_line(model, column):
    with pytest.raises(
        ArgumentError, match="RetrievalModel.recommend: the query tower cannot compute.*'age': "
    ) as raised:
        model.recommend({"user_id": [1, 1], "age": column}, 2)
    assert "\n" not in str(raised.value)
    assert "\x1b" not in str(raised.value)
