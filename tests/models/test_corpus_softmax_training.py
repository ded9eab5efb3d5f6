"""Training with the softmax over the corpus: a step of the oracle, queries computed once, files, what is refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, UnknownIdError
from tests.losses import oracle
from tests.models.conftest import RECIPES, USERS, rows_of


@pytest.mark.parametrize("top_k", [None, 2])
@pytest.mark.parametrize("by", [None, "query"])
def test_a_step_is_that_of_the_oracle(make_model, pairs, by, top_k):
    model = make_model(loss=rl.losses.CorpusSoftmax(2.0, 1.5, top_k=top_k))
    candidate_table, query_table = [weights.astype(np.float64) for weights in model.get_weights()]
    query_rows, candidate_rows = rows_of(USERS, pairs["user_id"]), rows_of(RECIPES, pairs["recipe_id"])
    tables, rows = (query_table, candidate_table[1:]), (candidate_rows - 1, query_rows)
    weights = None if top_k is None else oracle.top_k_weights(*tables, *rows, top_k, 0.25)
    losses, by_queries, by_corpus = oracle.corpus_softmax(*tables, *rows, 2.0, 1.5, weights)
    query_table -= 0.1 * by_queries
    candidate_table[1:] -= 0.1 * by_corpus

    history = model.fit(model.batches(pairs, 23, by=by), verbose=0)

    assert history.history["loss"][0] == pytest.approx(losses.mean(), rel=1e-5)
    for after, expected in zip(model.get_weights(), (candidate_table, query_table), strict=True):
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)


def test_each_query_of_a_batch_is_computed_once(pairs):
    class Counting(rl.IdTower):
        num_rows: tuple = ()

        def call(self, inputs, training=None):
            type(self).num_rows += (inputs.shape[0],)
            return super().call(inputs, training=training)

    towers = Counting(USERS, 2, feature="user_id", dropout=0.2, seed=1), rl.IdTower(RECIPES, 2, feature="recipe_id")
    model = rl.RetrievalModel(*towers, {"recipe_id": RECIPES}, "recipe_id")
    model.compile(keras.optimizers.SGD(0.1), rl.losses.CorpusSoftmax(), run_eagerly=True)
    Counting.num_rows = ()
    model.fit(pairs, batch_size=23, verbose=0)
    assert Counting.num_rows == (len(np.unique(pairs["user_id"])),)


@pytest.mark.parametrize("weights", [None, np.arange(23) / 10], ids=["plain", "weighted"])
def test_columns_are_taken_by_query(make_model, pairs, weights):
    sizes = []

    class Sizes(rl.losses.CorpusSoftmax):
        def call(self, query_embeddings, *args, **arguments):
            sizes.append(len(query_embeddings))
            return super().call(query_embeddings, *args, **arguments)

    model = make_model(loss=Sizes(), run_eagerly=True)
    model.fit(pairs, batch_size=2, sample_weight=weights, epochs=2, verbose=0)
    num_queries = len(np.unique(pairs["user_id"]))
    assert sizes == [2, 2, 1] * 2
    assert num_queries == 5
    keras.utils.set_random_seed(3)
    one = make_model(loss=rl.losses.CorpusSoftmax())
    one.fit(pairs, batch_size=2, sample_weight=weights, epochs=2, verbose=0)
    keras.utils.set_random_seed(3)
    other = make_model(loss=rl.losses.CorpusSoftmax())
    other.fit(pairs, batch_size=2, sample_weight=weights, epochs=2, verbose=0)
    for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_queries_that_several_columns_tell_apart_are_not_taken_for_one(pairs):
    times = np.arange(23) * 10**9
    model = rl.RetrievalModel.from_data({**pairs, "timestamp": times}, {"recipe_id": RECIPES}, time="timestamp", seed=1)
    model.compile(keras.optimizers.SGD(0.0), rl.losses.CorpusSoftmax())
    rows = {**pairs, "timestamp": times}
    alone = [
        model.evaluate({name: column[[row]] for name, column in rows.items()}, verbose=0, return_dict=True)["loss"]
        for row in range(3)
    ]
    three = {name: column[:3] for name, column in rows.items()}
    assert model.evaluate(three, verbose=0, return_dict=True)["loss"] == pytest.approx(np.mean(alone), rel=1e-5)


def test_weights_count_rows(make_model, pairs):
    loss = rl.losses.CorpusSoftmax()
    weights = np.random.default_rng(2).integers(0, 3, 23)
    repeated = {name: np.repeat(column, weights) for name, column in pairs.items()}
    weighted, twice = make_model(loss=loss), make_model(loss=loss)
    weighted.fit(pairs, sample_weight=weights, batch_size=23, verbose=0)
    twice.fit(repeated, batch_size=int(weights.sum()), verbose=0)
    for one, other in zip(weighted.get_weights(), twice.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_candidates_that_come_and_go_take_part(make_model, pairs):
    model = make_model(loss=rl.losses.CorpusSoftmax())
    model.fit(pairs, batch_size=23, verbose=0)
    model.remove_candidates(["cake"])
    with pytest.raises(UnknownIdError, match="not in the corpus.*cake"):
        model.fit(pairs, batch_size=23, verbose=0)
    before = model.get_weights()[0]
    kept = {name: column[pairs["recipe_id"] != "cake"] for name, column in pairs.items()}
    model.fit(kept, batch_size=23, verbose=0)
    changed = (model.get_weights()[0] != before).any(axis=1)
    assert changed.tolist() == [False, *(recipe != "cake" for recipe in RECIPES)]


def test_a_loaded_model_goes_on_as_the_saved_one(make_model, pairs, tmp_path):
    model = make_model(loss=rl.losses.CorpusSoftmax(0.5, 1.1))
    model.fit(pairs, batch_size=8, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.fit(pairs, batch_size=8, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_learns_what_is_together():
    users, recipes = np.repeat(np.arange(20), 4), np.tile(np.arange(4), 20) + np.repeat(np.arange(20) % 2, 4) * 4
    towers = (
        rl.IdTower(np.arange(20), 8, feature="user_id", normalize=True, dropout=0.2, seed=1),
        rl.IdTower(np.arange(8), 8, feature="recipe_id", normalize=True, seed=2),
    )
    model = rl.RetrievalModel(*towers, {"recipe_id": np.arange(8)}, "recipe_id")
    model.compile(rl.optimizers.Adam(0.05), rl.losses.CorpusSoftmax(0.1, 1.2))
    rows = {"user_id": users, "recipe_id": recipes}
    model.fit(model.batches(rows, 8, seed=1, by="query"), epochs=20, verbose=0)
    _, ids = model.recommend({"user_id": [0, 1]}, k=4)
    assert set(ids[0]) == {0, 1, 2, 3}
    assert set(ids[1]) == {4, 5, 6, 7}


def test_needs_the_corpus():
    model = rl.RetrievalModel(
        rl.IdTower(USERS, 2, feature="user_id"), rl.IdTower(RECIPES, 2, feature="recipe_id"), None, "recipe_id"
    )
    with pytest.raises(ArgumentError, match="compares with the whole corpus, and the model has no candidates"):
        model.compile(loss=rl.losses.CorpusSoftmax())


def test_refuses_rows_by_something_else(make_model, pairs):
    with pytest.raises(ArgumentError, match='`by` must be None or "query"'):
        make_model().batches(pairs, 8, by="user_id")


def test_a_sample_as_large_as_the_corpus_is_the_corpus(make_model, pairs):
    models = [make_model(loss=rl.losses.CorpusSoftmax(2.0, 1.5, num_sampled=each)) for each in (None, len(RECIPES))]
    for model in models:
        model.fit(model.batches(pairs, 23, by="query"), verbose=0)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_with_a_sample_a_step_reads_no_other_candidates_and_evaluation_reads_all(pairs):
    num_rows = []

    class Counting(rl.IdTower):
        def call(self, inputs, training=None):
            num_rows.append(tf.shape(inputs)[0])
            return super().call(inputs, training=training)

    recipes = np.arange(100)
    towers = rl.IdTower(USERS, 2, feature="user_id"), Counting(recipes, 2, feature="recipe_id")
    model = rl.RetrievalModel(*towers, {"recipe_id": recipes}, "recipe_id")
    rows = {"user_id": pairs["user_id"], "recipe_id": np.arange(23) % 7}
    model.compile(keras.optimizers.SGD(0.1), rl.losses.CorpusSoftmax(num_sampled=10), metrics=[], run_eagerly=True)
    num_rows.clear()
    model.fit(rows, batch_size=64, verbose=0)
    assert [int(each) for each in num_rows] == [7 + 10]
    exact = make_exact(model)
    assert model.evaluate(rows, verbose=0, return_dict=True)["loss"] == pytest.approx(exact(rows), rel=1e-5)


def make_exact(model):
    """Returns the mean loss over the whole corpus, by NumPy."""

    def mean_loss(rows):
        queries, corpus = model.predict({"user_id": rows["user_id"]}, verbose=0), model.candidate_embeddings()
        losses, *_ = oracle.corpus_softmax(queries, corpus.to_numpy(), rows["recipe_id"], np.arange(len(queries)))
        return losses.mean()

    return mean_loss


@pytest.mark.saving
def test_draws_go_on_in_a_file(pairs, tmp_path):
    def new():
        towers = rl.IdTower(USERS, 2, feature="user_id", seed=1), rl.IdTower(range(50), 2, feature="recipe_id", seed=2)
        model = rl.RetrievalModel(*towers, {"recipe_id": np.arange(50)}, "recipe_id", seed=3)
        model.compile(rl.optimizers.Adam(0.1), rl.losses.CorpusSoftmax(num_sampled=4, seed=5))
        return model

    rows = {"user_id": pairs["user_id"], "recipe_id": np.arange(23) % 9}
    unbroken, first = new(), new()
    unbroken.fit(rows, batch_size=2, epochs=2, verbose=0)
    first.fit(rows, batch_size=2, epochs=1, verbose=0)
    first.save(tmp_path / "first.keras")
    resumed = keras.models.load_model(tmp_path / "first.keras")
    resumed.fit(rows, batch_size=2, initial_epoch=1, epochs=2, verbose=0)
    for one, other in zip(unbroken.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
