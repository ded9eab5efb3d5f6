"""Reported losses are per row, over all rows of an epoch, so that they compare across batch sizes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.training.batch import Batch
from reciperec_layers.training.loss_means import LossMeans
from tests.models.conftest import RECIPES, USERS, rows_of
from tests.models.oracle import in_batch_loss

HOW = pytest.mark.parametrize("how", [{}, {"run_eagerly": True}, {"steps_per_execution": 3}], ids=str)


def losses_of_batches(model, pairs, batch_size, weights=None):
    """The sum over the rows of each batch, and their numbers, in NumPy."""
    candidate_table, query_table = (table.astype(np.float64) for table in model.get_weights())
    rows = rows_of(USERS, pairs["user_id"]), rows_of(RECIPES, pairs["recipe_id"])
    weights = np.ones(len(rows[0])) if weights is None else weights
    parts = [slice(start, start + batch_size) for start in range(0, len(rows[0]), batch_size)]
    sums = [in_batch_loss(query_table[rows[0][at]], candidate_table[rows[1][at]], weights[at])[0] for at in parts]
    return np.array(sums), np.array([len(rows[0][at]) for at in parts])


@HOW
@pytest.mark.parametrize("weighted", [False, True])
def test_a_sum_is_divided_by_the_rows(make_model, pairs, how, weighted):
    model = make_model(optimizer=keras.optimizers.SGD(0.0), **how)
    weights = np.linspace(0, 2, 23) if weighted else None
    sums, _ = losses_of_batches(model, pairs, 5, weights)
    options = {"batch_size": 5, "sample_weight": weights, "verbose": 0}
    found = [model.fit(pairs, shuffle=False, **options).history["loss"][0]]
    found += [model.evaluate(pairs, return_dict=True, **options)["loss"]]
    assert found == pytest.approx([sums.sum() / 23] * 2, rel=1e-5)  # by the rows, as Keras, not by their weights


@HOW
def test_the_mean_of_a_smaller_batch_counts_by_its_rows(make_model, pairs, how):
    loss = rl.InBatchSoftmax(reduction="mean")
    model = make_model(optimizer=keras.optimizers.SGD(0.0), loss=loss, **how)
    sums, sizes = losses_of_batches(model, pairs, 5)
    assert sizes.tolist() == [5, 5, 5, 5, 3]
    found = [
        model.fit(pairs, batch_size=5, shuffle=False, verbose=0).history["loss"][0],
        model.evaluate(pairs, batch_size=5, return_dict=True, verbose=0)["loss"],
    ]
    assert found == pytest.approx([sums.sum() / 23] * 2, rel=1e-5)


def test_gradients_are_those_of_the_sum(make_model, pairs):
    models = {reduction: make_model(loss=rl.InBatchSoftmax(reduction=reduction)) for reduction in ("sum", "mean")}
    before = models["sum"].get_weights()
    for model in models.values():
        model.fit(pairs, batch_size=23, verbose=0)
    for start, by_sum, by_mean in zip(before, *(model.get_weights() for model in models.values()), strict=True):
        np.testing.assert_allclose(by_sum - start, 23 * (by_mean - start), rtol=1e-3, atol=1e-5)


def test_losses_compare_across_batch_sizes(pairs):
    """Without differences between candidates each row's loss is the log of its batch's size."""
    model = rl.RetrievalModel(
        rl.IdTower(USERS, 2, feature="user_id", initializer="zeros"), rl.IdTower(RECIPES, 2, feature="recipe_id")
    )
    model.compile("sgd")
    for size in (1, 5, 23):
        found = model.evaluate(pairs, batch_size=size, return_dict=True, verbose=0)["loss"]
        expected = sum(min(size, 23 - start) * np.log(min(size, 23 - start)) for start in range(0, 23, size)) / 23
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_regularization_is_in_the_same_unit(reduction, pairs):
    model = rl.RetrievalModel(
        rl.IdTower(USERS, 2, feature="user_id", regularizer=keras.regularizers.L2(0.5), seed=1),
        rl.IdTower(RECIPES, 2, feature="recipe_id", seed=2),
    )
    model.compile(keras.optimizers.SGD(0.0), rl.InBatchSoftmax(reduction=reduction))
    table = model.query_tower.get_weights()[0]
    rows = rows_of(USERS, pairs["user_id"])
    penalties = [0.5 * np.square(table[np.unique(rows[at : at + 9])]).sum() for at in (0, 9, 18)]
    divided = sum(penalties) / 23 if reduction == "sum" else np.average(penalties, weights=[9, 9, 5])
    found = model.fit(pairs, batch_size=9, shuffle=False, verbose=0).history
    assert found["regularization_loss"] == pytest.approx([divided], rel=1e-5)
    assert found["total_loss"][0] == pytest.approx(found["loss"][0] + divided, rel=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_rows_without_a_loss_do_not_count(make_model, pairs, reduction):
    model = make_model(loss=rl.InBatchSoftmax(reduction=reduction))
    known = {name: column[:9] for name, column in pairs.items()}
    mixed = {name: np.concatenate([column[:9], column[:4]]) for name, column in pairs.items()}
    mixed["recipe_id"][9:] = "unheard of"
    sums, _ = losses_of_batches(model, known, 9)
    found = model.evaluate(mixed, batch_size=13, unknown_candidates="miss", return_dict=True, verbose=0)
    assert found["loss"] == pytest.approx(sums[0] / 9, rel=1e-5)


def test_a_strategy_counts_the_rows_of_all_replicas(pairs):
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        model = rl.RetrievalModel(
            rl.IdTower(USERS, 2, feature="user_id", seed=1), rl.IdTower(RECIPES, 2, feature="recipe_id", seed=2)
        )
        model.compile(keras.optimizers.SGD(0.0))
    sums, _ = losses_of_batches(model, pairs, 5)
    assert model.fit(pairs, batch_size=5, shuffle=False, verbose=0).history["loss"] == pytest.approx(
        [sums.sum() / 23], rel=1e-5
    )


def test_a_layer_that_says_nothing_sums(make_model, pairs):
    class Plain(keras.layers.Layer):
        def call(self, query_embeddings, candidate_embeddings, **unused):
            return tf.reduce_sum(query_embeddings * candidate_embeddings)

    model = make_model(loss=Plain())
    candidate_table, query_table = model.get_weights()
    rows = rows_of(USERS, pairs["user_id"]), rows_of(RECIPES, pairs["recipe_id"])
    expected = (query_table[rows[0]] * candidate_table[rows[1]]).sum() / 23
    assert model.evaluate(pairs, batch_size=5, return_dict=True, verbose=0)["loss"] == pytest.approx(expected, rel=1e-5)


def test_rows_are_counted_in_columns_of_all_kinds():
    ragged = tf.ragged.constant([[1], [], [2, 3]])
    columns = [tf.zeros((3, 2)), ragged, tf.sparse.from_dense(tf.eye(3)), tf.constant(["a", "b", "c"])]
    for column in columns:
        assert float(Batch({"column": column}).loss_rows()) == 3
        counted = tf.function(lambda each: Batch({"column": each}).loss_rows())
        spec = tf.type_spec_from_value(column)
        if isinstance(spec, tf.TensorSpec):
            spec = tf.TensorSpec([None, *column.shape[1:]], column.dtype)
        elif isinstance(spec, tf.SparseTensorSpec):
            spec = tf.SparseTensorSpec([None, None], column.dtype)
        assert float(counted.get_concrete_function(spec)(column)) == 3


def test_epochs_of_many_rows_are_counted():
    """float32 counts no further than 2 ** 24 one by one."""
    means = LossMeans()
    means.update({"loss": 2.0**25}, 2.0**25, are_sums=True)
    for _ in range(3):
        means.update({"loss": 0.0}, 1.0, are_sums=True)
    assert means._sums.numpy().tolist() == [2.0**25, 2.0**25 + 3]
