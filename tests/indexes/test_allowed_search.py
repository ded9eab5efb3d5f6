"""The k best of lists, and of all, and searches of many queries some at a time."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.indexes import exact_top_k, mask_places, mask_rows, top_k_among
from reciperec_layers.indexes import exact_top_k as exact_top_k_function
from reciperec_layers.indexes.allowed_search import top_k_of_lists
from reciperec_layers.indexes.query_chunks import search_in_chunks
from tests.indexes import oracle

CASES = {
    "num_candidates": st.integers(1, 8),
    "num_queries": st.integers(0, 5),
    "k": st.integers(1, 10),
    "seed": st.integers(0, 2**16),
}


def case(num_candidates: int, num_queries: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """Candidates, queries, and rows of each query in ascending order."""
    rng = np.random.default_rng(seed)
    candidates = rng.integers(-2, 3, (num_candidates, 3)).astype(np.float32)
    queries = rng.integers(-2, 3, (num_queries, 3)).astype(np.float32)
    return candidates, queries, [np.flatnonzero(rng.random(num_candidates) < 0.5).tolist() for _ in queries]


def ragged(lists: list[list[int]]) -> tf.RaggedTensor:
    values = np.array([row for each in lists for row in each], np.int64)
    return tf.RaggedTensor.from_row_lengths(values, np.array([len(each) for each in lists], np.int64))


def assert_equal(found, expected) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[1].dtype == tf.int64


@settings(deadline=None, max_examples=40)
@given(**CASES, at_once=st.sampled_from([1, 60, 2**26]))
def test_of_lists(num_candidates, num_queries, k, seed, at_once):
    candidates, queries, lists = case(num_candidates, num_queries, seed)
    others = [[row for row in range(num_candidates) if row not in each] for each in lists]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(top_k_among.__globals__, "_MAX_GATHERED", at_once)
        found = top_k_among(tf.constant(queries), lambda rows: tf.gather(candidates, rows), k, ragged(lists))
    assert_equal(found, oracle.search(queries, candidates, k, others))


@settings(deadline=None, max_examples=40)
@given(**CASES, at_once=st.sampled_from([1, 20, 2**26]))
def test_of_all(num_candidates, num_queries, k, seed, at_once):
    candidates, queries, lists = case(num_candidates, num_queries, seed)
    k = min(k, num_candidates)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(exact_top_k_function.__globals__, "MAX_SCORES", at_once)
        for excluded in (None, lists):
            left_out = None if excluded is None else ragged(excluded)
            found = exact_top_k(tf.constant(queries), tf.constant(candidates), k, left_out)
            assert_equal(found, oracle.search(queries, candidates, k, excluded))


def test_ties_go_to_the_first_of_a_list():
    rows = tf.constant([[2, 0, 1, -1]], tf.int64)
    scores, found = top_k_of_lists(tf.ones((1, 1)), lambda rows: tf.ones((*rows.shape, 1)), 4, rows)
    assert found.numpy().tolist() == [[2, 0, 1, -1]]
    assert scores.numpy().tolist() == [[1, 1, 1, -np.inf]]


def test_an_empty_place_is_never_a_candidate():
    """Row 0 stands in empty places while scores are taken, and would be the best here."""
    candidates = tf.constant([[9.0], [1.0]])
    scores, rows = top_k_of_lists(
        tf.ones((1, 1)), lambda each: tf.gather(candidates, each), 3, tf.constant([[1]], tf.int64)
    )
    assert rows.numpy().tolist() == [[1, -1, -1]]
    assert scores.numpy().tolist() == [[1, -np.inf, -np.inf]]


def test_masks():
    scores = tf.reshape(tf.range(6.0), (2, 3))
    expected = [[-np.inf, 1, 2], [3, -np.inf, -np.inf]]
    lists = tf.ragged.constant([[0], [2, 1, 2]], dtype=tf.int64)
    assert mask_rows(scores, lists).numpy().tolist() == expected
    assert mask_places(scores, tf.constant([[1, 1], [0, 0], [1, 2]])).numpy().tolist() == expected
    assert mask_places(scores, tf.zeros((0, 2), tf.int64)).numpy().tolist() == scores.numpy().tolist()


@given(num_queries=st.integers(0, 7), rows_of_chunk=st.integers(1, 8))
def test_chunks_are_joined_in_order(num_queries, rows_of_chunk):
    queries = tf.reshape(tf.range(2.0 * num_queries), (num_queries, 2))
    sizes = []

    def search(some: tf.Tensor, lists: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        sizes.append(len(some))
        return some, tf.cast(lists, tf.int64)

    scores, rows = search_in_chunks(queries, queries, rows_of_chunk, 2, search)
    assert scores.numpy().tolist() == rows.numpy().tolist() == queries.numpy().tolist()
    assert (scores.dtype, rows.dtype) == (tf.float32, tf.int64)
    assert sum(sizes) == num_queries
    assert all(0 < size <= rows_of_chunk for size in sizes)
