"""Approximate search: what it finds of what NumPy finds, and that what it returns is right."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers import indexes
from reciperec_layers.errors import ArgumentError
from reciperec_layers.indexes import InvertedFileIndex, inverted_file
from tests.indexes import oracle

SIZE, DIM, NUM_QUERIES = 30_000, 16, 50
SCORED = 0.07


def clustered(spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Candidates around 200 directions, whose lengths are lognormal, and queries that are like them."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(200, DIM))

    def near(size: int) -> np.ndarray:
        points = centres[rng.integers(0, 200, size)] + rng.normal(0, 0.4, (size, DIM))
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    candidates = near(SIZE) * rng.lognormal(0, spread, (SIZE, 1))
    return candidates.astype(np.float32), near(NUM_QUERIES).astype(np.float32)


@pytest.fixture(scope="module", params=[0.0, 0.7], ids=["equal lengths", "skewed lengths"])
def large(request: pytest.FixtureRequest) -> tuple[InvertedFileIndex, np.ndarray, np.ndarray]:
    candidates, queries = clustered(request.param)
    index = InvertedFileIndex(SCORED, seed=3)
    index.assign(candidates)
    return index, candidates, queries


@pytest.fixture
def few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One block is enough, so that few candidates already leave some out."""
    monkeypatch.setattr(inverted_file, "_MIN_BLOCKS", 1)


def small(scored_fraction: float, **options) -> tuple[InvertedFileIndex, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    candidates = rng.integers(-9, 10, (600, 3)).astype(np.float32)
    index = InvertedFileIndex(scored_fraction, num_clusters=8, **options)
    index.assign(candidates)
    return index, candidates, rng.integers(-9, 10, (6, 3)).astype(np.float32)


@pytest.mark.parametrize("k", [10, 100])
def test_it_finds_most(large, k):
    index, candidates, queries = large
    expected = oracle.search(queries, candidates, k)
    scores, rows = index.search(queries, k)
    assert oracle.recall(rows, expected[1]) >= 0.95
    # What it returns is right, and best first.
    products = np.take_along_axis(queries @ candidates.T, rows, axis=1)
    np.testing.assert_allclose(scores, products, rtol=1e-4, atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert all(len(set(row)) == k for row in rows.tolist())


@pytest.mark.usefixtures("few_blocks")
def test_it_finds_less_where_less_is_scored(large):
    index, candidates, queries = large
    expected = oracle.search(queries, candidates, 100)[1]
    found = []
    try:
        for fraction in (0.005, 0.05, 1.0):
            index.scored_fraction = fraction
            found.append(oracle.recall(index.search(queries, 100)[1], expected))
    finally:
        index.scored_fraction = SCORED
    assert found == sorted(found)
    assert found[0] < found[2] == 1


def test_excluded_ones_make_place_for_the_next(large):
    index, candidates, queries = large
    best = oracle.search(queries, candidates, 20)[1]
    expected = oracle.search(queries, candidates, 10, best.tolist())[1]
    rows = index.search(queries, 10, exclude=best.tolist())[1]
    assert oracle.recall(rows, expected) >= 0.9
    assert not any(set(a) & set(b) for a, b in zip(rows.tolist(), best.tolist(), strict=True))


# Whole numbers, so that scores are exact and ties are real.
@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(1, 300),
    num_clusters=st.sampled_from([None, 1, 7]),
    values=st.sampled_from([0, 1, 9]),
    k=st.integers(1, 9),
    seed=st.integers(0, 2**16),
)
@pytest.mark.usefixtures("few_blocks")
def test_all_scored_is_brute_force(size, num_clusters, values, k, seed):
    rng = np.random.default_rng(seed)
    candidates = rng.integers(-values, values + 1, (size, 2)).astype(np.float32)
    queries = rng.integers(-3, 4, (3, 2)).astype(np.float32)
    index = InvertedFileIndex(1.0, num_clusters, seed)
    index.assign(candidates)
    scores, rows = index.search(queries, k)
    expected = oracle.search(queries, candidates, k)
    np.testing.assert_array_equal(scores, expected[0])
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_array_equal(index.embeddings, candidates)


@functools.cache
def shared() -> tuple[InvertedFileIndex, np.ndarray, np.ndarray]:
    return small(0.1)


# Of whatever is scored the result is the best, and no candidate is lost on the way to it.
@settings(max_examples=25, deadline=None)
@given(num_excluded=st.sampled_from([0, 5, 595, 600]), k=st.integers(1, 40), fraction=st.sampled_from([0.01, 0.1, 0.3]))
@pytest.mark.usefixtures("few_blocks")
def test_some_scored(num_excluded, k, fraction):
    index, candidates, queries = shared()
    index.scored_fraction = fraction
    excluded = [oracle.best(scores, num_excluded) for scores in queries @ candidates.T]
    scores, rows = index.search(queries, k, exclude=excluded)
    left = min(k, 600 - num_excluded)
    for query, (row_scores, row) in enumerate(zip(scores, rows.tolist(), strict=True)):
        assert row[left:] == [-1] * (k - left)
        assert row_scores[left:].tolist() == [-np.inf] * (k - left)
        assert len(set(row[:left]) - set(excluded[query])) == left
        assert row_scores[:left].tolist() == sorted((candidates[row[:left]] @ queries[query]).tolist(), reverse=True)
        assert row_scores[:left].tolist() == (candidates[row[:left]] @ queries[query]).tolist()


@pytest.mark.usefixtures("few_blocks")
def test_where_fewer_are_found_all_are_scored():
    index, candidates, queries = small(0.05)
    assert int(index.tensors()["num_scored_blocks"]) == 2
    first = index.search(queries, 64)[1]
    # All that was scored is excluded: there would be nothing.
    excluded = np.concatenate([first, oracle.search(queries, candidates, 300)[1]], axis=1).tolist()
    scores = index.search(queries, 200, exclude=excluded)[0]
    np.testing.assert_array_equal(scores, oracle.search(queries, candidates, 200, excluded)[0])


@pytest.mark.usefixtures("few_blocks")
def test_the_fraction_may_be_set_at_any_time():
    index, candidates, queries = small(0.02, k=10)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, index(inputs))
    exact = oracle.search(queries, candidates, 10)[0]
    for fraction, is_exact in ((0.02, False), (1, True), (0.02, False)):
        index.scored_fraction = fraction
        for scores in (index.search(queries)[0], model.predict(queries, verbose=0)[0]):
            assert np.array_equal(scores, exact) == is_exact
        assert index.get_config()["scored_fraction"] == fraction
    index.scored_fraction = np.float32(0.5)
    assert type(index.get_config()["scored_fraction"]) is float


@pytest.mark.usefixtures("few_blocks")
def test_a_seed_gives_the_same_index():
    index, again, other = (small(0.05, seed=seed)[0] for seed in (1, 1, 2))
    for name, array in index.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    assert not np.array_equal(index.arrays()["learned_directions"], other.arrays()["learned_directions"])


def test_blocks_hold_each_candidate_once():
    index, candidates, _ = small(0.5)
    tensors = {name: tensor.numpy() for name, tensor in index.tensors().items()}
    rows = tensors["rows"].ravel()
    assert sorted(rows[rows >= 0].tolist()) == list(range(600))
    np.testing.assert_array_equal(rows[tensors["places"]], np.arange(600))
    clusters = index.arrays()["learned_clusters"]
    for of_block in tensors["rows"]:
        members = of_block[of_block >= 0]
        assert len(set(clusters[members])) == 1
        lengths = np.linalg.norm(candidates[members], axis=1)
        assert (np.diff(lengths) <= 1e-5).all()


@pytest.mark.parametrize("size", [1, 2, 70])
@pytest.mark.parametrize("num_clusters", [None, 1, 5])
@pytest.mark.usefixtures("few_blocks")
def test_candidates_that_are_alike(size, num_clusters):
    for candidates in (np.ones((size, 3)), np.zeros((size, 3)), np.eye(3)[np.arange(size) % 2]):
        index = InvertedFileIndex(0.01, num_clusters)
        index.assign(candidates)
        scores, rows = index.search([[1.0, 2.0, 3.0]], size)
        assert sorted(rows[0].tolist()) == list(range(size))
        np.testing.assert_array_equal(scores[0], sorted(candidates @ [1, 2, 3], reverse=True))


def test_extend_and_select_follow_the_candidates():
    index = InvertedFileIndex(num_clusters=2)
    learned = {"directions": np.eye(2, dtype=np.float32), "clusters": np.array([0, 1], np.int32)}
    extended = index.extend(learned, np.array([[1, 3], [3, 1]], np.float32))
    assert extended["clusters"].tolist() == [0, 1, 1, 0]
    assert index.select(extended, np.array([1, 3]))["clusters"].tolist() == [1, 0]
    assert learned["clusters"].tolist() == [0, 1]


@pytest.mark.usefixtures("few_blocks")
def test_clusters_stay_when_candidates_come_and_go():
    index, candidates, queries = small(0.1)
    directions = index.arrays()["learned_directions"]
    extra = np.full((40, 3), 100, np.float32) * np.array([1, -1, 1], np.float32)
    index.append(extra, np.arange(1000, 1040))
    index.remove(np.arange(0, 600, 2))
    np.testing.assert_array_equal(index.arrays()["learned_directions"], directions)
    assert set(index.search([[1.0, -1.0, 1.0]], 40)[1][0].tolist()) == set(range(1000, 1040))
    index.scored_fraction = 1.0
    joined = np.concatenate([candidates[1::2], extra])
    np.testing.assert_array_equal(index.search(queries, 30)[0], oracle.search(queries, joined, 30)[0])


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1, True, "0.5", None, float("nan")])
def test_a_fraction_out_of_range(fraction):
    with pytest.raises(
        ArgumentError, match=r"InvertedFileIndex: `scored_fraction` must be a number in \(0, 1\]. Received:"
    ):
        InvertedFileIndex(fraction)
    index = InvertedFileIndex(0.5)
    with pytest.raises(ArgumentError, match=r"`scored_fraction` must be a number in \(0, 1\]"):
        index.scored_fraction = fraction
    assert index.scored_fraction == 0.5


@pytest.mark.parametrize("num_clusters", [0, -1, 1.5, True])
def test_a_wrong_number_of_clusters(num_clusters):
    with pytest.raises(ArgumentError, match="InvertedFileIndex: `num_clusters` must be a positive integer"):
        indexes.create("inverted_file", num_clusters=num_clusters)
