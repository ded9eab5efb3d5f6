"""A loss that is not finite: training stops before the step, and says what it knows."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, DivergedError
from tests.models.conftest import RECIPES, USERS, rows_of
from tests.models.oracle import sgd_epoch

NAN = np.float32("nan")
HOW = {
    "graph": {},
    "eager": {"run_eagerly": True},
    "several steps": {"steps_per_execution": 3},
}


def weights_with_one_bad(value=NAN, row=16):
    weights = np.ones(23, np.float32)
    weights[row] = value  # 16 is in the fourth batch of five rows
    return weights


def state(model):
    return [np.array(each) for each in (*model.get_weights(), *(each.numpy() for each in model.optimizer.variables))]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("value", [NAN, np.float32("inf")])
def test_the_step_that_diverges_changes_nothing(make_model, pairs, how, value):
    """Three steps of the textbook are left; slots and iterations are those after them."""
    model = make_model(**HOW[how])
    candidate_table, query_table = (table.astype(np.float64) for table in model.get_weights())
    rows = rows_of(USERS, pairs["user_id"])[:15], rows_of(RECIPES, pairs["recipe_id"])[:15]
    sgd_epoch(query_table, candidate_table, *rows, np.ones(15), 5, learning_rate=0.1)

    with pytest.raises(DivergedError, match=r"1 of 5 rows of `sample_weight`\. Replace these values") as caught:
        model.fit(pairs, sample_weight=weights_with_one_bad(value), batch_size=5, shuffle=False, verbose=0)

    where = "became not finite in the steps 4 to 6" if how == "several steps" else "is not finite at step 4"
    assert str(caught.value).startswith(f"RetrievalModel.fit: the loss {where} of epoch 1. Received: total_loss=")
    for after, expected in zip(model.get_weights(), (candidate_table, query_table), strict=True):
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)
    assert int(model.optimizer.iterations.numpy()) == 3
    assert np.isfinite(model.recommend({"user_id": USERS}, 3)[0]).all()
    assert np.isfinite(model.fit(pairs, verbose=0).history["total_loss"]).all()


@pytest.mark.parametrize("optimizer", [rl.optimizers.Adam, rl.optimizers.Adagrad, keras.optimizers.Adam])
def test_slots_stay_as_they_were(make_model, pairs, optimizer):
    model = make_model(optimizer=optimizer(0.1))
    model.fit(pairs, batch_size=23, verbose=0)
    before = state(model)
    with pytest.raises(DivergedError, match="at step 1 of epoch 1"):
        model.fit(pairs, sample_weight=weights_with_one_bad(), batch_size=23, verbose=0)
    for after, expected in zip(state(model), before, strict=True):
        np.testing.assert_array_equal(after, expected)


@pytest.mark.parametrize("how", ["graph", "eager"])
def test_one_batch_by_hand(make_model, pairs, how):
    model = make_model(**HOW[how])
    before = model.get_weights()
    with pytest.raises(DivergedError, match=r"^RetrievalModel: the loss is not finite. Received: total_loss=nan. Not "):
        model.train_on_batch(
            {name: tf.constant(column) for name, column in pairs.items()},
            np.zeros(23),
            sample_weight=weights_with_one_bad(),
        )
    for after, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(after, expected)


def test_a_strategy_keeps_the_weights(pairs):
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        model = rl.RetrievalModel(
            rl.IdTower(USERS, 2, feature="user_id", seed=1), rl.IdTower(RECIPES, 2, feature="recipe_id", seed=2)
        )
        model.compile(rl.optimizers.Adagrad(0.1))
    model.fit(pairs, batch_size=23, verbose=0)
    before = state(model)
    with pytest.raises(DivergedError, match="at step 1 of epoch 1"):
        model.fit(pairs, sample_weight=weights_with_one_bad(), batch_size=23, verbose=0)
    for after, expected in zip(state(model), before, strict=True):
        np.testing.assert_array_equal(after, expected)


@pytest.mark.parametrize("wrap", [rl.optimizers.LossScaleOptimizer, keras.optimizers.LossScaleOptimizer])
def test_a_scaled_gradient_that_overflows_is_no_divergence(pairs, wrap):
    optimizer = wrap(rl.optimizers.Adagrad(0.1), initial_scale=2.0**126)
    towers = [
        rl.MLPTower(ids, 2, feature=name, dtype="mixed_float16", seed=1)
        for name, ids in (("user_id", USERS), ("recipe_id", RECIPES))
    ]
    model = rl.RetrievalModel(*towers, {"recipe_id": RECIPES})
    model.compile(optimizer)
    before = model.get_weights()
    history = model.fit(pairs, batch_size=23, verbose=0).history
    assert np.isfinite(history["total_loss"]).all()
    assert float(optimizer.dynamic_scale.numpy()) == 2.0**125  # the step was skipped
    for after, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(after, expected)
    with pytest.raises(DivergedError, match="1 of 23 rows of `sample_weight`"):
        model.fit(pairs, sample_weight=weights_with_one_bad(), batch_size=23, verbose=0)
    assert float(optimizer.dynamic_scale.numpy()) == 2.0**125


def feature_model(columns, candidates=None, **options):
    """A model whose query tower reads a float column, with batch statistics."""
    inputs = {name: keras.Input(shape, name=name) for name, shape in columns.items()}
    ids = keras.Input((), dtype="int64", name="user_id")
    flat = [keras.layers.Flatten()(each) for each in inputs.values()]
    joined = keras.layers.Concatenate()([rl.IdTower(USERS, 2, seed=1)(ids), *flat])
    query = keras.Model({"user_id": ids, **inputs}, keras.layers.Dense(2)(keras.layers.BatchNormalization()(joined)))
    model = rl.RetrievalModel(query, rl.IdTower(RECIPES, 2, feature="recipe_id", seed=2), candidates)
    model.compile("adam", **options)
    return model


@pytest.mark.parametrize("how", HOW)
def test_the_columns_that_are_not_finite_are_named(pairs, how):
    hour, place = np.zeros((23, 1), np.float32), np.zeros((23, 2), np.float32)
    hour[[3, 7]], place[[4, 5, 6], 1], place[4, 0] = NAN, np.inf, NAN
    model = feature_model({"hour": (1,), "place": (2,)}, **HOW[how])
    before = model.get_weights()
    batch = {**pairs, "hour": hour, "place": place, "unused": np.zeros(23, np.float32)}
    with pytest.raises(DivergedError) as caught:
        model.fit(batch, batch_size=23, verbose=0)
    found = "Not finite: 2 of 23 rows of the column 'hour', 3 of 23 rows of the column 'place'. Replace these values"
    assert found in str(caught.value)
    for after, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(after, expected)  # also those of the batch statistics


def test_columns_that_come_from_the_corpus_are_named_too(pairs):
    inputs = {
        "recipe_id": keras.Input((), dtype="string", name="recipe_id"),
        "minutes": keras.Input((), name="minutes"),
    }
    minutes = keras.layers.Reshape((1,))(inputs["minutes"])
    joined = keras.layers.Concatenate()([rl.IdTower(RECIPES, 2, seed=2)(inputs["recipe_id"]), minutes])
    candidate = keras.Model(inputs, keras.layers.Dense(2)(joined))
    corpus = {"recipe_id": RECIPES, "minutes": np.float32([NAN, 1, 1, 1, 1])}
    model = rl.RetrievalModel(rl.IdTower(USERS, 2, feature="user_id"), candidate, corpus, "recipe_id")
    model.compile("sgd")
    count = int((pairs["recipe_id"] == RECIPES[0]).sum())
    with pytest.raises(DivergedError, match=rf"Not finite: {count} of 23 rows of the column 'minutes'\."):
        model.fit(pairs, batch_size=23, verbose=0)


def test_without_a_bad_value_the_rate_is_blamed(make_model, pairs):
    model = make_model(optimizer=keras.optimizers.SGD(1e30))
    with pytest.raises(DivergedError, match=r"not finite at step \d of epoch 1. Received: total_loss=\S+ Try a lower"):
        model.fit({**pairs, "minutes": np.ones(23)}, batch_size=5, verbose=0)


def test_ragged_and_sparse_columns(pairs):
    class Bag(rl.towers.Tower):
        def __init__(self):
            super().__init__(2, features=["minutes", "share"])
            self.built = True

        def call(self, inputs, training=None):
            sums = tf.reduce_sum(inputs["minutes"], axis=1) + tf.sparse.reduce_sum(inputs["share"], axis=1)
            return tf.ensure_shape(tf.stack([sums, sums], axis=1), [None, 2])

    model = rl.RetrievalModel(Bag(), rl.IdTower([7, 9], 2, feature="recipe_id"))
    model.compile("sgd")
    batch = {
        "minutes": tf.ragged.constant([[1.0, NAN, NAN], [], [np.inf]], dtype=tf.float32),
        "share": tf.sparse.SparseTensor([[0, 1], [0, 2], [2, 0]], [NAN, NAN, np.float32(1)], [3, 4]),
        "recipe_id": tf.constant([7, 9, 7]),
    }
    found = "Not finite: 2 of 3 rows of the column 'minutes', 1 of 3 rows of the column 'share'"
    with pytest.raises(DivergedError, match=found):
        model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)


@pytest.mark.parametrize("eagerly", [False, True])
def test_an_evaluation_refuses_weights_that_are_not_finite(make_model, pairs, eagerly):
    model = make_model()
    model.compile(run_eagerly=eagerly)
    with pytest.raises(ArgumentError, match=r"RetrievalModel: 1 of 5 rows of `sample_weight` are not finite\. Replace"):
        model.evaluate(pairs, sample_weight=weights_with_one_bad(), batch_size=5, verbose=0)
