"""compare_models: means and intervals over seeds, the same rows for all, and what is refused."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, StateError
from reciperec_layers.evaluation import compare_models
from reciperec_layers.metrics import Coverage, Recall, TopKAccuracy

RECIPES = pd.DataFrame({"recipe_id": [11, 12, 13, 14]})
TRAIN = pd.DataFrame({"user_id": [1, 1, 2, 3], "recipe_id": [12, 13, 12, 14], "time": [1, 2, 3, 4]})
TEST = pd.DataFrame({"user_id": [1, 2, 3, 3], "recipe_id": [11, 13, 11, 12]})


def fixed(order):
    """A model that ranks recipes in one order for everybody."""
    query = rl.IdTower([1, 2, 3], 1, feature="user_id")
    candidate = rl.IdTower(RECIPES["recipe_id"], 1, feature="recipe_id")
    query.set_weights([np.ones((4, 1))])
    scores = [float(-order.index(recipe)) for recipe in RECIPES["recipe_id"]]
    candidate.set_weights([np.array([0.0, *scores])[:, None]])
    return rl.RetrievalModel(query, candidate, RECIPES, query_id="user_id")


ORDERS = {5: [11, 12, 13, 14], 6: [14, 13, 12, 11]}


def test_mean_and_bounds_over_seeds():
    table = compare_models(
        {"fixed": lambda seed: fixed(ORDERS[seed]), "second": lambda seed: fixed(ORDERS[5])},
        TEST,
        TRAIN,
        seeds=ORDERS,
        metrics=[TopKAccuracy(1), Recall(2)],
    )
    top_1 = TopKAccuracy(1).name
    assert table.index.tolist() == ["fixed", "second", "popularity", "recent popularity"]
    # Seen: 12 and 13 by user 1, 12 by 2, 14 by 3. With seed 5 the first and third row have rank 1, the others rank 2;
    # with seed 6 the first row has rank 2, the second 2, the third 3 and the fourth 2.
    expected = {top_1: (0.25, 0.0, 0.5), "recall@2": (np.mean([1, np.mean([1, 1, 0.5])]), np.mean([1, 1, 0.5]), 1.0)}
    for name, values in expected.items():
        found = table.loc["fixed", [name, f"{name}_min", f"{name}_max"]].tolist()
        assert found == pytest.approx(values)
    assert table.loc["second", [top_1, f"{top_1}_min", f"{top_1}_max"]].tolist() == [0.5, 0.5, 0.5]
    # Popularity has 12, then 13 and 14, and 11 last: ranks 2 of 11 and 14; 1 of 11, 13 and 14; 3 of 11 to 13; 1.
    assert table.loc["popularity", top_1] == 0.5
    assert table.loc["fixed", ["num_seeds", "num_parameters"]].tolist() == [2, 4 + 5]
    assert (table.loc[["fixed", "second"], "seconds"] > 0).all()
    assert table.loc["popularity", ["num_seeds", "num_parameters"]].isna().all()
    assert table.loc["popularity", "seconds"] > 0


def test_the_seed_is_that_of_keras_too():
    drawn = []

    def make(seed):
        drawn.append(float(keras.random.uniform(()) + np.random.rand()))
        return fixed(ORDERS[5])

    compare_models({"a": make, "b": make}, TEST, TRAIN, seeds=[1, 2])
    assert drawn[:2] == drawn[2:]
    assert drawn[0] != drawn[1]


def test_with_what_was_seen_ranks_are_of_all_candidates():
    options = {"seeds": [5], "metrics": TopKAccuracy(1), "exclude_seen": False}
    table = compare_models({"fixed": lambda seed: fixed(ORDERS[seed])}, TEST, TRAIN, **options)
    assert table.loc["fixed", TopKAccuracy(1).name] == 0.5
    assert table.loc["popularity", TopKAccuracy(1).name] == 0.25


@pytest.mark.parametrize(
    ("models", "options", "error", "expected"),
    [
        ([fixed], {}, ArgumentTypeError, "`models` must be a dict of functions"),
        ({"a": 7}, {}, ArgumentTypeError, "`models` must be a dict of functions"),
        ({}, {}, ArgumentError, "`models` must have a model"),
        ({"popularity": fixed}, {}, ArgumentError, "'popularity' is the name of a baseline"),
        ({"a": fixed}, {"seeds": []}, ArgumentError, "`seeds` must have a seed"),
        ({"a": fixed}, {"seeds": [-1]}, ArgumentError, "`seeds` must be an integer >= 0"),
        ({"a": fixed}, {"metrics": Coverage(2)}, ArgumentError, "are of recommendations"),
        ({"a": lambda seed: None}, {}, ArgumentTypeError, r"`models\['a'\]` must return a RetrievalModel"),
    ],
)
def test_wrong_use(models, options, error, expected):
    with pytest.raises(error, match=expected):
        compare_models(models, TEST, TRAIN, **options)


def test_candidates_must_be_the_same():
    def other(seed):
        users = rl.IdTower([1, 2, 3], 1, feature="user_id")
        return rl.RetrievalModel(users, rl.IdTower([11, 12], 1, feature="recipe_id"), {"recipe_id": [11, 12]})

    with pytest.raises(ArgumentError, match="the candidates of 'other' are not those of the first model"):
        compare_models({"first": lambda seed: fixed(ORDERS[5]), "other": other}, TEST, TRAIN, seeds=[1])

    def without(seed):
        towers = (rl.IdTower([id_], 1, feature=name) for id_, name in ((1, "user_id"), (11, "recipe_id")))
        return rl.RetrievalModel(*towers)

    with pytest.raises(StateError, match="the model has no candidates"):
        compare_models({"without": without}, TEST, TRAIN, seeds=[1])
