"""Towers by name in a `RetrievalModel`: made from data, trained, saved and loaded."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import reciperec_layers as rl

RECIPES = pd.DataFrame(
    {
        "recipe_id": np.arange(40),
        "recipe_name": [f"{first} {second}" for first in ("apple", "onion", "plum", "leek") for second in "abcdefghij"],
        "minutes": np.arange(40) % 7 + 0.5,
        "kitchen": ["thai", "swiss", "greek", "thai"] * 10,
    }
)
TRAIN = pd.DataFrame(
    {
        "user_id": np.arange(90) % 8,
        "recipe_id": np.arange(90) * 7 % 40,
        "timestamp": 1_500_000_000 + np.arange(90) * 86_400,
    }
)


@pytest.mark.parametrize(
    ("query_tower", "candidate_tower", "prior"), [("cross", "mixture", "popularity"), ("mixture", "text", None)]
)
def test_a_model_is_made_trained_saved_and_loaded(
    query_tower: str, candidate_tower: str, prior: str | None, tmp_path: Path
):
    model = rl.RetrievalModel.from_data(
        TRAIN, RECIPES, query_tower=query_tower, candidate_tower=candidate_tower, embedding_dim=4, prior=prior, seed=1
    )
    model.compile()
    history = model.fit(model.batches(TRAIN, batch_size=32, seed=1), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    scores, ids = model.recommend({"user_id": [3, -1]}, k=5)
    assert np.isfinite(scores).all()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").recommend({"user_id": [3, -1]}, k=5)
    np.testing.assert_allclose(again[0], scores, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(again[1], ids)
