"""The exact index against a sort in NumPy: ties, exclusions, sizes around tiles and blocks."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.indexes import brute_force
from reciperec_layers.indexes.brute_force import BruteForceIndex


def best(scores, k, excluded=()):
    """Rows of the k best, ties in row order; -1 where fewer are left."""
    order = [row for row in np.lexsort((np.arange(len(scores)), -scores)) if row not in set(excluded)]
    return (order + [-1] * k)[:k]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Tiles of 32 candidates in blocks of 4, so that few candidates already need several."""
    for name, size in {"_TILE": 32, "_BLOCK": 4, "_GROUP": 2, "_QUERIES": 3, "_FEW_QUERIES": 1}.items():
        monkeypatch.setattr(brute_force, name, size)


# Whole numbers, so that scores are exact and ties are real.
@settings(max_examples=60, deadline=None)
@given(
    num_candidates=st.integers(64, 300),
    num_queries=st.integers(0, 7),
    k=st.integers(1, 9),
    values=st.sampled_from([1, 2, 50]),
    most_excluded=st.sampled_from([0, 1, 12]),
    seed=st.integers(0, 2**16),
)
def test_it_is_a_sort(num_candidates, num_queries, k, values, most_excluded, seed):
    rng = np.random.default_rng(seed)
    candidates = rng.integers(-values, values + 1, (num_candidates, 3)).astype(np.float32)
    queries = rng.integers(-2, 3, (num_queries, 3)).astype(np.float32)
    # The best are excluded most of all: they are what is in the way.
    scores = queries @ candidates.T
    excluded = [best(each, rng.integers(0, most_excluded + 1)) for each in scores]
    index = BruteForceIndex(3)
    index.assign(tf.constant(candidates))
    ragged = tf.RaggedTensor.from_row_lengths(
        tf.constant([row for rows in excluded for row in rows], tf.int64), [len(rows) for rows in excluded]
    )
    found, rows = index.search(tf.constant(queries), k, ragged if most_excluded else None)
    expected = [best(*each) for each in zip(scores, [k] * num_queries, excluded, strict=True)]
    assert rows.numpy().tolist() == [[int(row) for row in each] for each in expected]
    for query, (row_scores, row) in enumerate(zip(found.numpy(), expected, strict=True)):
        assert row_scores.tolist() == [scores[query, each] if each >= 0 else -np.inf for each in row]


def test_another_number_of_candidates_takes_its_place():
    index = BruteForceIndex(2)
    rng = np.random.default_rng(0)
    query = tf.constant([[1.0, -2.0]])
    for size in (200, 5, 65, 1000):
        candidates = rng.integers(-9, 9, (size, 2)).astype(np.float32)
        index.assign(tf.constant(candidates))
        assert index.search(query, 4)[1].numpy()[0].tolist() == best(candidates @ [1, -2], 4)
        np.testing.assert_array_equal(index.embeddings, candidates)


def test_what_is_found_does_not_depend_on_the_other_queries():
    rng = np.random.default_rng(1)
    index = BruteForceIndex(5)
    index.assign(tf.constant(rng.normal(size=(500, 5)), tf.float32))
    queries = tf.constant(rng.normal(size=(7, 5)), tf.float32)
    scores, rows = index.search(queries, 6)
    for query in range(7):
        alone, same = index.search(queries[query : query + 1], 6)
        np.testing.assert_array_equal(same[0], rows[query])
        np.testing.assert_allclose(alone[0], scores[query], rtol=1e-6)


def test_that_none_is_left_is_said_by_the_score():
    index = BruteForceIndex(1)
    index.assign(tf.ones((64, 1)))
    everything = tf.RaggedTensor.from_row_lengths(tf.range(64, dtype=tf.int64), [64])
    scores, rows = index.search(tf.ones((1, 1)), 2, everything)
    assert scores.numpy().tolist() == [[-np.inf] * 2]
    assert rows.numpy().tolist() == [[-1, -1]]
