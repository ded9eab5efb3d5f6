"""Recipes and interactions drawn from a known structure, so that the best possible recall is known."""

from __future__ import annotations

from dataclasses import dataclass

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
    """Interactions, recipes, and the truth that they were drawn from.

    Attributes:
        interactions: Columns `user_id`, `recipe_id`, `rating` (1 to 5) and `time`; 20 rows for each of 2,000 users, no
            pair twice, in the order of time.
        recipes: Columns `recipe_id`, `recipe_name` (unique), `cuisine`, `ingredients` (with `^` between them) and
            `minutes`; 500 rows.
        user_ids: The users, int64 of shape `(2000,)`: the rows of `weights`.
        weights: How much each user wants each recipe, a share that is positive and sums to 1 over recipes, float64 of
            shape `(2000, 500)`; columns as rows of `recipes`.

    Example:
        >>> synthetic_recipes().weights.shape
        (2000, 500)
    """

    interactions: pd.DataFrame
    recipes: pd.DataFrame
    user_ids: np.ndarray
    weights: np.ndarray

    def best_recall(self, train: pd.DataFrame, test: pd.DataFrame, k: int = 10) -> float:
        """Returns the recall@k over test rows that no model can beat on average, seen recipes left out.

        It ranks the recipes that a user has not had in `train` by their true weights. That is optimal for each split
        that does not look at recipes (by time, random, or leave-last-out): the user draws one recipe after the other
        with the chance of its weight among those that remain. Of two unseen recipes, exchange one for the other in
        any order of draws that holds just one of them: the order with the heavier one is the likelier, as its
        numerator is larger and what remains after it smaller. So the heavier is the likelier to be held out, and the
        k heaviest have the most hits to expect.

        Args:
            train: Interactions of `user_id` with `recipe_id` that are left out of the ranking.
            test: Held-out interactions, at least one row; one that is also in `train` is a miss.
            k: Recipes for each user, at least 1.

        Raises:
            ColumnError: A frame has no column `user_id` or `recipe_id`.
            IdError: A user or recipe is not of this data.
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
        check_frame(frame, owner)
        found = []
        for column, ids in (("user_id", self.user_ids), ("recipe_id", self.recipes["recipe_id"])):
            wanted = frame[require_column(frame.columns, column, owner)]
            indices = pd.Index(ids).get_indexer(wanted)
            if (indices < 0).any():
                unknown = describe_ids(wanted[indices < 0].unique())
                fix = "Pass parts of `interactions`"
                raise IdError(explain(owner, f"ids in column {column!r} are not of this data: {unknown}", fix=fix))
            found.append(indices)
        return found[0], found[1]


def synthetic_recipes(seed: int = 0) -> SyntheticRecipes:
    """Returns 2,000 users, 500 recipes and 20 interactions of each user, from a known structure.

    There are 10 cuisines of 50 recipes. A user has a favourite cuisine, which draws 85 % of the interest; the rest
    goes to all cuisines. Cuisines are popular as `1 / rank^0.6`, recipes in a cuisine as `1 / rank`. A user's weight
    of a recipe is the interest in its cuisine times its popularity there, and 20 recipes are drawn by these weights
    without replacement (Plackett-Luce). Times do not depend on what is drawn, so each split leaves the same task: about
    .5 is the best recall@10 on a fifth of the rows, three times that of popularity, and 20 interactions show the
    favourite. The matrix of log weights has a rank of at most 11, so id towers of 32 dimensions can hold it.

    Args:
        seed: Non-negative integer; one seed gives one data set.

    Raises:
        ArgumentError: `seed` is no integer or negative.

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
