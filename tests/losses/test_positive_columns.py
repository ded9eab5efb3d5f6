"""Candidates given once, with the column of each row's positive."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError, ArgumentTypeError
from reciperec_layers.losses import InBatchSoftmax
from tests.losses.softmax_cases import (
    CALLS,
    CANDIDATES,
    QUERIES,
    expected_of,
    found_of,
    tiles_of,
)


@settings(deadline=None, max_examples=60)
@given(**CALLS, data=st.data())
def test_candidates_given_once_equal_the_oracle_with_all_repeats(batch, options, passed, tile_rows, in_graph, data):
    num_queries, num_candidates = batch["score_mask"].shape
    columns = np.array(
        data.draw(st.lists(st.integers(0, num_candidates - 1), min_size=num_queries, max_size=num_queries))
    )
    order = np.concatenate([columns, np.setdiff1d(np.arange(num_candidates), columns)])
    batch["candidate_ids"] = 2 * np.arange(num_candidates) // 3  # candidates that differ may have one id
    given = {name: batch[name] for name in passed}
    repeated = {name: value if name == "sample_weight" else value[..., order] for name, value in given.items()}
    ids = batch["candidate_ids"]
    expected = expected_of(options, batch["queries"], batch["candidates"][order], ids[order], repeated)
    given["positive_columns"] = columns
    with tiles_of(tile_rows):
        found = found_of(options, batch["queries"], batch["candidates"], ids, given, in_graph)
    of_candidates = np.zeros_like(batch["candidates"], np.float64)
    np.add.at(of_candidates, order, expected[2])
    for ours, theirs in zip(found, [*expected[:2], of_candidates], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_running_counts_count_repeats_of_candidates_given_once():
    batch = {"query_embeddings": np.tile(QUERIES, (2, 1))}
    once, repeated = (InBatchSoftmax(sampling_correction="counts") for _ in range(2))
    columns = np.array([1, 0, 1, 1])
    for _ in range(2):
        ours = once(
            **batch, candidate_embeddings=CANDIDATES[:2], candidate_ids=[7, 9], positive_columns=columns, training=True
        )
        ids = np.array([7, 9])[columns]
        theirs = repeated(**batch, candidate_embeddings=CANDIDATES[columns], candidate_ids=ids, training=True)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    for layer in (once, repeated):
        np.testing.assert_allclose(np.exp(layer.correction(tf.constant([7, 9]))), [2 / 8, 6 / 8], rtol=1e-6)


def test_a_mask_that_takes_out_a_positive_takes_out_its_repeats():
    """The positive of a row itself stays, its repeats as the positives of other rows do not."""
    layer = InBatchSoftmax(reduction="none")
    mask = np.array([[False, True], [True, True], [True, True]])
    queries = np.concatenate([QUERIES, QUERIES[:1]])
    columns = np.array([0, 1, 0])
    ours = layer(queries, CANDIDATES[:2], score_mask=mask, positive_columns=columns)
    theirs = layer(queries, CANDIDATES[columns], score_mask=mask[:, columns])
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize(
    ("columns", "message", "error"),
    [
        (np.array([0]), "`positive_columns` must have the shape (num_queries,)", ArgumentError),
        (np.array([0.0, 1.0]), "`positive_columns` must be integers", ArgumentTypeError),
    ],
)
def test_refuses_columns(columns, message, error):
    with pytest.raises(error) as caught:
        InBatchSoftmax()(QUERIES, CANDIDATES, positive_columns=columns)
    assert str(caught.value).startswith(f"InBatchSoftmax: {message}")


@pytest.mark.parametrize("num_hard_negatives", [None, 1])
def test_a_column_that_no_candidate_has_is_an_error(num_hard_negatives):
    with pytest.raises(tf.errors.InvalidArgumentError, match="positive_columns"):
        InBatchSoftmax(num_hard_negatives=num_hard_negatives)(QUERIES, CANDIDATES, positive_columns=np.array([0, 3]))
