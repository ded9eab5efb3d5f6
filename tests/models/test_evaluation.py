"""Evaluation against the whole corpus, compared with plain NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ColumnError, UnknownIdError
from reciperec_layers.metrics import Coverage, Recall, TopKAccuracy
from tests.models.conftest import RECIPES, USERS, rows_of
from tests.models.oracle import top_k_accuracy

KS = (1, 5, 10, 50, 100)


def scores_of(model, users):
    candidate_table, query_table = model.get_weights()
    return query_table[rows_of(USERS, users)] @ candidate_table[1:].T


def evaluate(model, data, batch_size=7, **options):
    return model.evaluate(rl.data.batches(data, batch_size), return_dict=True, verbose=0, **options)


def key(k):
    return f"factorized_top_k/top_{k}_categorical_accuracy"


def test_the_metrics_are_those_of_numpy(make_model, pairs):
    for seed in range(5):
        model = make_model(seed=seed)
        result = evaluate(model, pairs)
        scores = scores_of(model, pairs["user_id"])
        true_rows = rows_of(RECIPES, pairs["recipe_id"]) - 1
        for k in KS:
            assert result[key(k)] == pytest.approx(top_k_accuracy(scores, true_rows, k))


@settings(max_examples=20)
@given(batch_size=st.integers(1, 23))
def test_how_data_are_cut_into_batches_does_not_matter(batch_size):
    rng = np.random.default_rng(5)
    pairs = {"user_id": rng.choice([*USERS, 99], 23), "recipe_id": rng.choice(RECIPES, 23)}
    whole = evaluate(_MODEL, pairs, 23)
    cut = evaluate(_MODEL, pairs, batch_size)
    assert [cut[key(k)] for k in KS] == [whole[key(k)] for k in KS]


def _model():
    rng = np.random.default_rng(1)
    model = rl.RetrievalModel(
        rl.IdTower(USERS, 3, feature="user_id"), rl.IdTower(RECIPES, 3, feature="recipe_id"), {"recipe_id": RECIPES}
    )
    model.set_weights([rng.integers(-1, 2, weights.shape) for weights in model.get_weights()])
    model.compile("sgd")
    return model


_MODEL = _model()


def test_seen_candidates_cannot_be_hit_and_are_counted(make_model, pairs):
    model = make_model(seed=2)
    train = {"user_id": np.array([11, 11, 12, 99]), "recipe_id": np.array(["soup", "pie", "cake", "stew"], object)}
    import pandas as pd

    seen = rl.data.seen(pd.DataFrame(train), "user_id", "recipe_id")
    had = {
        user: {
            rows_of(RECIPES, np.array([recipe]))[0] - 1
            for other, recipe in zip(*train.values(), strict=True)
            if other == user
        }
        for user in train["user_id"]
    }
    excluded = [had.get(user, set()) for user in pairs["user_id"]]
    true_rows = rows_of(RECIPES, pairs["recipe_id"]) - 1

    result = evaluate(model, pairs, exclude=seen)

    scores = scores_of(model, pairs["user_id"])
    for k in KS:
        assert result[key(k)] == pytest.approx(top_k_accuracy(scores, true_rows, k, excluded))
    assert result["num_seen_held_out"] == sum(row in rows for row, rows in zip(true_rows, excluded, strict=True)) > 0
    assert "num_seen_held_out" not in evaluate(model, pairs)  # the next evaluation leaves nothing out


def test_a_candidate_outside_of_the_corpus_is_an_error_or_a_miss(make_model, pairs):
    model = make_model()
    strange = {"user_id": pairs["user_id"], "recipe_id": np.where(np.arange(23) < 3, "tofu", pairs["recipe_id"])}
    with pytest.raises(UnknownIdError, match="3 held-out candidates.*'recipe_id'.*tofu.*unknown_candidates"):
        evaluate(model, strange, 23)
    result = evaluate(model, strange, 23, unknown_candidates="miss")
    assert result["num_unknown_held_out"] == 3
    assert result[key(100)] == pytest.approx(20 / 23)
    with pytest.raises(ArgumentError, match='must be "error" or "miss"'):
        evaluate(model, pairs, unknown_candidates="ignore")
    with pytest.raises(ArgumentError, match="must be a `Seen`"):
        evaluate(model, pairs, exclude=[[1]])


@keras.saving.register_keras_serializable("tests")
class CountingTower(rl.towers.Tower):
    """Counts its calls in eager code; embeds by a table of whole numbers."""

    calls = 0

    def __init__(self):
        super().__init__(1, features=["recipe_id"])

    def call(self, inputs, training=None):
        CountingTower.calls += 1
        return keras.ops.cast(inputs["recipe_id"], "float32")[:, None]


def test_the_corpus_is_encoded_once_per_evaluation():
    model = rl.RetrievalModel(
        rl.IdTower(USERS, 1, feature="user_id"), CountingTower(), {"recipe_id": np.arange(20)}, "recipe_id"
    )
    model.compile("sgd")
    data = rl.data.batches({"user_id": np.repeat(USERS, 10), "recipe_id": np.arange(40) % 20}, 2)
    model.evaluate(data, verbose=0)  # traces
    CountingTower.calls = 0
    model.evaluate(data, verbose=0)
    assert CountingTower.calls == 1


def test_other_inputs(make_model, pairs):
    import pandas as pd

    model = make_model()
    expected = evaluate(model, pairs)
    for data in (pairs, pd.DataFrame(pairs), {name: list(column) for name, column in pairs.items()}):
        result = model.evaluate(data, return_dict=True, verbose=0)
        assert result[key(1)] == pytest.approx(expected[key(1)])
    assert model.predict(pairs, verbose=0).shape == (23, 3)
    users, recipes = pairs["user_id"][:4], pairs["recipe_id"][:4]
    batch = {"user_id": users, "recipe_id": keras.ops.convert_to_tensor(recipes)}
    found = model.test_on_batch(batch, return_dict=True)
    for k in KS:
        of_four = top_k_accuracy(scores_of(model, users), rows_of(RECIPES, recipes) - 1, k)
        assert found[key(k)] == pytest.approx(of_four)


def test_ranks_read_the_columns_that_they_need(make_model, pairs):
    import pandas as pd

    model = make_model()
    frame = pd.DataFrame(pairs).assign(when=pd.Timestamp("2026-01-01"))
    ranks = model.held_out_ranks(frame, batch_size=5)
    assert [key(k) for k in KS if np.mean(ranks <= k) != pytest.approx(evaluate(model, pairs)[key(k)])] == []
    with pytest.raises(ColumnError, match="held_out_ranks.*'recipe_id'"):
        model.held_out_ranks(frame[["user_id"]])


def test_the_same_arguments_again_trace_nothing(make_model, pairs):
    import pandas as pd

    metrics = [Recall(1), Coverage(2), TopKAccuracy(1)]
    model = make_model(metrics=metrics)
    traces, step = [], model.test_step
    model.test_step = lambda data: traces.append(None) or step(data)
    train = pd.DataFrame({"user_id": [11, 11, 12], "recipe_id": ["soup", "pie", "cake"]})
    seen, equal = (rl.data.seen(train, "user_id", "recipe_id") for _ in range(2))

    def num_traces(**options):
        before = len(traces)
        fresh = make_model(metrics=[type(metric).from_config(metric.get_config()) for metric in metrics])
        fresh.set_weights(model.get_weights())
        assert evaluate(model, pairs, **options) == evaluate(fresh, pairs, **options)
        return len(traces) - before

    assert num_traces() > 0
    assert num_traces(exclude=seen) > 0
    model.set_weights([-weights for weights in model.get_weights()])
    assert num_traces(exclude=seen) == 0
    assert num_traces() == 0
    assert num_traces(exclude=equal) > 0
    assert num_traces(exclude=equal, unknown_candidates="miss") > 0
    with pytest.raises(ArgumentError, match='must be "error" or "miss"'):
        evaluate(model, pairs, exclude=equal, unknown_candidates="ignore")
    strange = {"user_id": pairs["user_id"], "recipe_id": np.repeat("tofu", 23)}
    with pytest.raises(UnknownIdError):
        evaluate(model, strange, exclude=equal)
    assert num_traces(exclude=equal) == 0  # nothing is left of the one that failed
    assert num_traces() == 0
    model.compile("sgd", metrics=metrics)
    assert num_traces(exclude=equal) > 0


def test_one_metric_and_two_of_one_name(make_model, pairs):
    model = make_model()
    model.compile("sgd", metrics=TopKAccuracy(5))
    assert key(5) in evaluate(model, pairs)
    with pytest.raises(ArgumentError, match=r"compile: each metric needs a name of its own.*'recall@5'"):
        model.compile("sgd", metrics=[Recall(5), Recall(5, per="row")])
    for metrics in ("recall", 5):
        with pytest.raises(ArgumentError, match=r"compile: `metrics` must be metrics of ranks"):
            model.compile("sgd", metrics=metrics)


def test_ranks_trace_once_for_batches_of_any_length(make_model, pairs, monkeypatch):
    model, traced = make_model(), []
    call = type(model).call
    monkeypatch.setattr(
        type(model), "call", lambda self, *args, **kwargs: traced.append(1) or call(self, *args, **kwargs)
    )
    expected = model.held_out_ranks(pairs, batch_size=23)
    del traced[:]
    for size in (1, 4, 10, 22):
        assert model.held_out_ranks(pairs, batch_size=size).tolist() == expected.tolist()
    assert len(traced) == 4
    assert model.held_out_ranks({name: column[:0] for name, column in pairs.items()}).tolist() == []


@keras.saving.register_keras_serializable("tests")
class HistoryTower(rl.towers.Tower):
    """Embeds numbers, of which each row has as many as it has, by their sum."""

    def __init__(self):
        super().__init__(1, features=["had"])

    def call(self, inputs, training=None):
        rows = inputs["had"]
        while rows.shape.rank > 1:
            rows = tf.reduce_sum(rows, axis=-1)
        return tf.cast(rows, tf.float32)[:, None]


@pytest.mark.parametrize(
    "had",
    [
        tf.ragged.constant([[1], [], [2, -4], [3]]),
        tf.ragged.constant([[[1], []], [], [[2, -4]], [[3]]]),
        tf.ragged.constant([[[1, 0]], [], [[2, -2], [-2, 0]], [[3, 0]]], ragged_rank=1, inner_shape=(2,)),
        tf.constant([[1, 0], [0, 0], [2, -4], [3, 0]]),
    ],
    ids=["ragged", "nested", "dense inside", "dense"],
)
def test_ranks_by_columns_of_lists(had):
    model = rl.RetrievalModel(HistoryTower(), CountingTower(), {"recipe_id": np.arange(5)}, "recipe_id")
    for size in (1, 3, 9):
        ranks = model.held_out_ranks({"had": had, "recipe_id": [3, 3, 3, 4]}, batch_size=size)
        assert ranks.tolist() == [2, 4, 4, 1]
