"""Evaluation query by query: all held-out candidates of a query together, compared with plain definitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError
from reciperec_layers.metrics import AUC, MAP, MRR, NDCG, HitRate, Precision, Recall, TopKAccuracy
from tests.metrics import oracle
from tests.models.conftest import RECIPES, USERS, rows_of

DEFINITIONS = {
    "recall@2": lambda *query: oracle.recall(*query, 2),
    "precision@2": lambda *query: oracle.precision(*query, 2),
    "hit_rate@2": lambda *query: oracle.hit_rate(*query, 2),
    "ndcg@2": lambda *query: oracle.ndcg(*query, 2),
    "map": oracle.average_precision,
    "mrr": oracle.mrr,
    "auc": oracle.auc,
}
SEEN = {"user_id": [11, 11, 12, 99], "recipe_id": ["soup", "pie", "cake", "stew"]}


def metrics():
    return [Recall(2), Precision(2), HitRate(2), NDCG(2), MAP(), MRR(), AUC(), TopKAccuracy(1)]


@pytest.fixture(scope="module")
def model():
    made = rl.RetrievalModel(
        rl.IdTower(USERS, 3, feature="user_id"), rl.IdTower(RECIPES, 3, feature="recipe_id"), {"recipe_id": RECIPES}
    )
    rng = np.random.default_rng(1)
    made.set_weights([rng.integers(-1, 2, weights.shape) for weights in made.get_weights()])  # so that there are ties
    made.compile("sgd", metrics=metrics())
    return made


def held_out_pairs(seed, size=23):
    """No pair twice: what is held out of a query is a set."""
    rng = np.random.default_rng(seed)
    pairs = [(user, recipe) for user in [*USERS, 99] for recipe in RECIPES]
    chosen = rng.permutation(len(pairs))[:size]
    return {
        "user_id": np.array([pairs[row][0] for row in chosen]),
        "recipe_id": np.array([pairs[row][1] for row in chosen], object),
    }


def expected(model, pairs, seen=None):
    candidate_table, query_table = model.get_weights()
    values = {name: [] for name in DEFINITIONS}
    recipes = rows_of(RECIPES, pairs["recipe_id"]) - 1
    for user in np.unique(pairs["user_id"]):
        scores = candidate_table[1:] @ query_table[rows_of(USERS, np.array([user]))[0]]
        had = (
            {}
            if seen is None
            else {RECIPES.tolist().index(r) for u, r in zip(*seen.values(), strict=True) if u == user}
        )
        ranking = [row for row in oracle.best_first(scores.tolist()) if row not in had]
        held_out = set(recipes[pairs["user_id"] == user].tolist())
        for name, definition in DEFINITIONS.items():
            values[name].append(definition(ranking, held_out))
    return {name: np.mean(each) for name, each in values.items()}


@settings(max_examples=15)
@given(st.integers(0, 2**16), st.integers(1, 23), st.booleans())
def test_every_metric_is_its_definition_however_data_are_cut(model, seed, batch_size, leave_out):
    pairs = held_out_pairs(seed)
    exclude = rl.data.seen(pd.DataFrame(SEEN), "user_id", "recipe_id") if leave_out else None
    batches = rl.data.batches(pairs, batch_size)
    result = model.evaluate(batches, exclude=exclude, return_dict=True, verbose=0)
    for name, value in expected(model, pairs, SEEN if leave_out else None).items():
        assert result[name] == pytest.approx(value, abs=1e-9), name


def test_the_list_that_evaluate_returns_has_them_too(model):
    pairs = held_out_pairs(3)
    batches = rl.data.batches(pairs, 5)
    values = model.evaluate(batches, verbose=0)
    names = [metric.name for metric in model.metrics]
    assert names[3:] == [*DEFINITIONS, metrics()[-1].name]
    assert dict(zip(names, values, strict=True)) == pytest.approx(model.evaluate(batches, return_dict=True, verbose=0))


def test_validation_in_fit_has_them(model):
    pairs = held_out_pairs(4)
    clone = rl.RetrievalModel(model.query_tower, model.candidate_tower, {"recipe_id": RECIPES})
    clone.compile("sgd", metrics=metrics())
    batches = rl.data.batches(pairs, 7)
    before = model.get_weights()
    history = clone.fit(batches, epochs=2, verbose=0, validation_data=batches).history
    result = clone.evaluate(batches, return_dict=True, verbose=0)
    for name in DEFINITIONS:
        assert history[f"val_{name}"][-1] == pytest.approx(result[name]), name
    model.set_weights(before)


def test_a_weight_of_a_query_is_the_mean_of_its_pairs(model):
    pairs = held_out_pairs(5, 12)
    weights = np.arange(12) + 1.0
    columns = {name: tf.constant(column) for name, column in pairs.items()}
    dataset = tf.data.Dataset.from_tensor_slices((columns, tf.zeros(12), weights)).batch(5)
    result = model.evaluate(dataset, return_dict=True, verbose=0)["recall@2"]
    users = np.unique(pairs["user_id"])
    of_user = [
        expected(model, {name: column[pairs["user_id"] == user] for name, column in pairs.items()})["recall@2"]
        for user in users
    ]
    assert result == pytest.approx(np.average(of_user, weights=[weights[pairs["user_id"] == u].mean() for u in users]))


def test_a_single_batch(model):
    pairs = held_out_pairs(6)
    columns = {name: tf.constant(column) for name, column in pairs.items()}
    model.reset_metrics()
    logs = model.test_on_batch(columns, return_dict=True)
    assert logs["recall@2"] == pytest.approx(expected(model, pairs)["recall@2"])
    model.reset_metrics()
    assert model.test_on_batch(columns) == pytest.approx(list(logs.values()))


def test_it_must_be_known_what_a_query_is():
    class Two(rl.towers.Tower):
        def call(self, inputs, training=None):
            return tf.zeros((tf.shape(inputs["a"])[0], self.embedding_dim))

    arguments = Two(2, ["a", "b"]), rl.IdTower(RECIPES, 2, feature="recipe_id"), {"recipe_id": RECIPES}
    with pytest.raises(ArgumentError, match="'recall@2' is per query.*query_id="):
        rl.RetrievalModel(*arguments).compile(metrics=[Recall(2)])
    rl.RetrievalModel(*arguments).compile(metrics=[Recall(2, per="row")])
    rl.RetrievalModel(*arguments, query_id="a").compile(metrics=[Recall(2)])


def test_many_queries_of_all_sizes_are_all_there():
    from reciperec_layers.candidates.ranks_by_query import RanksByQuery

    rng = np.random.default_rng(0)
    queries = rng.zipf(1.3, 9000) % 500
    ranks = rng.integers(1, 99, 9000)
    log = RanksByQuery()
    for rows in np.array_split(np.arange(9000), 7):
        log.append(*(tf.constant(each[rows]) for each in (queries, ranks, ranks / 2.0, queries + 1)))
    found = {}
    for held_out in log.by_query():
        for row, weight, size in zip(held_out.ranks, held_out.weights, held_out.num_candidates, strict=True):
            found[int(size) - 1] = (sorted(row[row > 0].tolist()), weight)
    assert found.keys() == set(queries.tolist())
    for query, (of_query, weight) in found.items():
        assert of_query == sorted(ranks[queries == query].tolist())
        assert weight == pytest.approx(ranks[queries == query].mean() / 2)
    log.clear()
    assert list(log.by_query()) == []
