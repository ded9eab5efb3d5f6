"""Ranks in tiles against a sort, however many rows a tile has, and in graphs that do not know the batch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.candidates import held_out_ranks as module
from reciperec_layers.metrics import MISS
from tests.metrics.oracle import best_first


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    for name, size in {"_SCORES_OF_TILE": 40, "_LEAST_ROWS": 2, "_SCORES_AT_ONCE": 9}.items():
        monkeypatch.setattr(module, name, size)


@settings(max_examples=40, deadline=None)
@given(
    num_rows=st.integers(1, 12),
    num_candidates=st.integers(1, 15),
    leave_out=st.booleans(),
    known=st.booleans(),
    values=st.sampled_from([1, 1000]),
    seed=st.integers(0, 2**16),
)
def test_a_rank_is_the_place_in_a_sort(num_rows, num_candidates, leave_out, known, values, seed):
    rng = np.random.default_rng(seed)
    queries = rng.integers(-values, values + 1, (num_rows, 2)).astype(np.float32)
    candidates = rng.integers(-values, values + 1, (num_candidates, 2)).astype(np.float32)
    true_rows = rng.integers(-1, num_candidates, num_rows)
    excluded = [np.flatnonzero(rng.random(num_candidates) < 0.3).tolist() for _ in range(num_rows)]

    @tf.function(input_signature=[tf.TensorSpec([num_rows if known else None, 2]), tf.TensorSpec([None], tf.int64)])
    def ranks(queries, true_rows):
        rows = tf.ragged.constant(excluded, tf.int64, inner_shape=()) if leave_out else None
        return module.ranks_in_tiles(queries, tf.constant(candidates.T), num_candidates, true_rows, rows)

    expected = []
    for query, true_row, had in zip(queries, true_rows, excluded, strict=True):
        ranking = [row for row in best_first((candidates @ query).tolist()) if not (leave_out and row in had)]
        expected.append(ranking.index(true_row) + 1 if true_row in ranking else MISS)
    assert ranks(queries, true_rows).numpy().tolist() == expected
