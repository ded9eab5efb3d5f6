"""tune: the smallest fraction with which searches themselves find enough."""

from __future__ import annotations

import importlib
import re

import numpy as np
import pytest
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, StateError
from reciperec_layers.indexes import BruteForceIndex, InvertedFileIndex, inverted_file, tune


@pytest.fixture
def few_blocks(monkeypatch):
    """Without a least number of blocks, so that small corpora have something to tune."""
    monkeypatch.setattr(inverted_file, "_MIN_BLOCKS", 1)


def corpus(num_candidates=4000, dim=8, seed=0, skew=0.5):
    rng = np.random.default_rng(seed)
    lengths = np.exp(skew * rng.normal(size=(num_candidates, 1)))
    candidates, queries = rng.normal(size=(num_candidates, dim)) * lengths, rng.normal(size=(30, dim))
    index = InvertedFileIndex(seed=1)
    index.assign(candidates)
    return index, candidates.astype(np.float32), queries.astype(np.float32)


def recall(index, candidates, queries, k):
    """Share of the k best that a search finds, by a sort in NumPy."""
    best = np.argsort(-(queries @ candidates.T), axis=1)[:, :k]
    rows = index.search_rows(tf.constant(queries), k)[1].numpy()
    return np.mean([len(set(one) & set(other)) / k for one, other in zip(best, rows, strict=True)])


@pytest.mark.parametrize(("goal", "k"), [(0.5, 10), (0.9, 10), (0.95, 30), (1.0, 5)])
def test_it_is_the_smallest_that_suffices(few_blocks, goal, k):
    index, candidates, queries = corpus()
    fraction = tune(index, queries, goal, k)
    assert fraction == index.scored_fraction
    assert recall(index, candidates, queries, k) >= goal
    num_blocks = index.tensors()["rows"].shape[0]
    count = int(index.tensors()["num_scored_blocks"])
    assert 1 < count <= num_blocks // 2 + 1
    index.scored_fraction = (count - 1) / num_blocks
    assert int(index.tensors()["num_scored_blocks"]) == count - 1
    assert recall(index, candidates, queries, k) < goal


def test_chunks_of_queries_do_not_matter(few_blocks, monkeypatch):
    index, _, queries = corpus()
    whole = tune(index, queries, 0.9, 10)
    monkeypatch.setattr(importlib.import_module(tune.__module__), "MAX_SCORES", 10_000)
    assert tune(index, queries, 0.9, 10) == whole


def test_equal_candidates_are_as_good_as_each_other(few_blocks):
    index = InvertedFileIndex(num_clusters=4)
    index.assign(np.ones((2000, 3)))
    assert tune(index, np.ones((5, 3)), 1.0, 20) == 1 / index.tensors()["rows"].shape[0]


def test_some_blocks_are_scored_in_any_case():
    index, candidates, queries = corpus(num_candidates=8000)
    num_blocks = index.tensors()["rows"].shape[0]
    assert tune(index, queries, 0.01, 1) == pytest.approx(64 / num_blocks)
    assert tune(index, queries, 0.01, 800) == pytest.approx(64 / num_blocks)
    index.scored_fraction = 1.0
    small, candidates, queries = corpus(num_candidates=500)
    fraction = tune(small, queries, 1.0, 10)
    assert 0.5 < fraction < 0.6
    assert recall(small, candidates, queries, 10) == 1


def test_more_results_than_candidates():
    index, _, queries = corpus(num_candidates=40)
    tune(index, queries, 1.0, 100)
    assert index.search(queries, 100)[0][0, 39] > -np.inf


def test_wrong_arguments():
    index, _, queries = corpus(num_candidates=100)
    before = index.scored_fraction
    for arguments, error, match in (
        ((queries, 0.0), ArgumentError, "tune: `recall` must be a number in (0, 1]. Received: recall=0.0."),
        ((queries, 95), ArgumentError, "`recall` must be a number in (0, 1]"),
        ((queries, "high"), ArgumentError, "`recall` must be a number in (0, 1]"),
        ((queries, True), ArgumentError, "`recall` must be a number in (0, 1]"),
        ((queries, 0.9, 0), ArgumentError, "tune: `k` must be a positive integer"),
        ((queries[:0],), ArgumentError, "one query or more"),
        ((queries[:, :2],), ArgumentError, "tune: `queries` must be numbers of shape (num_queries, 8)"),
    ):
        with pytest.raises(error, match=re.escape(match)):
            tune(index, *arguments)
    assert index.scored_fraction == before
    with pytest.raises(ArgumentTypeError, match="tune: `index` must be an InvertedFileIndex"):
        tune(BruteForceIndex(), queries)
    with pytest.raises(StateError, match="InvertedFileIndex: the index has no candidates"):
        tune(InvertedFileIndex(), queries)
