"""The bounds of 8-bit numbers are bounds, so that the search is exact whatever the numbers are."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.indexes import Int8Index, block_index, block_search
from tests.indexes import oracle

pytestmark = pytest.mark.usefixtures("small_tiles")
BLOCK, TILE = 2, 32


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in {"TILE": TILE, "BLOCK": BLOCK}.items():
        monkeypatch.setattr(block_search, name, size)
    monkeypatch.setattr(block_index, "_FEW_QUERIES", 0)


def assigned(candidates: np.ndarray) -> Int8Index:
    index = Int8Index()
    index.assign(candidates)
    assert index.tensors()["tiles"].shape[0] > 1
    return index


# Powers of 2 change no digit: scores are exact, and a block has long and short candidates.
@settings(max_examples=40, deadline=None)
@given(
    dim=st.integers(1, 4),
    values=st.sampled_from([1, 3, 1000]),
    exponents=st.sampled_from([(0, 0), (-20, 20), (-60, -60), (50, 50)]),
    k=st.integers(1, 6),
    seed=st.integers(0, 2**16),
)
def test_any_length(dim, values, exponents, k, seed):
    rng = np.random.default_rng(seed)
    candidates = rng.integers(-values, values + 1, (96, dim)).astype(np.float32)
    candidates *= np.float32(2.0) ** rng.integers(exponents[0], exponents[1] + 1, (96, 1)).astype(np.float32)
    # One coordinate alone: sums of long and short numbers would be rounded.
    queries = np.zeros((4, dim), np.float32)
    queries[np.arange(4), rng.integers(0, dim, 4)] = rng.integers(-3, 4, 4)
    found = assigned(candidates).search(queries, k)
    expected = oracle.search(queries, candidates, k)
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])


@pytest.mark.parametrize("smallest", [1e-6, 1e-30])
@pytest.mark.parametrize("largest", [1.0, 1e6])
def test_long_and_short_candidates_in_a_block(smallest, largest):
    rng = np.random.default_rng(1)
    candidates = rng.normal(size=(800, 5)).astype(np.float32)
    candidates *= np.where(rng.random((800, 1)) < 0.95, smallest, largest).astype(np.float32)
    queries = rng.normal(size=(6, 5)).astype(np.float32)
    # Without the long ones the best are the short ones, also those beside a long one.
    long = np.flatnonzero(np.abs(candidates).max(axis=1) > largest / 100)
    for excluded in (None, [long] * 6):
        left_out = None if excluded is None else tf.ragged.constant([each.tolist() for each in excluded], tf.int64)
        scores, rows = assigned(candidates).search_rows(tf.constant(queries), 5, left_out)
        expected = oracle.search(queries, candidates, 5, excluded)
        np.testing.assert_array_equal(rows, expected[1])
        np.testing.assert_allclose(scores, expected[0], rtol=1e-5)


def test_zeros_and_candidates_that_are_all_alike():
    for candidates in (np.zeros((70, 3)), np.ones((70, 3)), np.eye(3)[np.arange(70) % 2]):
        candidates = candidates.astype(np.float32)
        queries = np.array([[1, 2, 3], [0, 0, 0], [-1, 0, 1]], np.float32)
        found = assigned(candidates).search(queries, 4)
        expected = oracle.search(queries, candidates, 4)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[0], expected[0])


@pytest.mark.parametrize("length", [1.0, 1e-30])
def test_differences_that_8_bits_do_not_show(length):
    rng = np.random.default_rng(2)
    candidates = np.stack([np.full(400, 100), rng.uniform(-0.3, 0.3, 400)], axis=1).astype(np.float32)
    queries = np.array([[0, 1], [0, -1], [0, 3]], np.float32) * np.float32(length)
    index = assigned(candidates)
    assert not index.tensors()["tiles"].numpy()[:, 1].any()
    expected = oracle.search(queries, candidates, 3)
    scores, rows = index.search(queries, 3)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_allclose(scores, expected[0], rtol=1e-6)


def test_a_tie_goes_to_the_first_although_later_blocks_have_larger_bounds():
    candidates = np.array([[0, 0]] * 60 + [[0, 1]] * 38, np.float32)
    assert assigned(candidates).search([[1.0, 0.0]], 3)[1].tolist() == [[0, 1, 2]]


@settings(max_examples=40, deadline=None)
@given(dim=st.integers(1, 5), exponent=st.integers(-25, 12), seed=st.integers(0, 2**16))
def test_a_bound_is_never_below_the_score(dim, exponent, seed):
    rng = np.random.default_rng(seed)
    # Pairs of equal candidates make blocks whose bounds have nothing to spare.
    candidates = np.repeat(rng.normal(size=(40, dim)), rng.integers(1, 3), axis=0) * 10.0**exponent
    candidates = np.concatenate([candidates, rng.normal(size=(31, dim))]).astype(np.float32)
    queries = rng.normal(size=(20, dim)).astype(np.float32)
    tensors = {name: tensor.numpy() for name, tensor in assigned(candidates).tensors().items()}
    scores = (queries.astype(np.float64) @ candidates.astype(np.float64).T).T
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    for block in range(len(candidates) // BLOCK):
        tile, place = divmod(block, TILE // BLOCK)
        whole = tensors["tiles"][tile].reshape(dim, BLOCK, -1)[:, :, place].astype(np.float64)
        scale, error = (tensors[name][tile, 0, place].astype(np.float64) for name in ("scales", "errors"))
        bounds = (queries @ whole).max(axis=1) * scale + lengths * error
        assert (bounds >= scores[block * BLOCK : (block + 1) * BLOCK].max(axis=0)).all()


def test_it_keeps_each_number_as_one_byte_and_as_four():
    index = assigned(np.random.default_rng(0).normal(size=(96, 5)))
    tensors = index.tensors()
    assert tensors["tiles"].dtype == tf.int8
    assert tensors["tiles"].shape == (3, 5, TILE)
    assert tensors["blocks"].shape == (96 // BLOCK, BLOCK * 5)
    assert np.abs(tensors["tiles"].numpy().astype(int)).max() == 127
