"""Weights of another vocabulary are refused, whatever its size, and change nothing."""

from __future__ import annotations

import numpy as np
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import VocabularyMismatchError
from tests.models.conftest import RECIPES, USERS

pytestmark = pytest.mark.saving


def make(users, seed):
    model = rl.RetrievalModel(
        rl.IdTower(users, 2, feature="user_id", seed=seed),
        rl.IdTower(RECIPES, 2, feature="recipe_id", seed=seed),
        {"recipe_id": RECIPES},
    )
    model.compile(rl.optimizers.Adagrad(0.1))
    return model


@pytest.mark.parametrize("others", [USERS[::-1], USERS[:2], [*USERS, 99]], ids=["order", "fewer", "more"])
def test_weights_of_another_vocabulary_change_nothing(others, tmp_path):
    make(others, seed=1).save_weights(tmp_path / "others.weights.h5")
    model = make(USERS, seed=2)
    before, recommended = model.get_weights(), model.recommend({"user_id": USERS}, 3)
    with pytest.raises(VocabularyMismatchError, match="weights belong to another vocabulary than the model's"):
        model.load_weights(tmp_path / "others.weights.h5")
    for after, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(after, expected)
    np.testing.assert_array_equal(model.recommend({"user_id": USERS}, 3)[1], recommended[1])

    make(USERS, seed=3).save_weights(tmp_path / "own.weights.h5")
    model.load_weights(tmp_path / "own.weights.h5")  # a refusal leaves nothing behind
    np.testing.assert_array_equal(model.get_weights()[0], make(USERS, seed=3).get_weights()[0])


def test_an_architecture_of_another_kind_is_keras_own_error(tmp_path):
    make(USERS, seed=1).save_weights(tmp_path / "model.weights.h5")
    wider = rl.RetrievalModel(rl.IdTower(USERS, 3, feature="user_id"), rl.IdTower(RECIPES, 3, feature="recipe_id"))
    with pytest.raises(ValueError, match="could not be loaded") as raised:
        wider.load_weights(tmp_path / "model.weights.h5")
    assert not isinstance(raised.value, VocabularyMismatchError)
