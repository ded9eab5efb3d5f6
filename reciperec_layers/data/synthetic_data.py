"""Synthetic recipes and interactions, drawn from a known distribution: the best possible recall is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.arguments import check_integer
from reciperec_layers.columns.names import require_column
from reciperec_layers.data.frame_arguments import check_frame
from reciperec_layers.data.recipe_book import DISHES, MAINS, PANTRY, STAPLES
from reciperec_layers.errors import IdError, describe_ids, explain

_NUM_USERS = 2000
_NUM_INTERACTIONS_PER_USER = 20
_FAVOURITE_SHARE = 0.85
_CUISINE_EXPONENT = 0.6
_RECIPE_EXPONENT = 1.0
_FIRST_USER_ID = 10_001
_FIRST_RECIPE_ID = 1001
_START = np.datetime64("2024-01-01", "s")
_YEAR_SECONDS = 366 * 24 * 60 * 60


@dataclass(frozen=True)
class SyntheticRecipes:
    """Interactions, recipes, and the distribution that they were drawn from.

    Attributes:
        interactions: Columns `user_id`, `recipe_id`, `rating` (1 to 5) and `time`; 20 rows for each of 2,000 users, no
            pair twice, in the order of time.
        recipes: Columns `recipe_id`, `recipe_name` (unique), `cuisine`, `ingredients` (with `^` between them) and
            `minutes`; 500 rows.
        user_ids: The users, int64 of shape `(2000,)`: the rows of `weights`.
        weights: How much each user wants each recipe: positive shares that sum to 1 over the recipes, float64 of shape
            `(2000, 500)`; columns are in the order of `recipes`.

    Example:
        >>> synthetic_recipes().weights.shape
        (2000, 500)
    """

    interactions: pd.DataFrame
    recipes: pd.DataFrame
    user_ids: np.ndarray
    weights: np.ndarray

    def best_recall(self, train: Any, test: Any, k: int = 10) -> float:
        """Returns the recall@k over test rows that no model can beat on average, seen recipes left out.

        It ranks the recipes that a user has not had in `train` by their true weights. This is optimal for every split
        that does not depend on recipes (by time, random, or leave-last-out): a user draws recipes one after the other,
        each with a probability proportional to its weight among those that remain. In a sequence of draws with only
        one of two unseen recipes, replace it with the other: the sequence with the heavier one is more likely, since
        its numerator is larger and the weight that remains afterwards is smaller. So the heavier recipe is more likely
        to be held out, and the k heaviest ones have the highest expected number of hits.

        Args:
            train: Interactions of `user_id` with `recipe_id` that are left out of the ranking.
            test: Held-out interactions, at least one row; one that is also in `train` is a miss.
            k: Recipes for each user, at least 1.

        Raises:
            ColumnError: A frame has no column `user_id` or `recipe_id`.
            IdError: A user or recipe is not in this data set.
            ArgumentError: A frame has no rows, or `k` is below 1.
        """
        k = check_integer("SyntheticRecipes.best_recall", "k", k, example=10)
        unseen = self.weights.copy()
        unseen[self._indices(train)] = 0.0
        users, recipes = self._indices(test)
        wanted = unseen[users, recipes]
        ranks = 1 + np.count_nonzero(unseen[users] > wanted[:, np.newaxis], axis=1)
        return float(np.mean((wanted > 0) & (ranks <= k)))

    def _indices(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        owner = "SyntheticRecipes.best_recall"
        frame = check_frame(frame, owner, names=["user_id", "recipe_id"])
        found = []
        for column, ids in (("user_id", self.user_ids), ("recipe_id", self.recipes["recipe_id"])):
            wanted = frame[require_column(frame.columns, column, owner)]
            indices = pd.Index(ids).get_indexer(wanted)
            if (indices < 0).any():
                unknown = describe_ids(wanted[indices < 0].unique())
                fix = "Pass parts of `interactions`"
                raise IdError(explain(owner, f"ids in column {column!r} are not in this data set: {unknown}", fix=fix))
            found.append(indices)
        return found[0], found[1]


def synthetic_recipes(seed: int = 0) -> SyntheticRecipes:
    """Draws 2,000 users with 20 interactions each and 500 recipes from a known distribution.

    There are 10 cuisines of 50 recipes. Each user has a favourite cuisine with 85 % of the interest; the rest is spread
    over all cuisines. The popularity of cuisines falls as `1 / rank^0.6`, that of recipes in a cuisine as `1 / rank`.
    A user's weight for a recipe is the interest in its cuisine times its popularity there, and 20 recipes are drawn by
    these weights without replacement (Plackett-Luce). Times are independent of the recipes, so every split is the same
    task: the best recall@10 on a fifth of the rows is about 0.5, three times that of popularity, and 20 interactions
    reveal the favourite. The matrix of log weights has a rank of at most 11, so id towers of 32 dimensions can fit it.

    Args:
        seed: Non-negative integer; one seed gives one data set.

    Raises:
        ArgumentError: `seed` is not an integer, or is negative.

    Example:
        >>> data = synthetic_recipes(seed=0)
        >>> data.interactions.columns.tolist(), len(data.interactions), len(data.recipes)
        (['user_id', 'recipe_id', 'rating', 'time'], 40000, 500)
    """
    random = np.random.default_rng(check_integer("synthetic_recipes", "seed", seed, least=0))
    recipes = _draw_recipes(random)
    cuisines = pd.factorize(recipes["cuisine"], sort=True)[0]
    favourites, weights = _draw_weights(random, cuisines)
    # The largest of log weights plus Gumbel noise are a draw without replacement by the weights.
    keys = np.log(weights) + random.gumbel(size=weights.shape)
    drawn = np.argsort(-keys, axis=1)[:, :_NUM_INTERACTIONS_PER_USER].ravel()
    users = np.repeat(np.arange(_NUM_USERS), _NUM_INTERACTIONS_PER_USER)
    user_ids = _FIRST_USER_ID + np.arange(_NUM_USERS)
    liked = cuisines[drawn] == favourites[users]
    interactions = pd.DataFrame(
        {
            "user_id": user_ids[users],
            "recipe_id": recipes["recipe_id"].to_numpy()[drawn],
            "rating": random.binomial(4, np.where(liked, 0.9, 0.65)) + 1,
            "time": _START + random.integers(_YEAR_SECONDS, size=len(users)).astype("timedelta64[s]"),
        }
    )
    return SyntheticRecipes(
        interactions=interactions.sort_values("time", kind="stable", ignore_index=True),
        recipes=recipes,
        user_ids=user_ids,
        weights=weights,
    )


def _draw_recipes(random: np.random.Generator) -> pd.DataFrame:
    kinds = [(cuisine, main, dish) for cuisine, dishes in DISHES.items() for dish in dishes for main in MAINS]
    rows = [
        (
            f"{main} {dish}",
            cuisine,
            "^".join([main.lower(), *random.choice(STAPLES[cuisine], 2, False), *random.choice(PANTRY, 3, False)]),
            int(random.integers(3, 25)) * 5,
        )
        for cuisine, main, dish in (kinds[i] for i in random.permutation(len(kinds)))
    ]
    recipes = pd.DataFrame(rows, columns=["recipe_name", "cuisine", "ingredients", "minutes"])
    recipes.insert(0, "recipe_id", _FIRST_RECIPE_ID + np.arange(len(rows)))
    return recipes


def _draw_weights(random: np.random.Generator, cuisines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns each user's favourite cuisine and weights of recipes."""
    within = np.empty(len(cuisines))
    for cuisine in range(len(DISHES)):
        members = np.flatnonzero(cuisines == cuisine)
        within[random.permutation(members)] = _zipf(len(members), _RECIPE_EXPONENT)
    shares = random.permutation(_zipf(len(DISHES), _CUISINE_EXPONENT))
    favourites = random.choice(len(DISHES), size=_NUM_USERS, p=shares)
    interest = np.tile((1 - _FAVOURITE_SHARE) * shares, (_NUM_USERS, 1))
    interest[np.arange(_NUM_USERS), favourites] += _FAVOURITE_SHARE
    return favourites, interest[:, cuisines] * within


def _zipf(size: int, exponent: float) -> np.ndarray:
    weights = np.arange(1, size + 1) ** -exponent
    return weights / weights.sum()
