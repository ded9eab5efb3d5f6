"""The parts of a search by blocks, each against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.indexes import block_search
from tests.indexes import oracle

ROWS_OF_TILE, ROWS_OF_BLOCK = 16, 2
BLOCKS_OF_TILE = ROWS_OF_TILE // ROWS_OF_BLOCK
SEEDS = st.integers(0, 2**16)


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def block_maxima(scores: np.ndarray) -> np.ndarray:
    """The largest score of each block, of shape `(num_queries, num_blocks)`."""
    starts = range(0, scores.shape[1], ROWS_OF_BLOCK)
    return np.stack([scores[:, start : start + ROWS_OF_BLOCK].max(axis=1) for start in starts], axis=1)


def by_block(maxima: tf.Tensor, num_blocks: int) -> np.ndarray:
    return np.concatenate(list(maxima.numpy()), axis=1)[:, :num_blocks]


@settings(deadline=None)
@given(size=st.integers(1, 70), dim=st.integers(1, 3), seed=SEEDS)
def test_blocks_and_tiles_hold_the_candidates(size, dim, seed):
    candidates = numbers(seed, size, dim)
    blocks = block_search.in_blocks(tf.constant(candidates), ROWS_OF_BLOCK).numpy()
    num_blocks, num_tiles = -(-size // ROWS_OF_BLOCK), -(-size // ROWS_OF_TILE)
    assert blocks.shape == (num_blocks, ROWS_OF_BLOCK * dim)
    np.testing.assert_array_equal(blocks.reshape(-1, dim)[:size], candidates)
    assert (blocks.reshape(-1, dim)[size:] == candidates[-1]).all()
    tiles = block_search.in_tiles(tf.constant(candidates), ROWS_OF_TILE, ROWS_OF_BLOCK).numpy()
    assert tiles.shape == (num_tiles, dim, ROWS_OF_TILE)
    for row in range(size):
        tile, place = divmod(row, ROWS_OF_TILE)
        column = place % ROWS_OF_BLOCK * BLOCKS_OF_TILE + place // ROWS_OF_BLOCK
        np.testing.assert_array_equal(tiles[tile, :, column], candidates[row])


@settings(deadline=None)
@given(size=st.integers(1, 70), num_queries=st.integers(1, 4), seed=SEEDS)
def test_maxima_are_the_largest_scores_of_blocks(size, num_queries, seed):
    candidates, queries = numbers(seed, size, 3), numbers(seed + 1, num_queries, 3)
    expected = block_maxima(queries @ candidates.T)
    tiles = block_search.in_tiles(tf.constant(candidates), ROWS_OF_TILE, ROWS_OF_BLOCK)
    blocks = block_search.in_blocks(tf.constant(candidates), ROWS_OF_BLOCK)
    of_tiles = block_search.maxima_of_tiles(
        tf.shape(tiles)[0], tf.constant(ROWS_OF_BLOCK), lambda tile: tf.matmul(tf.constant(queries), tiles[tile])
    )
    of_rows = block_search.maxima_of_rows(tf.constant(queries), blocks, tf.constant(BLOCKS_OF_TILE))
    assert of_tiles.shape == of_rows.shape == (len(tiles), num_queries, BLOCKS_OF_TILE)
    for maxima in (of_tiles, of_rows):
        np.testing.assert_array_equal(by_block(maxima, expected.shape[1]), expected)


@settings(deadline=None, max_examples=60)
@given(
    num_blocks=st.integers(1, 40), num_queries=st.integers(1, 3), filler=st.sampled_from([0.0, 99.0]), data=st.data()
)
def test_the_highest_blocks(num_blocks, num_queries, filler, data):
    count, seed = data.draw(st.integers(1, num_blocks)), data.draw(SEEDS)
    maxima = numbers(seed, num_queries, num_blocks)
    # What fills up the last tile is never chosen, and no block is lost for it.
    missing = -num_blocks % BLOCKS_OF_TILE
    filled = np.concatenate([maxima, np.full((num_queries, missing), filler, np.float32)], axis=1)
    by_tile = filled.reshape(num_queries, -1, BLOCKS_OF_TILE).transpose(1, 0, 2)
    chosen, least = block_search.highest_blocks(tf.constant(by_tile), tf.constant(count), tf.constant(num_blocks))
    expected = [sorted(oracle.best(each, count)) for each in maxima]
    assert chosen.numpy().tolist() == expected
    assert least.numpy().tolist() == [each[rows].min() for each, rows in zip(maxima, expected, strict=True)]


@settings(deadline=None, max_examples=60)
@given(size=st.integers(1, 30), k=st.integers(1, 8), has_excluded=st.booleans(), seed=SEEDS)
def test_the_best_of_the_chosen_blocks(size, k, has_excluded, seed):
    rng = np.random.default_rng(seed)
    candidates, queries = numbers(seed, size, 2), numbers(seed + 1, 3, 2)
    num_blocks = -(-size // ROWS_OF_BLOCK)
    num_chosen = int(rng.integers(1, num_blocks + 1))
    k = min(k, num_chosen * ROWS_OF_BLOCK)
    chosen = np.stack([np.sort(rng.choice(num_blocks, num_chosen, replace=False)) for _ in queries]).astype(np.int32)
    excluded = rng.integers(-1, size, (3, 5))  # with repeats, and -1 in empty places
    not_chosen = [set(range(size)) - {r for b in row for r in range(2 * b, 2 * b + 2)} for row in chosen.tolist()]
    left_out = [
        each | (set(rows) if has_excluded else set()) for each, rows in zip(not_chosen, excluded.tolist(), strict=True)
    ]
    blocks = block_search.in_blocks(tf.constant(candidates), ROWS_OF_BLOCK)
    scores, rows = block_search.best_of_blocks(
        tf.constant(queries),
        blocks,
        tf.constant(chosen),
        tf.constant(k),
        tf.constant(size, tf.int64),
        tf.constant(excluded) if has_excluded else None,
    )
    expected = oracle.search(queries, candidates, k, left_out)
    np.testing.assert_array_equal(scores, expected[0])
    np.testing.assert_array_equal(rows, expected[1])


@pytest.mark.parametrize("excluded", [[[0, 5]], [[-1, -1]], [[3, 3]], [[4, 9]]])
def test_excluded_places_outside_of_the_chosen_blocks_mask_nothing_else(excluded):
    chosen = [[1, 4]]
    scores = np.arange(4.0, dtype=np.float32)[np.newaxis]
    found = block_search.mask_excluded(tf.constant(scores), tf.constant(chosen), tf.constant(excluded, tf.int64))
    places = [2, 3, 8, 9]  # of the scores, counted through all blocks
    expected = [-np.inf if place in excluded[0] else score for place, score in zip(places, scores[0], strict=True)]
    assert found.numpy().tolist() == [expected]
