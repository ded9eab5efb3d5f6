"""The exact indexes against a sort in NumPy: ties, exclusions, sizes around tiles and blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers import indexes
from reciperec_layers.indexes import block_index, block_search
from tests.indexes import oracle

EXACT = pytest.mark.parametrize("name", ["brute_force", "int8"])
REAL_TILE = 4096


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 32 candidates in blocks of 2, so that few candidates already need several."""
    monkeypatch.setattr(block_search, "TILE", 32)
    monkeypatch.setattr(block_search, "BLOCK", 2)
    monkeypatch.setattr(block_index, "_QUERIES", 3)
    monkeypatch.setattr(block_index, "_FEW_QUERIES", 1)


def assigned(name: str, candidates: np.ndarray) -> indexes.Index:
    index = indexes.create(name)
    index.assign(candidates)
    return index


def ragged(lists: list[list[int]]) -> tf.RaggedTensor:
    values = tf.constant([row for rows in lists for row in rows], tf.int64)
    return tf.RaggedTensor.from_row_lengths(values, tf.constant([len(rows) for rows in lists], tf.int64))


def assert_equal(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])


# Whole numbers, so that scores are exact and ties are real.
@EXACT
@settings(max_examples=40, deadline=None)
@given(
    num_candidates=st.integers(62, 200),
    num_queries=st.integers(0, 7),
    k=st.integers(1, 9),
    values=st.sampled_from([0, 1, 2, 50]),
    most_excluded=st.sampled_from([0, 1, 12, 200]),
    seed=st.integers(0, 2**16),
)
@pytest.mark.usefixtures("small_tiles")
def test_it_is_a_sort(name, num_candidates, num_queries, k, values, most_excluded, seed):
    rng = np.random.default_rng(seed)
    candidates = rng.integers(-values, values + 1, (num_candidates, 3)).astype(np.float32)
    candidates[rng.random(num_candidates) < 0.2] = 0
    queries = rng.integers(-2, 3, (num_queries, 3)).astype(np.float32)
    # The best are excluded most of all: they are what is in the way.
    most = min(most_excluded, num_candidates)
    excluded = [oracle.best(scores, rng.integers(0, most + 1)) for scores in queries @ candidates.T]
    found = assigned(name, candidates).search_rows(tf.constant(queries), k, ragged(excluded) if most else None)
    assert_equal(found, oracle.search(queries, candidates, k, excluded))


@EXACT
@pytest.mark.usefixtures("small_tiles")
def test_another_number_of_candidates_takes_its_place(name):
    index, rng = indexes.create(name), np.random.default_rng(0)
    query = np.array([[1.0, -2.0]], np.float32)
    for size in (200, 5, 65, 1000):
        candidates = rng.integers(-9, 9, (size, 2)).astype(np.float32)
        index.assign(candidates)
        assert_equal(index.search(query, 4), oracle.search(query, candidates, 4))
        np.testing.assert_array_equal(index.embeddings, candidates)


@EXACT
@pytest.mark.usefixtures("small_tiles")
def test_what_is_found_does_not_depend_on_the_other_queries(name):
    rng = np.random.default_rng(1)
    index = assigned(name, rng.normal(size=(500, 5)).astype(np.float32))
    queries = tf.constant(rng.normal(size=(7, 5)), tf.float32)
    scores, rows = index.search_rows(queries, 6)
    for query in range(7):
        alone, same = index.search_rows(queries[query : query + 1], 6)
        np.testing.assert_array_equal(same[0], rows[query])
        np.testing.assert_allclose(alone[0], scores[query], rtol=1e-6)


@EXACT
@pytest.mark.parametrize("num_queries", [1, 2])
@pytest.mark.usefixtures("small_tiles")
def test_that_none_is_left_is_said_by_the_score(name, num_queries):
    index = assigned(name, np.ones((64, 1), np.float32))
    scores, rows = index.search_rows(tf.ones((num_queries, 1)), 2, ragged([list(range(64))] * num_queries))
    assert scores.numpy().tolist() == [[-np.inf] * 2] * num_queries
    assert rows.numpy().tolist() == [[-1, -1]] * num_queries


@EXACT
@pytest.mark.parametrize("num_queries", [1, 2])
@pytest.mark.usefixtures("small_tiles")
def test_the_last_candidate_is_found_once(name, num_queries):
    """Copies of it fill up the last block and the last tile."""
    index = assigned(name, np.arange(67.0)[:, np.newaxis])
    rows = index.search(np.ones((num_queries, 1)), 3)[1]
    assert rows.tolist() == [[66, 65, 64]] * num_queries


def sizes_of_a_real_corpus() -> Iterator[int]:
    yield from (2 * REAL_TILE - 1, 2 * REAL_TILE, 2 * REAL_TILE + 17)


@pytest.fixture(scope="module", params=sizes_of_a_real_corpus())
def real(request: pytest.FixtureRequest) -> tuple[np.ndarray, dict[str, indexes.Index]]:
    candidates = np.random.default_rng(2).integers(-4, 5, (request.param, 6)).astype(np.float32)
    return candidates, {name: assigned(name, candidates) for name in ("brute_force", "int8")}


@EXACT
@pytest.mark.parametrize("num_queries", [1, 3, 4, 5, 6])
def test_a_corpus_of_real_size(name, num_queries, real):
    assert (block_search.TILE, block_index._FEW_QUERIES) == (REAL_TILE, 4)
    candidates, index = real[0], real[1][name]
    queries = np.random.default_rng(num_queries).integers(-3, 4, (num_queries, 6)).astype(np.float32)
    excluded = [oracle.best(scores, 7) for scores in queries @ candidates.T]
    for k in (1, 10):
        assert_equal(index.search(queries, k), oracle.search(queries, candidates, k))
        found = index.search_rows(tf.constant(queries), k, ragged(excluded))
        assert_equal(found, oracle.search(queries, candidates, k, excluded))
    # Too many for blocks: a quarter of them would be chosen.
    assert_equal(index.search(queries, 200), oracle.search(queries, candidates, 200))


@EXACT
def test_graphs_of_small_tiles_do_not_stay(name, real, small_tiles, monkeypatch):
    """Sizes are read from the tensors, so that a graph fits those of every size."""
    rng = np.random.default_rng(3)
    candidates = rng.integers(-4, 5, (100, 6)).astype(np.float32)
    queries = rng.integers(-3, 4, (5, 6)).astype(np.float32)
    small = assigned(name, candidates)
    assert small.tensors()["tiles"].shape == (4, 6, 32)
    for index, of_index in ((small, candidates), (real[1][name], real[0]), (small, candidates)):
        for num_queries in (1, 5):
            expected = oracle.search(queries[:num_queries], of_index, 3)
            assert_equal(index.search(queries[:num_queries], 3), expected)
    monkeypatch.undo()
    assert block_search.TILE == REAL_TILE
    for index, of_index in ((small, candidates), (real[1][name], real[0])):
        assert_equal(index.search(queries, 3), oracle.search(queries, of_index, 3))


@EXACT
@pytest.mark.usefixtures("small_tiles")
def test_many_queries_are_searched_some_at_a_time(name, monkeypatch):
    rng = np.random.default_rng(4)
    candidates = rng.integers(-9, 9, (300, 2)).astype(np.float32)
    queries = rng.integers(-9, 9, (11, 2)).astype(np.float32)
    index = assigned(name, candidates)
    assert index.queries_at_once(5, 0) == 3
    assert_equal(index.search(queries, 5), oracle.search(queries, candidates, 5))
    monkeypatch.setattr(block_index, "_MAX_GATHERED", 20)
    assert index.queries_at_once(5, 0) == 1
    # All scores are taken where the best lie in too many of the blocks.
    monkeypatch.setattr(block_index, "MAX_SCORES", 600)
    assert index.queries_at_once(40, 0) == index.queries_at_once(1, 39) == 2
    assert_equal(index.search(queries, 40), oracle.search(queries, candidates, 40))
