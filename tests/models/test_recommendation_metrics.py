"""Metrics of what a model recommends, in `evaluate`, against lists made row by row."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ColumnError, IdError
from reciperec_layers.metrics import MRR, Coverage, MeanPopularity, Recall, TopKAccuracy
from tests.metrics import oracle
from tests.metrics import recommendation_oracle as of_lists
from tests.models.conftest import RECIPES, USERS, rows_of

SEEN = {"user_id": [11, 11, 12, 99], "recipe_id": ["soup", "pie", "cake", "stew"]}
COUNTED = ["pie", "pie", "cake", "pie", "stew", "cake", "tofu"]
COUNTS = [COUNTED.count(recipe) for recipe in RECIPES]
NAMES = ["coverage@1", "coverage@3", "coverage@9", "interactions@2", "popularity_percentile@2"]


def metrics():
    popularity = [MeanPopularity(2, COUNTED), MeanPopularity(2, COUNTED, as_percentile=True)]
    return [TopKAccuracy(1), Coverage(1), Coverage(3), MRR(), Coverage(9), *popularity]


def make_model(given_metrics=None, users=USERS, **options):
    made = rl.RetrievalModel(
        rl.IdTower(users, 3, feature="user_id"), rl.IdTower(RECIPES, 3, feature="recipe_id"), {"recipe_id": RECIPES}
    )
    rng = np.random.default_rng(1)
    made.set_weights([rng.integers(-1, 2, weights.shape) for weights in made.get_weights()])  # so that there are ties
    made.compile("sgd", metrics=metrics() if given_metrics is None else given_metrics, **options)
    return made


@pytest.fixture(scope="module")
def model():
    return make_model()


def lists_of(model, users, seen=None):
    candidate_table, query_table = model.get_weights()
    lists = []
    for user in users:
        scores = candidate_table[1:] @ query_table[rows_of(USERS, np.array([user]))[0]]
        had = set() if seen is None else {r for u, r in zip(*seen.values(), strict=True) if u == user}
        lists.append([row for row in oracle.best_first(scores.tolist()) if RECIPES[row] not in had])
    return lists


def expected(model, users, seen=None, weights=None):
    lists = lists_of(model, users, seen)
    values = [of_lists.coverage(lists, len(RECIPES), k) for k in (1, 3, 9)]
    values += [of_lists.mean_popularity(lists, each, 2, weights) for each in (COUNTS, of_lists.percentiles(COUNTS))]
    return dict(zip(NAMES, values, strict=True))


def drawn_pairs(seed, size):
    rng = np.random.default_rng(seed)
    return {"user_id": rng.choice([*USERS, 99], size), "recipe_id": rng.choice(RECIPES, size)}


def chosen(result):
    return {name: result[name] for name in NAMES}


@settings(max_examples=15)
@given(st.integers(0, 2**16), st.integers(1, 23), st.integers(1, 23), st.booleans())
def test_each_query_counts_once_however_data_are_cut(model, seed, size, batch_size, leave_out):
    pairs = drawn_pairs(seed, size)
    exclude = rl.data.seen(pd.DataFrame(SEEN), "user_id", "recipe_id") if leave_out else None
    result = model.evaluate(rl.data.batches(pairs, batch_size), exclude=exclude, return_dict=True, verbose=0)
    users = np.unique(pairs["user_id"])
    assert chosen(result) == pytest.approx(expected(model, users, SEEN if leave_out else None), abs=1e-12)
    assert 0 <= result["coverage@1"] <= result["coverage@3"] <= result["coverage@9"] <= 1


def test_it_is_what_compare_says(model):
    test, train = pd.DataFrame(drawn_pairs(3, 20)), pd.DataFrame(SEEN)
    for k in (1, 3):
        table = rl.evaluation.compare(model, test, train, k=k)
        clone = make_model([Coverage(k), MeanPopularity(k, train["recipe_id"])])
        seen = rl.data.seen(train, "user_id", "recipe_id")
        result = clone.evaluate(dict(test), exclude=seen, return_dict=True, verbose=0)
        for name in (f"coverage@{k}", f"interactions@{k}"):
            assert result[name] == pytest.approx(table.loc[("all", "model"), name], abs=1e-12)


@pytest.mark.parametrize("options", [{"steps_per_execution": 3}, {"run_eagerly": True}])
def test_other_ways_of_running(options):
    pairs = drawn_pairs(4, 23)
    model = make_model(**options)
    batches = rl.data.batches(pairs, 4)
    for _ in range(2):  # the second time nothing is left of the first
        result = model.evaluate(batches, return_dict=True, verbose=0)
        assert chosen(result) == pytest.approx(expected(model, np.unique(pairs["user_id"])))


def test_validation_in_fit_has_them_and_training_has_not():
    pairs = drawn_pairs(5, 23)
    batches = rl.data.batches(pairs, 7)
    model = make_model()
    history = model.fit(batches, epochs=2, verbose=0, validation_data=batches).history
    assert not set(NAMES) & history.keys()
    result = chosen(model.evaluate(batches, return_dict=True, verbose=0))
    assert {name: history[f"val_{name}"][-1] for name in NAMES} == pytest.approx(result)
    assert result == pytest.approx(expected(model, np.unique(pairs["user_id"])))


def test_a_weight_of_a_query_is_the_mean_of_its_rows(model):
    pairs = drawn_pairs(6, 12)
    weights = np.arange(12) + 1.0
    columns = {name: tf.constant(column) for name, column in pairs.items()}
    dataset = tf.data.Dataset.from_tensor_slices((columns, tf.zeros(12), weights)).batch(5)
    users = np.unique(pairs["user_id"])
    means = [weights[pairs["user_id"] == user].mean() for user in users]
    result = model.evaluate(dataset, return_dict=True, verbose=0)
    assert chosen(result) == pytest.approx(expected(model, users, weights=means))


def test_a_single_batch(model):
    pairs = drawn_pairs(7, 6)
    columns = {name: tf.constant(column) for name, column in pairs.items()}
    model.reset_metrics()
    logs = model.test_on_batch(columns, return_dict=True)
    assert chosen(logs) == pytest.approx(expected(model, np.unique(pairs["user_id"])))


def test_queries_of_text_and_the_first_row_of_each():
    """A tower whose embedding follows from another column than the one that names a query."""
    minutes = keras.Input((1,), name="minutes")
    tower = keras.Model({"minutes": minutes}, keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(minutes))
    candidates = rl.IdTower(RECIPES, 1, feature="recipe_id")
    candidates.set_weights([np.array([[0], [1], [2], [3], [4], [5]])])
    made = rl.RetrievalModel(
        rl.towers.LayerTower(tower, features=["minutes"], embedding_dim=1, as_dict=True),
        candidates,
        {"recipe_id": RECIPES},
        query_id="name",
    )
    made.compile(metrics=[Coverage(1)])
    names, minutes = np.array(["a", "b", "a", "b"], object), np.array([[1.0], [2.0], [-1.0], [3.0]], np.float32)
    rows = {"name": names, "minutes": minutes, "recipe_id": RECIPES[:4]}
    assert made.evaluate(rows, batch_size=3, return_dict=True, verbose=0)["coverage@1"] == 1 / 5
    again = {name: column[::-1] for name, column in rows.items()}
    assert made.evaluate(again, batch_size=3, return_dict=True, verbose=0)["coverage@1"] == 2 / 5
    with pytest.raises(ColumnError, match="'name'"):
        made.evaluate({name: rows[name] for name in ("minutes", "recipe_id")}, verbose=0)


def test_without_such_a_metric_nothing_is_kept(monkeypatch):
    def fail(*_):
        raise AssertionError("a query was kept")

    monkeypatch.setattr("reciperec_layers.candidates.evaluator.DistinctQueries", fail)
    make_model([Recall(2), MRR()]).evaluate(drawn_pairs(8, 9), verbose=0)


@pytest.mark.saving
def test_they_are_saved_with_the_model(model, tmp_path):
    pairs = drawn_pairs(9, 23)
    before = model.evaluate(pairs, return_dict=True, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [metric.name for metric in loaded.metrics] == [metric.name for metric in model.metrics]
    assert loaded.evaluate(pairs, return_dict=True, verbose=0) == before
    assert loaded.metrics[-1].candidate_counts.ids.tolist() == ["pie", "cake", "stew", "tofu"]


def test_many_queries_are_all_there():
    from reciperec_layers.candidates.distinct_queries import DistinctQueries

    rng = np.random.default_rng(0)
    queries, weights = rng.zipf(1.2, 9000) % 4000, rng.random(9000)
    log = DistinctQueries(2)
    append = tf.function(log.append, reduce_retracing=True)
    for _ in range(2):
        for rows in np.array_split(np.arange(9000), 7):
            embeddings = np.stack([rows, queries[rows]], axis=1).astype(np.float32)
            append(*(tf.constant(each) for each in (queries[rows], embeddings, queries[rows] + 1, weights[rows])))
        chunks = list(log.in_parts(1000))
        log.clear()
        assert list(log.in_parts(1000)) == []
    distinct, first = np.unique(queries, return_index=True)
    found = tf.concat([chunk.embeddings for chunk in chunks], axis=0).numpy()
    assert found[:, 0].tolist() == sorted(first)
    assert found[:, 1].tolist() == queries[np.sort(first)].tolist()
    assert (tf.concat([chunk.seen_rows for chunk in chunks], axis=0).numpy() == found[:, 1] + 1).all()
    means = dict(zip(found[:, 1], tf.concat([chunk.weights for chunk in chunks], axis=0).numpy(), strict=True))
    assert means == pytest.approx({query: weights[queries == query].mean() for query in distinct})


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="'coverage@3'.*cannot be computed in training.*validation_data"):
        make_model([Recall(3), Coverage(3)], corpus_metrics_in_training=True)
    with pytest.raises(ArgumentError, match="`metrics` must be metrics of ranks or of recommendations"):
        make_model([keras.metrics.Mean()])
    two = keras.Model(
        columns := {name: keras.Input((1,), name=name) for name in ("a", "b")},
        keras.layers.Add()(list(columns.values())),
    )
    tower = rl.towers.LayerTower(two, features=["a", "b"], embedding_dim=1, as_dict=True)
    made = rl.RetrievalModel(tower, rl.IdTower(RECIPES, 1, feature="recipe_id"), {"recipe_id": RECIPES})
    with pytest.raises(ArgumentError, match="'coverage@3' is per query.*query_id="):
        made.compile(metrics=[Coverage(3)])
    with pytest.raises(IdError, match="MeanPopularity: `candidate_counts`"):
        make_model([MeanPopularity(3, [7, 9])]).evaluate(drawn_pairs(1, 3), verbose=0)


def test_replicas_are_refused():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = make_model([Coverage(3)])
    with pytest.raises(ArgumentError, match=r"rows of all replicas together.*\['coverage@3'\]"):
        model.evaluate(rl.data.batches(drawn_pairs(1, 8), 4), verbose=0)
