"""A start by decomposition: the directions of NumPy's, laws of what counts, and models that begin with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError
from reciperec_layers.training.spectral_start import spectral_embeddings


def by_numpy(query_rows, candidate_rows, num_queries, num_candidates, dim):
    table = np.zeros((num_queries, num_candidates))
    table[query_rows, candidate_rows] = 1
    scaled = table / (np.maximum(table.sum(1, keepdims=True), 1) * np.maximum(table.sum(0), 1)) ** 0.4
    left, values, right = np.linalg.svd(scaled, full_matrices=False)
    sides = left[:, :dim] * values[:dim], right.T[:, :dim] * values[:dim]
    return [side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-30) for side in sides], values


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), dim=st.integers(1, 6))
def test_directions_are_those_of_numpy(seed, dim):
    random = np.random.default_rng(seed)
    every = np.arange(12)
    query_rows = np.concatenate([random.integers(0, 12, 40), every])
    candidate_rows = np.concatenate([random.integers(0, 9, 40), every % 9])
    expected, values = by_numpy(query_rows, candidate_rows, 12, 9, dim)
    if values[dim - 1] - values[dim] < 0.02:
        return  # the last direction is hardly determined
    found = spectral_embeddings(query_rows, candidate_rows, 12, 9, dim, seed=1)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=2e-2)  # equal up to a rotation
    np.testing.assert_allclose(found[0] @ found[1].T, expected[0] @ expected[1].T, atol=2e-2)


def test_a_pair_that_repeats_counts_once_and_who_had_nothing_is_zero():
    query_rows, candidate_rows = np.array([0, 0, 2, 2]), np.array([0, 1, 1, 3])
    once = spectral_embeddings(query_rows, candidate_rows, 4, 5, 3, seed=1)
    repeated = spectral_embeddings(np.repeat(query_rows, 3), np.repeat(candidate_rows, 3), 4, 5, 3, seed=1)
    for one, other in zip(once, repeated, strict=True):
        np.testing.assert_array_equal(one, other)
    lengths = [np.linalg.norm(side, axis=1) for side in once]
    np.testing.assert_allclose(lengths[0], [1, 0, 1, 0], atol=1e-5)
    np.testing.assert_allclose(lengths[1], [1, 1, 0, 1, 0], atol=1e-5)


def test_directions_beyond_the_rank_are_zero():
    queries, candidates = spectral_embeddings(np.array([0, 1]), np.array([0, 1]), 2, 2, 8, seed=1)
    assert queries.shape == candidates.shape == (2, 8)
    assert not queries[:, 2:].any()
    np.testing.assert_allclose(queries @ candidates.T, np.eye(2), atol=1e-5)


USERS, RECIPES = [f"user {n}" for n in range(12)], np.arange(8)
ROWS = {
    "user_id": np.repeat(USERS, 3),
    "recipe_id": np.concatenate([np.random.default_rng(n).permutation(4)[:3] + 4 * (n % 2) for n in range(12)]),
}


def make(query_tower, candidate_tower, **options):
    return rl.RetrievalModel(query_tower, candidate_tower, {"recipe_id": RECIPES}, "recipe_id", **options)


def own_half(model):
    """Returns the share of recommendations in the half that a user's recipes are of."""
    _, ids = model.recommend({"user_id": USERS}, k=4)
    return np.mean(ids // 4 == np.arange(12)[:, np.newaxis] % 2)


@pytest.mark.parametrize("normalize", [True, False])
def test_id_towers_recommend_before_the_first_step(normalize):
    model = make(
        rl.IdTower(USERS, 4, feature="user_id", normalize=normalize, seed=1),
        rl.IdTower(RECIPES, 4, feature="recipe_id", normalize=normalize, seed=2),
    )
    model.compile(loss=rl.losses.CorpusSoftmax(0.4))
    assert own_half(model) < 0.9
    model.warm_start(ROWS, seed=1)
    assert own_half(model) == 1
    for table in model.get_weights()[:2]:
        assert not table[0].any()  # the OOV row
        np.testing.assert_allclose(np.linalg.norm(table[1:], axis=1), 0.5 if normalize else 2, rtol=1e-4)


def test_feature_towers_with_a_prior_begin_with_both():
    model = rl.RetrievalModel.from_data(ROWS, {"recipe_id": RECIPES}, embedding_dim=4, seed=1)
    model.compile()
    before = model.recommend({"user_id": USERS}, k=8)[1]
    assert (before == before[0]).all()  # popularity
    model.warm_start(ROWS, seed=1)
    assert own_half(model) == 1


def test_a_dataset_and_a_frame_give_the_same():
    def started(rows_of):
        towers = rl.IdTower(USERS, 4, feature="user_id", seed=1), rl.IdTower(RECIPES, 4, feature="recipe_id", seed=2)
        model = make(*towers)
        model.compile()
        model.warm_start(rows_of(model), seed=3)
        return model.get_weights()

    for one, other in zip(started(lambda model: ROWS), started(lambda model: model.batches(ROWS, 5)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_cannot_start():
    mlp = rl.MLPTower(USERS, 4, feature="user_id")
    with pytest.raises(ArgumentError, match="MLPTower has no table of 'user_id' whose rows are"):
        make(mlp, rl.IdTower(RECIPES, 4, feature="recipe_id")).warm_start(ROWS)
    concatenated = rl.towers.FeatureTower({"user_id": rl.features.Id(USERS, width=4)}, 4, combine="concat")
    model = make(concatenated, rl.IdTower(RECIPES, 4, feature="recipe_id"), query_id="user_id")
    with pytest.raises(ArgumentError, match="FeatureTower has no table of 'user_id'"):
        model.warm_start(ROWS)
