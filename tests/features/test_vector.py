"""Vector: columns of vectors, standardized, of unit length or projected; against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, IdError
from reciperec_layers.features import Vector

ROWS = np.array([[1.0, 5.0, -2.0], [3.0, 5.0, 4.0], [8.0, 5.0, 1.0]])


@pytest.mark.parametrize(
    "column",
    [
        ROWS,
        ROWS.astype(np.float16),
        ROWS.astype(int),
        ROWS.tolist(),
        pd.DataFrame(ROWS),
        pd.Series(list(ROWS)),
        pd.Series(ROWS.tolist()),
        [tuple(row) for row in ROWS],
        [tf.constant(row) for row in ROWS],
        tf.constant(ROWS),
    ],
)
def test_forms_of_one_column(column: Any):
    encoder = Vector(ROWS)
    assert (encoder.dim, encoder.width, encoder.weights) == (3, 3, [])
    deviations = ROWS.std(axis=0)
    deviations[1] = 1  # the second component does not vary
    np.testing.assert_allclose(encoder(column), (ROWS - ROWS.mean(axis=0)) / deviations, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("width", [None, 2])
@pytest.mark.parametrize("scaling", ["standardize", "unit"])
def test_missing_vectors_are_zeros(scaling: str, width: int | None):
    column = [None, ROWS[0], [], float("nan"), np.full(3, np.nan), pd.NA]
    encoder = Vector(column, scaling=scaling, width=width, seed=1)
    read = encoder.read(column, "test", "image")
    assert encoder.is_known(read).numpy().tolist() == [False, True, False, False, False, False]
    assert not encoder(read).numpy()[[0, 2, 3, 4, 5]].any()
    # In a tensor, which nobody has looked at, infinity cannot be an error.
    assert not encoder(tf.constant([[1.0, np.inf, 2.0], [np.nan, 1.0, 1.0]])).numpy().any()


def test_statistics_are_those_of_vectors_that_are_there():
    encoder = Vector([ROWS[0], None, ROWS[1]])
    np.testing.assert_allclose(encoder.mean, ROWS[:2].mean(axis=0))
    assert Vector([None, None], dim=2)([[3.0, -4.0]]).numpy().tolist() == [[3, -4]]


def test_far_values_are_cut():
    encoder = Vector(ROWS, dtype="mixed_float16")
    result = encoder([[3e38, 5, -3e38]]).numpy()
    assert result.dtype == np.float16
    assert result.tolist() == [[10, 0, -10]]


@settings(max_examples=50)
@given(
    arrays.arrays(
        np.float32, st.tuples(st.integers(1, 4), st.just(3)), elements=st.floats(width=32, allow_infinity=False)
    )
)
def test_rows_are_finite_and_do_not_depend_on_each_other(rows: np.ndarray):
    for encoder in ENCODERS:
        together = encoder(tf.constant(rows)).numpy()
        assert np.isfinite(together).all()
        alone = [encoder(tf.constant(row[np.newaxis])).numpy() for row in rows]
        np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)
    lengths = np.linalg.norm(ENCODERS[1](tf.constant(rows)), axis=1)
    are_there = ~np.isnan(rows).any(axis=1) & (np.abs(rows).max(axis=1) > 1e-37)  # TensorFlow flushes smaller ones
    np.testing.assert_allclose(lengths[are_there], 1, rtol=1e-5)


ENCODERS = (Vector(ROWS), Vector(dim=3, scaling="unit"), Vector(ROWS, width=2, seed=2))


def test_a_projection_is_learned():
    encoder = Vector(ROWS, width=2, seed=3)
    kernel = encoder.trainable_weights[0]
    np.testing.assert_allclose(encoder(ROWS), Vector(ROWS)(ROWS).numpy() @ kernel.numpy(), rtol=1e-5, atol=1e-6)
    assert [weight.shape for weight in encoder.weights] == [(3, 2)]
    assert Vector(ROWS, width=2, seed=3).weights[0].numpy().tolist() == kernel.numpy().tolist()


@pytest.mark.saving
@pytest.mark.parametrize("options", [{}, {"scaling": "unit"}, {"width": 2}])
def test_a_file_brings_everything(tmp_path: Path, options: dict):
    encoder = Vector(ROWS, **options)
    expected = encoder(ROWS).numpy()
    keras.Sequential([keras.Input((3,)), encoder]).save(tmp_path / "vector.keras")
    loaded = rl.load_model(tmp_path / "vector.keras")
    np.testing.assert_array_equal(loaded(tf.constant(ROWS, tf.float32)), expected)


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ([[1, 2], [3], [4, 5], [6, 7, 8]], "2 of 4 vectors have another length than 2, first in rows 1, 3. Received"),
        ([None, [1, np.nan], [np.inf, 2], [3, 4]], "2 of 4 vectors have NaN, infinite or too large .* rows 1, 2. Rep"),
        (np.array([[1e39, 1]]), "1 of 1 vectors have NaN, infinite or too large values, first in rows 0"),
        ([None], "there are no vectors, so that their length is unknown"),
    ],
)
def test_bad_vectors(column: Any, problem: str):
    with pytest.raises(ArgumentError, match=f"Vector: column 'data': {problem}"):
        Vector(column)


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ([1.0, None, [2.0]], "1 of 2 rows are not vectors, first in rows 0. Received: row="),
        (["[1, 2]"], "1 of 1 rows are not vectors"),
        ([["a", "b"]], "vectors must be of numbers"),
        (np.zeros((2, 2, 2)), "2 of 2 rows are not vectors"),
    ],
)
def test_what_is_not_vectors(column: Any, problem: str):
    with pytest.raises(ArgumentTypeError, match=f"Vector: column 'data': {problem}"):
        Vector(column)


def test_what_does_not_fit():
    with pytest.raises(ArgumentError, match="another length than 3"):
        Vector(ROWS)([[1, 2]])
    with pytest.raises(ArgumentError, match="must have shape \\(batch, 3\\)"):
        Vector(ROWS)(tf.zeros((2, 2)))
    with pytest.raises(ArgumentError, match="`data` or `dim` is needed"):
        Vector()
    with pytest.raises(ArgumentError, match="standardizing needs the mean and the scale"):
        Vector(dim=2)
    with pytest.raises(ArgumentError, match="must be 2 finite numbers each, scales above 0"):
        Vector(dim=2, mean=[0, 0], scale=[1, 0])
    with pytest.raises(ArgumentError, match='`scaling` must be "standardize" or "unit"'):
        Vector(dim=2, scaling="none")


@pytest.mark.parametrize(
    "vectors",
    [
        pd.DataFrame(ROWS, index=[7, 9, 5]),
        pd.Series(list(ROWS), index=[7, 9, 5]),
        {7: ROWS[0], 9: ROWS[1], 5: ROWS[2]},
    ],
)
def test_vectors_by_id(vectors: Any):
    ids = pd.Series([5, 8, 7], index=["x", "y", "z"])
    column = Vector.column(vectors, ids)
    assert column.index.tolist() == ["x", "y", "z"]
    assert column["y"] is None
    np.testing.assert_array_equal(np.stack([column["x"], column["z"]]), ROWS[[2, 0]])
    assert Vector(column).dim == 3


def test_ids_without_vectors():
    with pytest.raises(ArgumentError, match="none of 2 ids has a vector: 1, 2. Check .* such as 7, 9"):
        Vector.column({7: [1], 9: [2]}, [1, 2])
    with pytest.raises(IdError, match="1 of 2 ids are repeats"):
        Vector.column(pd.Series([[1], [2]], index=[7, 7]), [7])
    with pytest.raises(ArgumentTypeError, match="vectors by id are needed"):
        Vector.column([[1]], [7])
