"""A small model whose tables are whole numbers, so that scores are exact and ties are real."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest

import reciperec_layers as rl

USERS = np.array([11, 12, 13, 14])
RECIPES = np.array(["soup", "pie", "stew", "salad", "cake"], dtype=object)


@pytest.fixture
def make_model() -> Callable[..., rl.RetrievalModel]:
    def make(query_table=None, candidate_table=None, *, dim=3, seed=0, compiled=True, **options) -> rl.RetrievalModel:
        rng = np.random.default_rng(seed)
        if query_table is None:
            query_table = rng.integers(-2, 3, (len(USERS) + 1, dim))
        if candidate_table is None:
            candidate_table = rng.integers(-2, 3, (len(RECIPES) + 1, dim))
        model = rl.RetrievalModel(
            rl.IdTower(USERS, query_table.shape[1], feature="user_id"),
            rl.IdTower(RECIPES, candidate_table.shape[1], feature="recipe_id"),
            {"recipe_id": RECIPES, "minutes": np.arange(5), "name": [f"A {name}" for name in RECIPES]},
            "recipe_id",
            keep_columns=["name"],
        )
        model.query_tower.set_weights([query_table])
        model.candidate_tower.set_weights([candidate_table])
        if compiled:
            model.compile(optimizer=options.pop("optimizer", keras.optimizers.SGD(0.1)), **options)
        return model

    return make


@pytest.fixture
def pairs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {"user_id": rng.choice([*USERS, 99], 23), "recipe_id": rng.choice(RECIPES, 23)}


def rows_of(vocabulary: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Table rows by a plain dict: row 0 for unknown ids."""
    known = {item: row for row, item in enumerate(vocabulary.tolist(), start=1)}
    return np.array([known.get(item, 0) for item in ids.tolist()])
