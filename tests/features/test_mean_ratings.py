"""Mean ratings of few interactions each are found by their arithmetic, and nothing else is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.features import propose
from reciperec_layers.features.mean_ratings import are_mean_ratings

FIVE = np.arange(1.0, 6.0)


def drawn_interactions(seed: int, num_recipes: int, per_recipe: int, step: float = 1.0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    recipes = random.integers(0, num_recipes, num_recipes * per_recipe)
    ratings = random.integers(1, round(5 / step) + 1, len(recipes)) * step
    return pd.DataFrame(
        {"user_id": random.integers(0, 99, len(recipes)), "recipe_id": recipes + 100, "rating": ratings}
    )


def judged(interactions: pd.DataFrame, train: pd.DataFrame, decimals: int | None = None) -> Any:
    means = interactions.groupby("recipe_id")["rating"].mean()
    recipes = pd.DataFrame({"recipe_id": means.index, "x7": means if decimals is None else means.round(decimals)})
    return propose(recipes.reset_index(drop=True), interactions=train)["x7"]


@pytest.mark.parametrize(
    ("num_recipes", "per_recipe", "share", "step", "decimals"),
    [
        (18, 3, 0.8, 1.0, None),  # fewer than 20 recipes
        (18, 3, 0.8, 1.0, 2),
        (18, 3, 0.8, 0.5, None),
        (40, 2, 0.5, 1.0, None),
        (40, 5, 0.5, 1.0, None),
        (100, 3, 0.2, 1.0, None),
        (100, 3, 0.2, 1.0, 2),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_means_of_all_interactions_are_leaks(
    seed: int, num_recipes: int, per_recipe: int, share: float, step: float, decimals: int | None
):
    interactions = drawn_interactions(seed, num_recipes, per_recipe, step)
    found = judged(interactions, interactions.sample(frac=share, random_state=seed), decimals)
    assert found.encoder is None
    assert found.reason.startswith("leak: ")


def test_the_reason_says_how_it_was_found():
    interactions = drawn_interactions(1, 18, 3)
    found = judged(interactions, interactions.sample(frac=0.8, random_state=1))
    assert found.reason == "leak: means of few ratings that agree with those of the interactions"


INDEPENDENT = {
    "price": lambda random, n: random.gamma(2, 2, n).round(2),
    "minutes": lambda random, n: random.integers(5, 90, n),
    "year": lambda random, n: random.integers(1950, 2020, n),
    "uniform": lambda random, n: random.uniform(1, 5, n),
    "one decimal": lambda random, n: random.uniform(1, 5, n).round(1),
    "level": lambda random, n: random.integers(1, 6, n),
    "half stars": lambda random, n: random.integers(2, 11, n) / 2,
    "minutes by portion": lambda random, n: random.integers(5, 20, n) / random.integers(2, 7, n),
    "means of other ratings": lambda random, n: random.integers(1, 6, (n, 3)).mean(axis=1),
}


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 9999),
    st.sampled_from(sorted(INDEPENDENT)),
    st.sampled_from([25, 60, 200]),
    st.sampled_from([1, 2, 4]),
)
def test_independent_columns_are_no_leaks(seed: int, name: str, num_recipes: int, per_recipe: int):
    train = drawn_interactions(seed, num_recipes, per_recipe)
    values = INDEPENDENT[name](np.random.default_rng(seed + 1), num_recipes)
    recipes = pd.DataFrame({"recipe_id": np.arange(num_recipes) + 100, "x7": values})
    counts = train["recipe_id"].value_counts().reindex(recipes["recipe_id"], fill_value=0).to_numpy()
    totals = train.groupby("recipe_id")["rating"].sum().reindex(recipes["recipe_id"], fill_value=0.0).to_numpy()
    assert not are_mean_ratings(values.astype(float), counts, totals, train["rating"].to_numpy())


def test_shuffled_means_are_hardly_ever_taken_for_means():
    """The hardest columns that have nothing to do with the ratings: at a rate of 1 in 1,000 none or one of 300 is."""
    random = np.random.default_rng(7)
    num_found = 0
    for _ in range(300):
        further = random.integers(1, 6, (30, 4)).astype(float)
        counts, sizes = random.integers(1, 3, 30), random.integers(2, 5, 30)
        totals = np.array([row[:count].sum() for row, count in zip(further, counts, strict=True)])
        means = np.array([row[:size].mean() for row, size in zip(further, sizes, strict=True)])
        num_found += are_mean_ratings(random.permutation(means), counts, totals, FIVE)
    assert num_found <= 2


def test_what_cannot_be_told():
    counts, totals = np.array([2, 3, 1, 2, 3, 1, 2, 3]), np.array([9.0, 7, 5, 3, 13, 2, 6, 15])
    means = np.array([4.5, 7 / 3, 4.0, 1.5, 4.25, 7 / 3, 10 / 3, 5])
    assert are_mean_ratings(means, counts, totals, FIVE)
    assert not are_mean_ratings(means[:4], counts[:4], totals[:4], FIVE)  # too few rows
    assert not are_mean_ratings(means, counts, totals, FIVE + np.pi / 10)  # ratings without steps
    assert not are_mean_ratings(
        np.append(means, 5.0), np.append(counts, 2), np.append(totals, 9.0), FIVE
    )  # not of 4, 5
    assert not are_mean_ratings(np.full(8, np.nan), counts, totals, FIVE)
