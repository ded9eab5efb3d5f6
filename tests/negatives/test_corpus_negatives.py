"""CorpusNegatives: a sample stands for the corpus, on average exactly."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.corpus import Corpus
from reciperec_layers.negatives.corpus_negatives import CorpusNegatives

IDS = 100 + np.arange(12)
VALUES = np.random.default_rng(1).uniform(1, 5, len(IDS))


def drawn_of(ids, num_sampled, seed, training=True):
    """Returns the rows of the corpus that were drawn, their weights, and the row of each positive."""
    negatives = CorpusNegatives(
        Corpus({"recipe_id": IDS}, "recipe_id"), num_sampled=num_sampled, next_seed=lambda: tf.constant([seed, 1])
    )
    encode = lambda columns: tf.cast(columns["recipe_id"], tf.float32)[:, tf.newaxis]  # noqa: E731
    found = negatives.draw({}, tf.constant(ids, tf.int64), encode, distinct=False, training=training)
    rows = found.embeddings.numpy()[:, 0].astype(int) - IDS[0]
    weights = np.ones(len(rows)) if found.log_weights is None else np.exp(found.log_weights.numpy())
    return rows, weights, rows[found.positive_columns.numpy()]


@settings(deadline=None, max_examples=30)
@given(
    ids=st.lists(st.sampled_from(IDS.tolist()), min_size=1, max_size=15),
    num_sampled=st.integers(1, 11),
    seed=st.integers(0, 1000),
)
def test_those_of_the_batch_count_once_and_the_others_stand_for_all_others(ids, num_sampled, seed):
    rows, weights, positives = drawn_of(ids, num_sampled, seed)
    assert positives.tolist() == [each - IDS[0] for each in ids]
    of_batch = set(positives.tolist())
    assert sorted(rows[: len(of_batch)]) == sorted(of_batch)
    assert (weights[: len(of_batch)] == 1).all()
    others, of_others = rows[len(of_batch) :], weights[len(of_batch) :]
    assert len(others) == num_sampled
    outside = ~np.isin(others, list(of_batch))
    assert (of_others[~outside] == 0).all()
    if outside.any():
        expected = (len(IDS) - len(of_batch)) / outside.sum()
        np.testing.assert_allclose(of_others[outside], expected, rtol=1e-5)


def test_a_sum_over_the_sample_is_on_average_that_over_the_corpus():
    sums = np.array([weights @ VALUES[rows] for rows, weights, _ in (drawn_of([103, 107], 8, s) for s in range(400))])
    assert sums.std() > 1
    assert abs(sums.mean() - VALUES.sum()) < 4 * sums.std() / 20


@pytest.mark.parametrize(("num_sampled", "training"), [(None, True), (12, True), (50, True), (3, False)])
def test_the_whole_corpus_where_nothing_is_to_be_drawn(num_sampled, training):
    rows, weights, positives = drawn_of([103, 103], num_sampled, 1, training)
    assert rows.tolist() == list(range(12))
    assert (weights == 1).all()
    assert positives.tolist() == [3, 3]
