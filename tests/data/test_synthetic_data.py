from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from reciperec_layers.data import (
    Popularity,
    SyntheticRecipes,
    seen,
    split_by_time,
    split_leave_last_out,
    split_random,
    synthetic_recipes,
)
from reciperec_layers.errors import ArgumentError, ColumnError, IdError

TOP_10 = "factorized_top_k/top_10_categorical_accuracy"
SPLITS = {
    "random": lambda frame: split_random(frame, seed=7),
    "time": lambda frame: split_by_time(frame, "time"),
    "last": lambda frame: split_leave_last_out(frame, "user_id", "time", num_test=4),
}


@pytest.fixture(scope="module")
def data():
    return synthetic_recipes(seed=0)


def test_sizes_columns_and_ids(data):
    interactions, recipes = data.interactions, data.recipes
    assert interactions.columns.tolist() == ["user_id", "recipe_id", "rating", "time"]
    assert recipes.columns.tolist() == ["recipe_id", "recipe_name", "cuisine", "ingredients", "minutes"]
    assert interactions["user_id"].value_counts().tolist() == [20] * 2000
    assert not interactions.duplicated(["user_id", "recipe_id"]).any()
    assert len(recipes) == 500
    assert recipes["recipe_id"].is_unique
    assert recipes["recipe_name"].is_unique
    assert set(interactions["recipe_id"]) <= set(recipes["recipe_id"])
    assert interactions["rating"].between(1, 5).all()
    assert interactions["time"].is_monotonic_increasing
    assert recipes["ingredients"].str.count(r"\^").eq(5).all()
    assert recipes["cuisine"].value_counts().tolist() == [50] * 10
    assert interactions.notna().all(axis=None)
    assert recipes.notna().all(axis=None)


def test_a_seed_gives_one_data_set(data):
    again, other = synthetic_recipes(seed=0), synthetic_recipes(seed=1)
    pd.testing.assert_frame_equal(again.interactions, data.interactions)
    pd.testing.assert_frame_equal(again.recipes, data.recipes)
    assert not other.interactions.equals(data.interactions)


def test_weights_are_shares_of_low_rank(data):
    assert data.weights.min() > 0
    np.testing.assert_allclose(data.weights.sum(axis=1), 1)
    assert np.linalg.matrix_rank(np.log(data.weights[:200]), tol=1e-6) <= 11


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("seed", range(3))
def test_the_best_recall_is_in_range_and_twice_that_of_popularity(seed, split):
    data = synthetic_recipes(seed)
    train, test = split(data.interactions)
    best = data.best_recall(train, test)
    popularity = Popularity(train, "recipe_id", data.recipes)
    assert 0.3 < best < 0.6
    for exclude in (None, seen(train, "user_id", "recipe_id")):
        assert best > 2 * popularity.evaluate(test, exclude=exclude)[TOP_10]


def test_recall_equals_a_loop_over_rows(data):
    train, test = split_random(data.interactions, test_size=50, seed=0)
    hits = []
    for user, recipe in zip(test["user_id"], test["recipe_id"], strict=True):
        weights = pd.Series(data.weights[data.user_ids.tolist().index(user)], index=data.recipes["recipe_id"])
        unseen = weights.drop(train["recipe_id"][train["user_id"] == user])
        hits.append(recipe in unseen.nlargest(3).index)
    assert data.best_recall(train, test, k=3) == pytest.approx(np.mean(hits))


def test_no_ranking_beats_the_weights():
    # All 3-draws of 5 recipes by Plackett-Luce; the second draw, or the last, is held out, with k = 1.
    weights = np.array([0.4, 0.25, 0.2, 0.1, 0.05])
    for held_out in (1, 2):
        chances: dict = {}
        for draw in permutations(range(5), 3):
            chance = 1.0
            for i, recipe in enumerate(draw):
                chance *= weights[recipe] / (1 - weights[list(draw[:i])].sum())
            train = frozenset(draw) - {draw[held_out]}
            chances.setdefault(train, np.zeros(5))[draw[held_out]] += chance
        for train, chance in chances.items():
            unseen = [recipe for recipe in range(5) if recipe not in train]
            assert chance.argmax() == max(unseen, key=lambda recipe: weights[recipe])


def test_a_held_out_row_that_was_seen_is_a_miss():
    recipes = pd.DataFrame({"recipe_id": [1, 2, 3]})
    frame = pd.DataFrame({"user_id": [7, 7], "recipe_id": [1, 2]})
    data = SyntheticRecipes(frame, recipes, np.array([7]), np.array([[0.5, 0.3, 0.2]]))
    assert data.best_recall(frame[:1], frame[1:], k=1) == 1.0
    assert data.best_recall(frame, frame, k=3) == 0.0


def test_wrong_input(data):
    with pytest.raises(ArgumentError, match="synthetic_recipes: `seed` must be an integer >= 0"):
        synthetic_recipes(seed=-1)
    rows = data.interactions[:2]
    with pytest.raises(ArgumentError, match="`k` must be"):
        data.best_recall(rows, rows, k=0)
    with pytest.raises(ArgumentError, match="at least 1 row is needed"):
        data.best_recall(rows, rows[:0])
    with pytest.raises(ColumnError, match="no column 'user_id'"):
        data.best_recall(rows, rows[["recipe_id"]])
    with pytest.raises(IdError, match="ids in column 'recipe_id' are not in this data set: 5"):
        data.best_recall(rows, rows.assign(recipe_id=5))
