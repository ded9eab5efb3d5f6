"""Number: scaled values, an indicator of missing ones, and embeddings of quantile buckets."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError, ArgumentTypeError
from reciperec_layers.features import Number

SKEWED = np.array([0, 1, 1, 2, 3, 3, 5, 8, 13, 400], np.float64)
EVEN = np.array([-3, -1, 0, 1, 2, 4], np.float64)


def log(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.log1p(np.abs(values))


def z_of(encoder: Number, column: object) -> np.ndarray:
    return encoder(column).numpy()[:, 0]


@pytest.mark.parametrize(
    ("data", "scale", "resolved", "transform"),
    [
        (SKEWED, "auto", "log", log),
        (EVEN, "auto", "standard", np.asarray),
        (-SKEWED, "auto", "standard", np.asarray),
        (SKEWED, "standard", "standard", np.asarray),
        (-SKEWED, "log", "log", log),
    ],
    ids=["skewed", "even", "negative", "standard", "log"],
)
def test_z_is_in_deviations_of_training(data, scale, resolved, transform):
    encoder = Number(data, scale=scale)
    assert encoder.scale == resolved
    seen = np.array([*data, 7.5, -2.0])
    wanted = (transform(seen) - transform(data).mean()) / transform(data).std()
    np.testing.assert_allclose(z_of(encoder, seen), wanted, rtol=1e-5, atol=1e-6)


def test_unscaled_numbers_stay():
    np.testing.assert_array_equal(z_of(Number(EVEN, scale="none"), [3.5, -7, 1e9, np.inf]), [3.5, -7, 1e4, 1e4])


@pytest.mark.parametrize(
    ("data", "num_buckets", "edges"),
    [
        (range(12), 4, [2, 5, 8]),
        ([5, 5, 5, 5, 5, 5, 5, 9], 4, []),
        ([5, 5, 5, 5, 9, 9, 9, 9], 4, [9]),
        ([1, 2, 3], 1, []),
        ([4], 8, []),
    ],
)
def test_buckets_are_quantiles_and_none_is_empty(data, num_buckets, edges):
    encoder = Number(list(data), num_buckets=num_buckets, bucket_width=2, seed=1)
    assert list(encoder.edges) == edges
    table = encoder.table.get_weights()[0]
    column = np.array([*data, -np.inf, np.inf, 5.5])
    rows = [sum(value >= edge for edge in edges) for value in column]
    assert set(rows) == set(range(len(table)))
    np.testing.assert_array_equal(encoder(column).numpy()[:, 2:], table[rows])


def test_a_missing_number_is_zeros_and_an_indicator():
    encoder = Number([1.0, None, 3.0, 8.0], scale="standard", bucket_width=2)
    np.testing.assert_array_equal(encoder([np.nan, None]).numpy(), [[0, 1, 0, 0]] * 2)
    assert encoder([3.0]).numpy()[0, 1] == 0


def test_no_indicator_where_training_has_no_missing_numbers():
    encoder = Number([1.0, 3.0, 8.0], bucket_width=2)
    np.testing.assert_array_equal(encoder([np.nan]).numpy(), [[0, 0, 0, 0]])


@pytest.mark.parametrize(
    "data",
    [[], [None, np.nan], [0.1] * 3, [np.inf, -np.inf], [3.4e38, -3.4e38], [1e-45, 2e-45], [1e300, 1.0], [np.inf, 1, 2]],
    ids=["none", "missing", "constant", "infinite", "largest", "tiny", "too large", "partly infinite"],
)
@pytest.mark.parametrize("scale", ["auto", "standard", "log", "none"])
def test_any_data_and_any_number_are_finite(data, scale):
    encoder = Number(data, scale=scale)
    numbers = [0.1, 0.0, -5.0, np.inf, -np.inf, np.nan, 3.4e38, -3.4e38, 1e300, 1e-45]
    output = encoder(numbers).numpy()
    assert np.isfinite(output).all()
    assert (np.abs(output) <= (1e4 if scale == "none" else 10)).all()


def test_a_constant_column_is_zero():
    np.testing.assert_allclose(z_of(Number([0.1] * 7), [0.1]), [0.0], atol=1e-6)


def test_infinite_numbers_are_left_out_of_statistics():
    one, other = Number([1.0, 2.0, np.inf, 4.0], seed=1), Number([1.0, 2.0, 4.0], seed=1)
    assert (one.mean, one.deviation, one.edges) == (other.mean, other.deviation, other.edges)


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ([3, None, True, " 2.5", "", Decimal("1.5"), np.float16(2), b"7"], [3, np.nan, 1, 2.5, np.nan, 1.5, 2, 7]),
        (pd.Series([3, None], dtype="Int64"), [3, np.nan]),
        (pd.Series([3, None], dtype="int64[pyarrow]"), [3, np.nan]),
        (pd.Series([True, None], dtype="boolean"), [1, np.nan]),
        (pd.Series(["3", None, "nan"]), [3, np.nan, np.nan]),
        (pd.Series([3, None, 4]).astype("category"), [3, np.nan, 4]),
        (np.ma.array([3, 1], mask=[False, True]), [3, np.nan]),
        (np.array([2**24 + 1, 7], np.uint64), [2**24, 7]),
        ([10**400, -(10**400), 1e300], [np.inf, -np.inf, np.inf]),
        (pd.Series([3.5, 4.5], index=[7, 7]), [3.5, 4.5]),
    ],
)
def test_columns_of_every_form_are_read(column, wanted):
    tensor = Number([1.0, 2.0]).read(column, "test", "minutes")
    assert tensor.dtype == tf.float32
    np.testing.assert_array_equal(tensor.numpy(), wanted)


@pytest.mark.parametrize("tensor", [tf.constant([2, 8]), tf.constant([2.0, 8.0], tf.float64)])
def test_a_tensor_of_other_numbers_is_cast(tensor):
    encoder = Number([1.0, 8.0], seed=1)
    np.testing.assert_array_equal(encoder(tensor).numpy(), encoder([2.0, 8.0]).numpy())


@pytest.mark.parametrize(
    ("column", "error", "said"),
    [
        (
            ["x", 1, "y", None, [1], 1j],
            ArgumentError,
            r"4 of 6 values in column 'minutes' .* row 0, 2, 4, ...: 'x', 'y'",
        ),
        (pd.to_datetime(pd.Series(["2017-01-01"])), ArgumentTypeError, "does not hold numbers"),
        (np.array([1j]), ArgumentTypeError, "does not hold numbers"),
        (np.ones((2, 1)), ArgumentTypeError, "must have one number per row"),
    ],
)
def test_what_is_not_a_number_is_refused(column, error, said):
    with pytest.raises(error, match=f"recommend: .*{said}"):
        Number([1.0, 2.0]).read(column, "recommend", "minutes")


def test_a_tensor_of_text_is_refused():
    with pytest.raises(ArgumentTypeError, match="Number: a tensor of numbers is needed"):
        Number([1.0, 2.0])(tf.constant(["3"]))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "Number: `data` is needed"),
        ({"mean": 0.0, "deviation": 1.0, "edges": []}, "Number: `data` is needed"),
        ({"data": [1], "scale": "logs"}, "`scale` must be one of 'auto', 'standard', 'log', 'none'"),
        ({"data": [1], "num_buckets": 0}, "`num_buckets` must be a positive integer"),
        ({"data": [1], "bucket_width": 0}, "`bucket_width` must be a positive integer"),
        ({"scale": "log", "mean": 0.0, "deviation": 0.0, "edges": []}, "`deviation` must be a finite number > 0"),
        ({"scale": "log", "mean": 0.0, "deviation": 1.0, "edges": [2.0, 1.0]}, "`edges` must be ascending"),
        ({"scale": "log", "mean": np.nan, "deviation": 1.0, "edges": []}, "`mean` must be a finite number"),
    ],
)
def test_arguments_are_checked(arguments, said):
    with pytest.raises(ArgumentError, match=said):
        Number(**arguments)


@given(data=st.lists(st.floats(width=32, allow_nan=False), max_size=8), numbers=st.lists(st.floats(), min_size=1))
def test_larger_numbers_never_have_a_smaller_z_or_bucket(data, numbers):
    encoder = Number([*data, None], bucket_width=1)
    encoder.table.set_weights([np.arange(len(encoder.edges) + 1.0)[:, np.newaxis]])
    column = np.sort(numbers)
    output = encoder(column).numpy()
    is_missing = np.isnan(column)
    np.testing.assert_array_equal(output[:, 1], is_missing)
    np.testing.assert_array_equal(output[is_missing][:, [0, 2]], 0)
    assert (np.diff(output[~is_missing], axis=0) >= 0).all()
