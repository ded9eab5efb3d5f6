"""TextTower: one column of text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from reciperec_layers import features, towers
from reciperec_layers.errors import ArgumentError, ColumnError

FRAME = pd.DataFrame({"recipe_id": [7, 9, 11], "recipe_name": ["apple pie", "onion soup", "apple soup"]})


def make(**options: Any) -> towers.TextTower:
    text = features.Text(FRAME["recipe_name"], width=5, seed=1)
    return towers.TextTower(text, 4, **{"feature": "recipe_name", "seed": 2, **options})


def test_the_value_is_that_of_matrix_products():
    tower = make(hidden_units=(6,), normalize=True)
    encoded = features.Text(FRAME["recipe_name"], width=5, seed=1)(FRAME["recipe_name"]).numpy()
    kernel, bias, last_kernel, last_bias = tower.mlp.get_weights()
    expected = np.maximum(encoded @ kernel + bias, 0) @ last_kernel + last_bias
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(tower(FRAME).numpy(), expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(tower(FRAME["recipe_name"]).numpy(), tower(FRAME).numpy())


def test_text_without_words_is_finite_and_cold():
    tower = make(normalize=True)
    texts = ["", None, "apple pie", "!"]
    assert np.isfinite(tower(texts).numpy()).all()
    assert tower.knowledge(texts).numpy().tolist()[:3] == [0, 0, 1]
    assert tower.missing_value("recipe_name") == ""


def test_from_data_finds_the_name():
    tower = towers.create("text", text={"encoder": "text", "width": 3}, embedding_dim=4, feature="title")
    assert tower.features == ("title",)
    options: dict[str, Any] = {"feature": "recipe_id", "embedding_dim": 4, "seed": 1}
    tower = towers.TextTower.from_data(FRAME, **options)
    assert (tower.features, tower.columns.width) == (("recipe_name",), 4)
    other = FRAME.rename(columns={"recipe_name": "words"})
    with pytest.raises(ColumnError, match=r"TextTower.from_data: no column has a name by which texts are known"):
        towers.TextTower.from_data(other, **options)
    tower = towers.TextTower.from_data(other, column="words", text={"width": 3}, hidden_units=(5,), **options)
    assert (tower.features, tower.columns.width, tower.deterministic) == (("words",), 3, True)
    assert tf.function(tower)({"words": tf.constant(["soup"])}).shape == (1, 4)


def test_bad_arguments():
    with pytest.raises(ArgumentError, match="`hidden_units` must be a positive integer"):
        make(hidden_units=(0,))
    with pytest.raises(ColumnError, match="TextTower: there is no column 'recipe_name'"):
        make()({"name": ["pie"]})
