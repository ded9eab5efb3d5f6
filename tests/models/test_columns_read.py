"""Columns that nobody reads may hold anything; those that are read are found, and missing ones are named."""

from __future__ import annotations

import datetime

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentTypeError, ColumnError, IdError
from reciperec_layers.models import BaseModel
from tests.models.conftest import RECIPES, USERS

ROWS = 6
READ = {"user_id": [11, 12, 13, 14, 11, 99], "recipe_id": ["soup", "pie", "stew", "pie", "cake", "salad"]}
UNREAD = {
    "when": pd.to_datetime(["2017-04-22"] * ROWS, utc=True),
    "comment": ["good", None, "bad", None, "", "x"],
    "tags": [["a"], [], None, ["b", "c"], [], ["d"]],
    "place": [{"city": "Bonn"}] * ROWS,
    "day": [datetime.date(2017, 4, 22)] * ROWS,
    "mixed": [1, "a", None, 2.5, True, b"x"],
    "kind": pd.Categorical(["a", None, "b", "a", "b", "a"]),
    "count": pd.array([1, None, 3, 4, 5, 6], dtype="Int64"),
}
RESULT = ["query_knowledge", "rank", "score", "candidate_knowledge", "recipe_id", "name"]


def frame() -> pd.DataFrame:
    return pd.DataFrame({**UNREAD, **READ})


FORMS = pytest.mark.parametrize("form", [frame, lambda: {**UNREAD, **READ}], ids=["frame", "dict"])


def test_what_a_model_does_not_read_changes_nothing(make_model):
    model, expected, data = make_model(), make_model(), frame()
    seen = rl.data.seen(pd.DataFrame(READ), "user_id", "recipe_id")
    options = {"shuffle": False, "batch_size": 3, "verbose": 0}
    found = model.fit(data, validation_data=(data, None, np.ones(ROWS)), **options).history
    assert found == expected.fit(READ, validation_data=(READ,), **options).history
    assert "val_loss" in found
    for call in (
        lambda model, rows: model.evaluate(rows, exclude=seen, return_dict=True, verbose=0),
        lambda model, rows: model.predict(rows, verbose=0),
        lambda model, rows: model.predict_on_batch(rows),
        lambda model, rows: model.test_on_batch(rows, return_dict=True),
        lambda model, rows: model.train_on_batch(rows, sample_weight=[1.0] * ROWS, return_dict=True),
        lambda model, rows: model.held_out_ranks(rows, exclude=seen),
        lambda model, rows: model.recommend(rows, k=2, exclude=seen),
        lambda model, rows: np.concatenate([batch["user_id"] for batch in model.batches(rows)]),
    ):
        np.testing.assert_equal(call(model, data), call(expected, READ))


def test_a_dict_is_read_as_a_frame_is(make_model):
    model, data = make_model(), {**UNREAD, **READ}
    model.fit(data, validation_data=data, verbose=0)
    np.testing.assert_equal(model.recommend(data, k=2), model.recommend(frame(), k=2))
    assert set(model.batches(data).element_spec) == set(READ)


def test_queries_need_no_candidates(make_model):
    model = make_model()
    queries = {"user_id": [11, 12], "recipe_id": [None, None]}
    assert model.predict(queries, verbose=0).shape == (2, 3)
    assert model.recommend(queries, k=1)[1].shape == (2, 1)


@FORMS
def test_a_missing_column_is_named_beside_all_that_there_are(make_model, form):
    model, data = make_model(), form()
    data = dict(data)
    data["recipe"] = data.pop("recipe_id")
    for call in (model.fit, model.evaluate):
        with pytest.raises(ColumnError, match=r"no column 'recipe_id'; the columns are 'when', .*closest is 'recipe'"):
            call(data, verbose=0)
    with pytest.raises(ColumnError, match=r"RetrievalModel\.batches: there is no column 'recipe_id'; .*'when'"):
        model.batches(data)
    with pytest.raises(ColumnError, match="no column 'user_id'; the columns are 'user'"):
        model.recommend({"user": [11]})


def test_a_column_that_is_read_must_be_whole(make_model):
    broken = {**READ, "user_id": [11, None, 13, 14, 11, 99]}
    for call in (make_model().fit, make_model().evaluate, make_model().predict):
        with pytest.raises(IdError, match="column 'user_id': 1 of 6 ids are missing"):
            call(broken, verbose=0)
    with pytest.raises(ArgumentTypeError, match=r"column 'tags': values of type list .*a model's `batches`"):
        rl.data.batches({**READ, "tags": UNREAD["tags"]}, batch_size=2)
    with pytest.raises(IdError, match=r"column 'comment': 2 of 6 values are missing .*or leave the column out"):
        rl.data.batches({**READ, "comment": UNREAD["comment"]}, batch_size=2)
    with pytest.raises(IdError, match=r"6 of 6 values are missing .*, \.\.\. Check how the values were") as error:
        rl.data.batches({**READ, "comment": [None] * 6}, batch_size=2)
    assert "...." not in str(error.value)


@FORMS
def test_a_frame_of_recommendations_has_the_columns_of_the_queries_as_they_are(make_model, form):
    found = make_model().recommend(form(), k=2, as_frame=True)
    assert found.columns.tolist() == [*UNREAD, "user_id", *RESULT]
    assert found["user_id"].tolist() == np.repeat(READ["user_id"], 2).tolist()
    assert str(found["when"].dt.tz) == "UTC"
    assert found["kind"].dtype == "category"
    assert found["count"].dtype == "Int64"
    assert found["tags"].tolist() == [each for each in UNREAD["tags"] for _ in range(2)]
    assert found["place"].tolist() == [{"city": "Bonn"}] * (2 * ROWS)
    assert set(found["recipe_id"]) <= set(RECIPES)


def test_a_frame_of_recommendations_leaves_out_what_it_cannot_carry(make_model):
    queries = {
        "user_id": tf.constant([11, 12]),
        "name": ["x", "y"],
        "text": tf.constant(["a", "b"]),
        "lengths": [1, 2, 3],
        "table": np.arange(4).reshape(2, 2),
        "ragged": tf.ragged.constant([[1], [2, 3]]),
        "sparse": tf.sparse.from_dense([[1], [0]]),
        "one": 5,
    }
    found = make_model().recommend(queries, k=1, as_frame=True)
    assert found.columns.tolist() == ["user_id", "text", "table", "ragged", *RESULT]
    assert found["text"].tolist() == ["a", "b"]
    assert found["ragged"].tolist() == [[1], [2, 3]]
    assert [each.tolist() for each in found["table"]] == [[0, 1], [2, 3]]
    assert all(each.startswith("A ") for each in found["name"])


def test_columns_of_the_candidate_tower_are_taken_where_they_are_there():
    minutes = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    model = rl.RetrievalModel(
        rl.IdTower(USERS, 2, feature="user_id"),
        rl.towers.LayerTower(minutes, ["minutes"], 2),
        {"recipe_id": RECIPES, "minutes": np.arange(5.0)[:, np.newaxis]},
        "recipe_id",
    )
    own = {**READ, "minutes": np.ones((ROWS, 1))}
    assert set(model.batches({**UNREAD, **own}).element_spec) == {"user_id", "recipe_id", "minutes"}
    assert set(model.batches({**UNREAD, **READ}).element_spec) == {"user_id", "recipe_id"}


def test_which_query_a_row_is_of_is_read_where_it_is_needed():
    ages = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    model = rl.RetrievalModel(
        rl.towers.LayerTower(ages, ["age"], 2),
        rl.IdTower(RECIPES, 2, feature="recipe_id"),
        {"recipe_id": RECIPES},
        query_id="user_id",
    )
    data = {**UNREAD, **READ, "age": np.ones((ROWS, 1))}
    model.compile("sgd", metrics=rl.metrics.Recall(2))
    assert 0 <= model.evaluate(data, return_dict=True, verbose=0)["recall@2"] <= 1
    model.compile("sgd")
    model.fit({**data, "user_id": [None] * ROWS}, verbose=0)
    seen = rl.data.seen(pd.DataFrame(READ), "user_id", "recipe_id")
    assert "num_seen_held_out" in model.evaluate(data, exclude=seen, return_dict=True, verbose=0)
    assert set(model.batches(data).element_spec) == {"age", "recipe_id", "user_id"}


def test_batches_are_those_of_data_batches(make_model, tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    model, path = make_model(), tmp_path / "interactions.parquet"
    data = frame().drop(columns=["mixed"])
    data.to_parquet(path)
    for given in (data, path, [path]):
        found = model.batches(given, 2, seed=3, initial_epoch=1, drop_remainder=True)
        expected = rl.data.batches(
            pd.DataFrame(READ), 2, columns=["user_id", "recipe_id"], seed=3, initial_epoch=1, drop_remainder=True
        )
        for one, other in zip(found, expected, strict=True):
            assert {name: column.numpy().tolist() for name, column in one.items()} == {
                name: column.numpy().tolist() for name, column in other.items()
            }
        assert hasattr(found, "set_epoch")
    assert model.fit(model.batches(data, seed=1), epochs=2, verbose=0).history["loss"][1] > 0


@rl.serializable
class Mean(BaseModel):
    def __init__(self):
        super().__init__()
        self.mean = self.add_weight(shape=(), name="mean", initializer="zeros")
        self.built = True

    def columns_read(self, names, method):
        return ["minutes"]

    def call(self, inputs):
        return inputs["minutes"]

    def compute_losses(self, batch, training):
        assert set(batch.features) == {"minutes"}
        return {"loss": tf.reduce_mean((batch.features["minutes"] - self.mean) ** 2)}


def test_a_model_of_ones_own_says_what_it_reads():
    model = Mean()
    model.compile(keras.optimizers.SGD(0.5))
    data = {**UNREAD, "minutes": [12.0, 36.0] * 3}  # sixths of them add up exactly, in any order
    model.fit(data, verbose=0)
    assert float(model.mean.value) == 24
    assert model.evaluate(data, verbose=0, return_dict=True)["loss"] == 144
    assert model.predict(data, verbose=0).tolist() == data["minutes"]
    with pytest.raises(ColumnError, match=r"Mean.fit: there is no column 'minutes'; the columns are 'when'"):
        model.fit(UNREAD, verbose=0)


@rl.serializable
class Rated(rl.RetrievalModel):
    def compute_losses(self, batch, training):
        losses = super().compute_losses(batch, training)
        return {name: loss + tf.reduce_mean(batch.features["rating"]) for name, loss in losses.items()}


def test_a_retrieval_model_that_computes_something_else_reads_all():
    model = Rated(rl.IdTower(USERS, 2, feature="user_id"), rl.IdTower(RECIPES, 2), {"recipe_id": RECIPES})
    model.compile("sgd")
    model.fit({**READ, "rating": [1.0] * ROWS}, verbose=0)
    with pytest.raises(ArgumentTypeError, match="column 'when'"):
        model.fit({**READ, "when": UNREAD["when"]}, verbose=0)
