"""Metrics of ranks against their definitions, and against scikit-learn, which computes them from scores."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError
from reciperec_layers.metrics import AUC, MAP, MISS, MRR, NDCG, HitRate, Precision, Recall, TopKAccuracy, true_ranks
from tests.metrics import oracle


@st.composite
def queries(draw):
    """Scores `(n, candidates)` with ties, and what is held out of each query, one to all candidates."""
    num_candidates = draw(st.integers(1, 12))
    num_queries = draw(st.integers(1, 5))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, draw(st.sampled_from([3, 1000])), (num_queries, num_candidates))
    held_out = [
        set(rng.permutation(num_candidates)[: rng.integers(1, num_candidates + 1)].tolist()) for _ in range(num_queries)
    ]
    return scores, held_out


def ranks_of(rankings, held_out):
    """Padded ranks, in no order; what is not in a ranking is a miss."""
    ranks = np.zeros((len(held_out), max(map(len, held_out))), np.int64)
    for row, (ranking, rows) in enumerate(zip(rankings, held_out, strict=True)):
        found = [ranking.index(each) + 1 if each in ranking else MISS for each in sorted(rows)]
        ranks[row, : len(found)] = found
    return ranks


def value(metric, ranks, **options):
    metric.update_state(ranks, **options)
    return float(metric.result())


@given(queries(), st.integers(1, 14), st.integers(0, 2**16))
def test_each_metric_is_the_mean_of_its_definition(drawn, k, seed):
    """Some candidates are left out of the rankings, held-out ones among them."""
    scores, held_out = drawn
    rng = np.random.default_rng(seed)
    rankings = [[row for row in oracle.best_first(each.tolist()) if rng.random() > 0.2] for each in scores]
    ranks = ranks_of(rankings, held_out)
    sizes = [len(ranking) for ranking in rankings]
    cases = {
        HitRate(k): lambda *query: oracle.hit_rate(*query, k),
        Recall(k): lambda *query: oracle.recall(*query, k),
        Recall(k, at_most_k=True): lambda *query: oracle.recall(*query, k, at_most_k=True),
        Precision(k): lambda *query: oracle.precision(*query, k),
        NDCG(k): lambda *query: oracle.ndcg(*query, k),
        NDCG(): oracle.ndcg,
        MRR(k): lambda *query: oracle.mrr(*query, k),
        MRR(): oracle.mrr,
        MAP(k): lambda *query: oracle.average_precision(*query, k),
        MAP(k, at_most_k=True): lambda *query: oracle.average_precision(*query, k, at_most_k=True),
        MAP(): oracle.average_precision,
        AUC(): oracle.auc,
    }
    for metric, of_query in cases.items():
        expected = np.mean([of_query(*query) for query in zip(rankings, held_out, strict=True)])
        assert value(metric, ranks, num_candidates=sizes) == pytest.approx(expected, abs=1e-12), metric.name


@given(queries(), st.integers(1, 12))
def test_scikit_learn_says_the_same(drawn, k):
    scores, held_out = drawn
    num_candidates = scores.shape[1]
    k = min(k, num_candidates)
    rng = np.random.default_rng(scores.sum())
    scores = np.stack([rng.permutation(num_candidates) for _ in scores]).astype(float)  # it has other rules for ties
    truth = np.array([[int(row in rows) for row in range(num_candidates)] for rows in held_out])
    top = (num_candidates - scores <= k).astype(int)
    ranks = ranks_of([oracle.best_first(each.tolist()) for each in scores], held_out)

    def means(of_query, values):
        return np.mean([of_query(*query) for query in zip(truth, values, strict=True)])

    assert value(Recall(k), ranks) == pytest.approx(means(sklearn.metrics.recall_score, top))
    assert value(Precision(k), ranks) == pytest.approx(means(sklearn.metrics.precision_score, top))
    assert value(MAP(), ranks) == pytest.approx(means(sklearn.metrics.average_precision_score, scores))
    if num_candidates > 1:
        assert value(NDCG(k), ranks) == pytest.approx(sklearn.metrics.ndcg_score(truth, scores, k=k))
    single = np.eye(num_candidates, dtype=int)[[min(rows) for rows in held_out]]
    first = ranks_of([oracle.best_first(each.tolist()) for each in scores], [{min(rows)} for rows in held_out])
    assert value(MRR(), first) == pytest.approx(sklearn.metrics.label_ranking_average_precision_score(single, scores))
    if all(len(rows) < num_candidates for rows in held_out):
        expected = sklearn.metrics.roc_auc_score(truth, scores, average="samples")
        assert value(AUC(), ranks, num_candidates=num_candidates) == pytest.approx(expected)


def test_by_row_they_are_of_one_candidate_each():
    ranks = [1, 3, 12, int(MISS)]
    assert value(TopKAccuracy(3), ranks) == value(Recall(3, per="row"), ranks) == value(HitRate(3), ranks) == 0.5
    assert value(MRR(), ranks) == pytest.approx((1 + 1 / 3 + 1 / 12) / 4)
    assert value(NDCG(10), ranks) == pytest.approx((1 + 1 / 2) / 4)
    assert value(MAP(10), ranks) == pytest.approx((1 + 1 / 3) / 4)


@given(queries(), st.integers(0, 5))
def test_weights_and_cuts(drawn, cut):
    scores, held_out = drawn
    ranks = ranks_of([oracle.best_first(each.tolist()) for each in scores], held_out)
    weights = np.arange(len(ranks)) + 0.5
    each = [value(NDCG(3), ranks[row : row + 1]) for row in range(len(ranks))]
    metric = NDCG(3)
    for part in (slice(cut), slice(cut, None)):
        metric.update_state(ranks[part], weights[part])
    assert float(metric.result()) == pytest.approx(np.average(each, weights=weights))
    metric.reset_state()
    assert float(metric.result()) == 0


def test_in_a_graph_and_in_a_loop():
    metric = MAP(2)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int64)])
    def update(ranks):
        metric.update_state(ranks)

    update([[1, 2]])
    update([[1, 0], [9, 0]])
    assert float(metric.result()) == pytest.approx(2 / 3)


@pytest.mark.parametrize("metric", [HitRate, MAP, MRR, NDCG, Precision, Recall, TopKAccuracy])
def test_wrong_arguments(metric):
    with pytest.raises(ArgumentError, match=f"{metric.__name__}: `k` must be"):
        metric(0)
    with pytest.raises(ArgumentError, match=rf"{metric.__name__}: `per` must be one of \('query', 'row'\)"):
        metric(3, per="user")


def test_the_area_needs_the_number_of_candidates():
    with pytest.raises(ArgumentError, match="AUC: `num_candidates` is needed"):
        AUC().update_state([1])


METRICS = [HitRate(3), Recall(3), Recall(3, at_most_k=True), Precision(3), NDCG(3), NDCG(), MRR(), MAP(3), MAP(), AUC()]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_queries_with_nothing_held_out_are_left_out(metric):
    filled, weights, sizes = [[2, 1], [4, 0]], [1.0, 3.0], [5, 6]
    for options in ({}, {"sample_weight": weights}):
        metric.reset_state()
        expected = value(metric, filled, num_candidates=sizes, **options)
        metric.reset_state()
        with_empty = {name: [9.0, *given_weights] for name, given_weights in options.items()}
        assert value(metric, [[0, 0], *filled], num_candidates=[5, *sizes], **with_empty) == expected
        assert value(metric, [[0]], num_candidates=5) == expected
        assert value(metric, [0], num_candidates=5) == expected
        assert value(metric, np.zeros((2, 0), np.int64), num_candidates=5) == expected
        assert value(metric, [], num_candidates=5) == expected


@pytest.mark.parametrize(
    "ranks", [[1.0, 2.0], [np.nan], ["1"], [None], [True], 1, [[[1]]], [[1], [2, 3]], tf.ragged.constant([[1], [2, 3]])]
)
def test_ranks_of_another_form(ranks):
    with pytest.raises(ArgumentError, match=r"Recall: `ranks` must be integers of shape \(n,\) or \(n, m\)"):
        Recall(2).update_state(ranks)


def test_ranks_below_0():
    for ranks in ([1, -1], [[1, -1]]):
        with pytest.raises(ArgumentError, match=r"MRR: `ranks` must not be below 0\. Received: smallest=-1"):
            MRR().update_state(ranks)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 1.0, 1.0], 2.0, [[1.0], [1.0]]])
def test_weights_of_another_number(weights):
    metric = Recall(2)
    with pytest.raises(ArgumentError, match=r"Recall: `sample_weight` must have one weight.*shape \(2,\)"):
        metric.update_state([[1], [2]], weights)
    assert float(metric.count.value) == 0


@pytest.mark.parametrize("make", [list, np.array, lambda rows: tf.constant(rows, tf.int32)])
def test_true_rows_of_any_integers(make):
    scores = [[3.0, 1.0, 3.0], [1.0, 2.0, 3.0]]
    for given_scores in (scores, np.array(scores), tf.constant(scores)):
        assert true_ranks(given_scores, make([2, -1])).numpy().tolist() == [2, MISS]
    assert true_ranks([[3, 1, 3], [1, 2, 3]], make([2, -1])).numpy().tolist() == [2, MISS]
