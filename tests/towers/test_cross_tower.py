"""CrossTower: DCN-v2 against matrix products."""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from reciperec_layers import features, towers
from reciperec_layers.errors import ArgumentError, MissingExtraError

COLUMNS: dict[str, list[Any]] = {"user_id": [9, 5, 7], "city": ["Rome", None, "Oslo"]}
USER_ROWS, CITY_ROWS = [2, 0, 1], [1, 0, 0]


def make(**options: Any) -> towers.CrossTower:
    encoders = {"user_id": features.Id([7, 9], width=4, seed=1), "city": features.Id(["Rome"], width=2, seed=2)}
    return towers.CrossTower(encoders, 3, seed=5, **options)


@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("num_crosses", [1, 3])
def test_the_value_is_that_of_the_equation(num_crosses: int, rank: int | None):
    tower = make(num_crosses=num_crosses, projection_dim=rank, hidden_units=(5,), normalize=True)
    rng = np.random.default_rng(3)
    tower.set_weights([rng.normal(size=weight.shape).astype(np.float32) for weight in tower.get_weights()])
    tables = {name: encoder.get_weights()[0] for name, encoder in tower.columns.by_name.items()}
    x0 = x = np.hstack([tables["city"][CITY_ROWS], tables["user_id"][USER_ROWS]])
    for cross in tower.crosses:
        by_shape = {weight.shape: weight for weight in cross.get_weights()}
        product = x @ by_shape[6, 6] if rank is None else x @ by_shape[6, 2] @ by_shape[2, 6]
        x = x0 * (product + by_shape[6,]) + x
    kernel, bias, last_kernel, last_bias = tower.mlp.get_weights()
    expected = np.maximum(x @ kernel + bias, 0) @ last_kernel + last_bias
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(tower(COLUMNS).numpy(), expected, rtol=1e-3, atol=1e-5)


def test_the_order_of_columns_changes_nothing():
    encoders = dict(reversed(make().columns.by_name.items()))
    reordered = towers.CrossTower(encoders, 3, seed=5)
    columns = dict(reversed(COLUMNS.items()))
    np.testing.assert_array_equal(reordered(columns).numpy(), make()(COLUMNS).numpy())


def test_what_is_prepared_is_encoded():
    tower = make()
    prepared = tower.prepare({name: tower.read(name, column, "test") for name, column in COLUMNS.items()})
    gathered = {name: tf.gather(column, [2, 2, 0]) for name, column in prepared.items()}
    np.testing.assert_allclose(tower.encode(gathered).numpy(), tower(COLUMNS).numpy()[[2, 2, 0]], rtol=1e-6)


def test_deterministic():
    assert make().deterministic
    assert not make(hidden_units=(4,), dropout=0.1).deterministic
    assert not make(feature_dropout=0.1).deterministic


@pytest.mark.saving
def test_it_loads_where_only_this_package_was_imported(tmp_path: Path, run_python: Callable[..., str]):
    tower = make(num_crosses=1, projection_dim=2)
    keras.saving.save_model(tower, tmp_path / "tower.keras")
    code = f"""
        import keras, reciperec_layers, sys
        assert "keras_rs" not in sys.modules
        tower = keras.models.load_model({str(tmp_path / "tower.keras")!r})
        print(tower({COLUMNS!r}).numpy().tolist())
    """
    np.testing.assert_allclose(
        np.array(ast.literal_eval(run_python(textwrap.dedent(code)))), tower(COLUMNS).numpy(), rtol=1e-6
    )


def test_without_keras_rs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "keras_rs", None)
    with pytest.raises(
        MissingExtraError,
        match=r"CrossTower: keras-rs is needed.*Install it with `pip install .reciperec-layers\[cross",
    ):
        make()


def test_from_data_reads_what_is_proposed():
    frame = pd.DataFrame(
        {"recipe_id": range(40), "minutes": np.arange(40) % 7, "kitchen": ["thai", "greek"] * 20, "note": [None] * 40}
    )
    tower = towers.CrossTower.from_data(frame, feature="recipe_id", embedding_dim=4, seed=1, num_crosses=1)
    assert set(tower.features) == {"recipe_id", "minutes", "kitchen"}
    assert tower(frame).shape == (40, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_crosses": 0}, "CrossTower: `num_crosses` must be a positive integer"),
        ({"projection_dim": 7}, r"CrossTower: `projection_dim` must be an integer in 1 .. 6 or None"),
        ({"hidden_units": 8}, "`hidden_units` must be a list"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str):
    with pytest.raises(ArgumentError, match=message):
        make(**options)
