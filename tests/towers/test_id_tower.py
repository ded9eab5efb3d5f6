"""IdTower: raw ids to rows of one table, whatever holds the ids."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ColumnError, IdError, UnknownIdError
from reciperec_layers.testing import id_batches, ragged_ids, vocabularies

DIM = 3


@settings(max_examples=40)
@given(st.data(), vocabularies(), st.integers(1, 3))
def test_an_embedding_is_the_row_of_the_table(data: Any, vocabulary: rl.Vocabulary, num_oov_indices: int):
    tower = rl.IdTower(vocabulary, DIM, num_oov_indices=num_oov_indices)
    (table,) = tower.get_weights()
    assert table.shape == (num_oov_indices + len(vocabulary), DIM)
    batch = data.draw(id_batches(vocabulary, min_rank=0))
    rows = tower.lookup(batch)
    assert ((rows >= 0) & (rows < len(table))).all()
    embeddings = tower(batch)
    assert embeddings.shape == (*batch.shape, DIM)
    np.testing.assert_array_equal(embeddings.numpy(), table[rows])
    row_of = {item: num_oov_indices + index for index, item in enumerate(vocabulary.ids.tolist())}
    for item, row in zip(batch.ravel().tolist(), rows.ravel().tolist(), strict=True):
        assert row == row_of.get(item, row)
        assert (item in row_of) == (row >= num_oov_indices)


@settings(max_examples=25)
@given(st.data(), vocabularies())
def test_ragged_ids(data: Any, vocabulary: rl.Vocabulary):
    batch = data.draw(ragged_ids(vocabulary))
    tower = rl.IdTower(vocabulary, DIM, normalize=True)
    embeddings = tower(batch)
    assert embeddings.shape.as_list() == [int(batch.nrows()), None, DIM]
    np.testing.assert_array_equal(embeddings.flat_values.numpy(), tower(batch.flat_values).numpy())


def test_a_row_does_not_depend_on_its_neighbours():
    tower = rl.IdTower(np.arange(10), DIM, num_oov_indices=3, normalize=True)
    ids = np.array([3, 3, 99, 7])
    together = tower(ids).numpy()
    for row, item in enumerate(ids):
        np.testing.assert_array_equal(tower(np.array([item])).numpy()[0], together[row])


def test_normalized_embeddings_have_length_one_and_the_zero_row_stays():
    tower = rl.IdTower([7, 9], DIM, normalize=True, initializer="ones")
    tower.set_weights([np.array([[0, 0, 0], [3, 4, 0], [1, 1, 1]], dtype=np.float32)])
    embeddings = tower(np.array([5, 7, 9])).numpy()
    np.testing.assert_allclose(embeddings, [[0, 0, 0], [0.6, 0.8, 0], [3**-0.5] * 3], rtol=1e-6)


@pytest.mark.parametrize(
    ("policy", "output"),
    [("float32", "float32"), ("mixed_float16", "float16"), ("mixed_bfloat16", "bfloat16"), ("float64", "float64")],
)
@pytest.mark.parametrize("is_global", [False, True])
def test_dtype_policies(policy: str, output: str, is_global: bool):
    # 2^24 + 1 becomes another id in each of these dtypes but float64.
    before = keras.config.dtype_policy()
    try:
        if is_global:
            keras.config.set_dtype_policy(policy)
        tower = rl.IdTower([2**24, 2**24 + 1], DIM, **({} if is_global else {"dtype": policy}))
        embeddings = tower(np.array([2**24 + 1]))
    finally:
        keras.config.set_dtype_policy(before)
    assert embeddings.dtype.name == output
    expected = tower.get_weights()[0][2]
    np.testing.assert_allclose(tf.cast(embeddings, tf.float64)[0], expected, rtol=1e-2)


def test_id_dropout_trains_the_oov_row():
    tower = rl.IdTower([7, 9], DIM, id_dropout=0.5, seed=1)
    table = tower.get_weights()[0]
    in_training = tower(np.full(1000, 9), training=True).numpy()
    dropped = (in_training == table[0]).all(axis=1)
    assert dropped.mean() == pytest.approx(0.5, abs=0.1)
    np.testing.assert_array_equal(in_training[~dropped], np.broadcast_to(table[2], in_training[~dropped].shape))
    np.testing.assert_array_equal(tower(np.full(5, 9)).numpy(), np.broadcast_to(table[2], (5, DIM)))


@pytest.mark.parametrize("num_oov_indices", [0, 2])
def test_unknown_ids_begin_at_zero(num_oov_indices: int):
    tower = rl.IdTower([7, 9], DIM, num_oov_indices=num_oov_indices, seed=1)
    (table,) = tower.get_weights()
    assert (table[:num_oov_indices] == 0).all()
    assert (table[num_oov_indices:] != 0).all()
    np.testing.assert_array_equal(rl.IdTower.from_config(tower.get_config()).get_weights()[0], table)


def test_an_initializer_that_is_given_sets_all_rows():
    assert (rl.IdTower([7, 9], DIM, initializer="ones").get_weights()[0] == 1).all()


def test_the_zero_row_gets_the_gradient_of_what_was_made_of_it():
    # That of a vector of length 1e-7 would be ten million times as long, and Adam would never move the row again.
    tower = rl.IdTower([7], DIM, normalize=True)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tower(np.array([5])) * [[1.0, 2.0, 3.0]])
    (gradient,) = tape.gradient(value, tower.trainable_variables)
    np.testing.assert_array_equal(tf.convert_to_tensor(gradient).numpy(), [[1, 2, 3], [0, 0, 0]])


def test_dropout_sets_numbers_to_zero_in_training():
    tower = rl.IdTower([7, 9], 1000, dropout=0.25, seed=1)
    row = tower.get_weights()[0][2]
    in_training = tower(np.array([9, 9]), training=True).numpy()
    is_kept = in_training != 0
    assert is_kept.mean() == pytest.approx(0.75, abs=0.05)
    assert (is_kept[0] != is_kept[1]).any()
    np.testing.assert_allclose(in_training, np.where(is_kept, row / 0.75, 0), rtol=1e-5)
    np.testing.assert_array_equal(tower(np.array([9])).numpy()[0], row)
    assert not tower.deterministic
    ragged = tower(tf.ragged.constant([[9], []], dtype=tf.int64), training=True)
    assert (ragged.flat_values.numpy() == 0).any()


def test_dropout_leaves_the_length_at_one():
    tower = rl.IdTower([7, 9], 16, dropout=0.5, normalize=True, seed=1)
    lengths = np.linalg.norm(tower(np.full(20, 9), training=True).numpy(), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    again = rl.IdTower.from_config(tower.get_config())
    assert again.dropout == 0.5


def test_the_regularizer_is_of_the_distinct_rows():
    tower = rl.IdTower([7, 9], DIM, regularizer=keras.regularizers.L2(1.0))
    tower(np.array([9, 9, 9]))
    assert float(tower.losses[0]) == pytest.approx((tower.get_weights()[0][2] ** 2).sum(), rel=1e-5)


def test_the_seed_decides_the_table():
    first, second, other = (rl.IdTower([7, 9], DIM, seed=seed).get_weights()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_columns_by_name():
    tower = rl.IdTower(["a", "b"], DIM, feature="user_id")
    assert tower.features == ("user_id",)
    expected = tower(tf.constant(["b", "x"])).numpy()
    frame = pd.DataFrame({"user_id": ["b", "x"], "when": pd.to_datetime(["2020-01-01"] * 2), "note": [None, "n"]})
    for inputs in (frame, {"user_id": frame["user_id"]}, {"user_id": tf.constant(["b", "x"]), "more": tf.ones(2)}):
        np.testing.assert_array_equal(tower(inputs).numpy(), expected)


def test_models_of_every_kind():
    ids = np.array([2**24, 2**24 + 1, 2**62 + 1])
    tower = rl.IdTower(ids, DIM)
    expected = tower(ids).numpy()
    sequential = keras.Sequential([tower])
    np.testing.assert_array_equal(sequential(ids).numpy(), expected)
    np.testing.assert_array_equal(sequential.predict(ids, verbose=0), expected)
    inputs = keras.Input((), dtype="int64")
    outputs = tower(inputs)
    assert (outputs.shape, outputs.dtype) == ((None, DIM), "float32")
    np.testing.assert_array_equal(keras.Model(inputs, outputs).predict(ids, verbose=0), expected)


def test_from_data_counts_the_column():
    tower = rl.IdTower.from_data({"user_id": [9, 7, 9, 5]}, feature="user_id", embedding_dim=DIM, num_oov_indices=2)
    assert tower.vocabulary.ids.tolist() == [9, 5, 7]
    assert tower.lookup([9, 5, 7]).tolist() == [2, 3, 4]
    assert tower.reverse_lookup([4, 0]).tolist() == [7, -1]
    given_one = rl.IdTower.from_data({"user_id": [9]}, feature="user_id", embedding_dim=DIM, vocabulary=[1, 2])
    assert given_one.vocabulary.ids.tolist() == [1, 2]


TOWER = rl.IdTower([7, 9], DIM, feature="user_id")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rl.IdTower([7], 0), ArgumentError, r"`embedding_dim` must be a positive integer\. .*embedding_dim=0"),
        (lambda: rl.IdTower([7], "32"), ArgumentError, "embedding_dim='32'"),
        (lambda: rl.IdTower([7, 7], DIM), IdError, "1 of 2 ids are repeats: 7"),
        (lambda: rl.IdTower([7.0], DIM), IdError, r"Vocabulary: ids must be integers or text, not floats"),
        (lambda: rl.IdTower(pd.Series(["a", None]), DIM), IdError, "Vocabulary: 1 of 2 ids are missing"),
        (lambda: rl.IdTower([7], DIM, num_oov_indices=0, id_dropout=0.1), ArgumentError, "needs a row for unknown ids"),
        (lambda: TOWER({"recipe_id": np.array([7])}), ColumnError, r"no column 'user_id'; the columns are 'recipe_id'"),
        (lambda: rl.IdTower([7], DIM)({"user_id": np.array([7])}), ColumnError, r"which one it reads.*feature="),
        (lambda: TOWER({"user_id": np.array([7.5])}), IdError, "IdLookup: ids must be integers or text, not floats"),
        (lambda: TOWER(keras.Input(())), IdError, r"must be int64.*float32"),
        (lambda: TOWER([7]), IdError, "`lookup` also accepts a list"),
        (lambda: rl.IdTower([7], DIM, num_oov_indices=0)(np.array([5])), UnknownIdError, "1 of 1 ids are not .*: 5"),
        (lambda: rl.IdTower.from_data({"a": [1]}, feature="b", embedding_dim=2), ColumnError, "no column 'b'"),
    ],
)
def test_bad_input(call: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=message) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1
