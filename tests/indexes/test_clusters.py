"""Clusters of directions."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers import indexes
from reciperec_layers.errors import MissingExtraError
from reciperec_layers.indexes import clusters
from reciperec_layers.indexes.clusters import learn_directions, nearest_directions


@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 8), num_clusters=st.integers(1, 8), seed=st.integers(0, 99), values=st.sampled_from([0, 9]))
def test_directions_have_unit_length(size, num_clusters, seed, values):
    num_clusters = min(num_clusters, size)
    embeddings = np.random.default_rng(seed).integers(-values, values + 1, (size, 3)).astype(np.float32)
    directions = learn_directions(tf.constant(embeddings), num_clusters, seed)
    assert directions.shape == (num_clusters, 3)
    assert directions.dtype == np.float32
    lengths = np.linalg.norm(directions, axis=1)
    np.testing.assert_allclose(lengths[lengths > 0], 1, rtol=1e-6)
    assert values or not lengths.any()


def test_clusters_that_are_apart_are_found_whatever_the_lengths():
    rng = np.random.default_rng(0)
    centres, of_row = np.eye(4)[:3], rng.integers(0, 3, 600)
    embeddings = (centres[of_row] + rng.normal(0, 0.05, (600, 4))) * rng.lognormal(0, 2, (600, 1))
    embeddings = tf.constant(embeddings, tf.float32)
    best = max(
        (learn_directions(embeddings, 3, seed) for seed in range(5)), key=lambda each: (centres @ each.T).max(1).sum()
    )
    np.testing.assert_allclose((centres @ best.T).max(axis=1), 1, atol=0.01)
    found = nearest_directions(embeddings, best)
    assert len(set(zip(of_row.tolist(), found.tolist(), strict=True))) == 3


def test_a_seed_gives_the_same_directions():
    embeddings = tf.constant(np.random.default_rng(1).normal(size=(500, 5)), tf.float32)
    first, second, other = (learn_directions(embeddings, 4, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_sample_is_enough(monkeypatch):
    monkeypatch.setattr(clusters, "SAMPLE_OF_CLUSTER", 2)
    embeddings = tf.constant(np.random.default_rng(1).normal(size=(500, 5)), tf.float32)
    assert learn_directions(embeddings, 4, 0).shape == (4, 5)


def test_the_nearest_are_those_with_the_largest_product(monkeypatch):
    rng = np.random.default_rng(2)
    embeddings, directions = rng.normal(size=(50, 3)).astype(np.float32), rng.normal(size=(6, 3)).astype(np.float32)
    expected = (embeddings @ directions.T).argmax(axis=1)
    for rows_at_once in (7, 50, 8192):
        monkeypatch.setattr(clusters, "_ROWS_AT_ONCE", rows_at_once)
        found = nearest_directions(tf.constant(embeddings), directions)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, expected)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    index = indexes.InvertedFileIndex()
    message = (
        r'InvertedFileIndex: .*scikit-learn, which is not installed. Install it: pip install "reciperec-layers\[ind'
    )
    with pytest.raises(MissingExtraError, match=message):
        index.assign(np.eye(3))
    assert index.num_candidates == 0


def test_what_is_learned_needs_no_scikit_learn_again(monkeypatch, tmp_path):
    index = indexes.InvertedFileIndex(num_clusters=2)
    index.assign(np.eye(3), ["pie", "soup", "stew"])
    index.save(tmp_path / "pies.index")
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    loaded = indexes.load_index(tmp_path / "pies.index")
    loaded.append([[1.0, 1.0, 0.0]], ["cake"])
    loaded.remove(["pie"])
    assert loaded.search([[2.0, 1.0, 0.0]], 2)[1].tolist() == [["cake", "soup"]]
