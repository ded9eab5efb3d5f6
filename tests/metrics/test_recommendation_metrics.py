"""Metrics of recommendations against their definitions, and their laws."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers import Vocabulary
from reciperec_layers.errors import ArgumentError, IdError, StateError
from reciperec_layers.metrics import Coverage, MeanPopularity
from tests.metrics import recommendation_oracle as oracle


@st.composite
def recommendations(draw):
    """Lists of distinct candidates, some short or empty, counts of the candidates, and weights of the lists."""
    num_candidates, width = draw(st.integers(1, 10)), draw(st.integers(0, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    width = min(width, num_candidates)
    lists = [
        rng.permutation(num_candidates)[: rng.integers(0, width + 1)].tolist() for _ in range(draw(st.integers(1, 6)))
    ]
    weights = rng.integers(0, 3, len(lists)) * 0.5
    return lists, width, rng.integers(0, 4, num_candidates), weights


def padded(lists, width):
    rows = np.full((len(lists), width), -1)
    for row, each in zip(rows, lists, strict=True):
        row[: len(each)] = each
    return rows


def candidate_counts(counts):
    """Text ids of the interactions, so that they differ from rows; one candidate is outside the corpus."""
    return ["other", *(f"id {row}" for row, count in enumerate(counts) for _ in range(count))]


def made(metric, counts):
    metric.set_candidates([f"id {row}" for row in range(len(counts))])
    return metric


def value(metric, rows, weights=None):
    metric.update_state(rows, weights)
    return float(metric.result())


@pytest.mark.filterwarnings("ignore:MeanPopularity. all popularities are 0")
@given(recommendations(), st.integers(1, 7))
def test_each_metric_is_its_definition(drawn, k):
    lists, width, counts, weights = drawn
    rows, ids = padded(lists, width), candidate_counts(counts)
    weighty = [each for each, weight in zip(lists, weights, strict=True) if weight]
    percentiles = oracle.percentiles(counts.tolist())
    assert value(made(Coverage(k), counts), rows) == pytest.approx(oracle.coverage(lists, len(counts), k))
    assert value(made(Coverage(k), counts), rows, weights) == pytest.approx(oracle.coverage(weighty, len(counts), k))
    for values, options in ((counts, {}), (percentiles, {"as_percentile": True})):
        for given_weights in (None, weights):
            metric = made(MeanPopularity(k, ids, **options), counts)
            expected = oracle.mean_popularity(lists, values, k, given_weights)
            assert value(metric, rows, given_weights) == pytest.approx(expected, abs=1e-12)


@pytest.mark.filterwarnings("ignore:MeanPopularity. all popularities are 0")
@given(recommendations(), st.integers(1, 7), st.integers(0, 6))
def test_laws(drawn, k, cut):
    lists, width, counts, weights = drawn
    rows, ids = padded(lists, width), candidate_counts(counts)
    for make in (Coverage, lambda k: MeanPopularity(k, ids)):
        metric = made(make(k), counts)
        whole = value(metric, rows, weights)
        metric.reset_state()
        assert float(metric.result()) == 0
        for part in (slice(cut), slice(cut, None)):
            metric.update_state(rows[part], weights[part])
        assert float(metric.result()) == pytest.approx(whole, abs=1e-12)  # however they are cut
        wider = np.pad(rows, [[0, 0], [0, 2]], constant_values=-1)
        assert value(made(make(k), counts), wider, weights) == pytest.approx(whole, abs=1e-12)
    smaller, larger = (value(made(Coverage(each), counts), rows) for each in (k, k + 1))
    assert 0 <= smaller <= larger <= 1
    assert value(made(Coverage(k), counts), np.concatenate([rows, rows])) == smaller


def test_recommending_everything_is_in_the_middle():
    counts = [5, 0, 0, 2, 9]
    metric = made(MeanPopularity(5, candidate_counts(counts), as_percentile=True), counts)
    assert value(metric, [[4, 3, 2, 1, 0]]) == 0.5
    assert metric.name == "popularity_percentile@5"


def test_in_a_graph_that_serves_other_candidates():
    metrics = [Coverage(2), MeanPopularity(2, [7, 7, 8, 9])]

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int64)])
    def update(rows):
        for metric in metrics:
            metric.update_state(rows)
        return [metric.result() for metric in metrics]

    for metric in metrics:
        metric.set_candidates([7, 8])
    assert [float(each) for each in update([[0, -1], [0, -1]])] == [0.5, 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Coverage: `rows` must be below the number of candidates"):
        update([[2, 1]])
    for metric in metrics:
        metric.set_candidates([7, 8])  # the same: nothing is forgotten
    assert float(metrics[0].result()) == 0.5
    for metric in metrics:
        metric.set_candidates([5, 9, 7])
    assert [float(metric.result()) for metric in metrics] == [0, 0]
    assert [float(each) for each in update([[2, 0]])] == [pytest.approx(2 / 3), 1]


def test_under_a_mixed_policy():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        metrics = [made(Coverage(2), [1] * 5), made(MeanPopularity(2, candidate_counts([4001, 0])), [4001, 0])]
    finally:
        keras.config.set_dtype_policy("float32")
    assert value(metrics[0], [[0]]) == 0.2
    assert value(metrics[1], [[0]]) == 4001


def test_counts_of_a_vocabulary():
    vocabulary = Vocabulary(["b", "a"], counts=[3, 0])
    metric = MeanPopularity(1, vocabulary)
    metric.set_candidates(["a", "b", "c"])
    assert value(metric, [[1], [0], [2]]) == 1
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.candidate_counts is vocabulary
    with pytest.raises(ArgumentError, match="MeanPopularity: `candidate_counts` is a vocabulary without counts"):
        MeanPopularity(1, Vocabulary(["b"]))


@pytest.mark.parametrize("make", [Coverage, lambda k: MeanPopularity(k, [7])])
def test_wrong_arguments(make):
    with pytest.raises(ArgumentError, match="`k` must be a positive integer"):
        make(0)
    metric = make(2)
    with pytest.raises(StateError, match=r"the candidates are not set.*set_candidates"):
        metric.update_state([[0]])
    with pytest.raises(IdError, match="repeats"):
        metric.set_candidates([7, 7])
    metric.set_candidates([7, 9])
    with pytest.raises(ArgumentError, match=r"`rows` must be integers of shape \(n, m\)"):
        metric.update_state([0, 1])
    with pytest.raises(ArgumentError, match=r"`rows` must be integers of shape \(n, m\)"):
        metric.update_state([[0.5]])
    with pytest.raises(ArgumentError, match="below the number of candidates, 2. Received: a row 2"):
        metric.update_state([[2, 0]])
    assert float(metric.result()) == 0


def test_counts_of_another_type():
    with pytest.raises(IdError, match="MeanPopularity: `candidate_counts`: ids must be text, as in the vocabulary"):
        MeanPopularity(1, [7]).set_candidates(["pie"])
    with pytest.raises(IdError, match="MeanPopularity: `candidate_counts`.*missing"):
        MeanPopularity(1, ["pie", None])


def test_counts_by_id():
    counts = pd.Series([7, 7, 9]).value_counts()
    for given_counts in (counts, counts.to_dict()):
        metric = MeanPopularity(1, given_counts)
        metric.set_candidates([9, 7, 1, 2])
        assert value(metric, [[0], [1], [2]]) == 1


def test_counts_of_no_candidate_warn():
    with pytest.warns(
        UserWarning, match=r"MeanPopularity: all popularities are 0.*counted are 7, 9, candidates are 1\."
    ):
        MeanPopularity(1, [7, 7, 9]).set_candidates([1])


@pytest.mark.parametrize("metric", [Coverage(1), MeanPopularity(1, [7])])
def test_weights_of_another_number(metric):
    metric.set_candidates([7, 9])
    with pytest.raises(ArgumentError, match=r"`sample_weight` must have one weight for each query, shape \(2,\)"):
        metric.update_state([[0], [1]], [1.0])
