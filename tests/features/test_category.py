"""Category: rows of a small table, one for each value, one for missing and one for unknown values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.columns.value_texts import value_texts
from reciperec_layers.errors import ArgumentError, ArgumentTypeError
from reciperec_layers.features import Category

MISSING, UNKNOWN = 0, 1


@pytest.fixture(scope="module")
def encoder() -> Category:
    return Category(["3", "tea", None, 3, "True", "tea", 3, 2.5], width=2, seed=1)


def rows_of(encoder: Category, column: object) -> list[int]:
    return encoder.prepare(encoder.read(column, "test", "kind")).numpy().tolist()


def test_values_are_counted_as_text(encoder: Category):
    assert encoder.vocabulary.ids.tolist() == ["3", "tea", "2.5", "True"]
    assert encoder.vocabulary.counts.tolist() == [3, 2, 1, 1]
    assert encoder.has_missing
    assert encoder.table.num_rows == 6


@pytest.mark.parametrize(
    ("column", "rows"),
    [
        ([3, "3", 3.0, True, "tea", None, "cake", 2.5], [2, 2, 2, 5, 3, MISSING, UNKNOWN, 4]),
        (["", b"tea", np.str_("tea"), np.int8(3), np.float32(2.5)], [MISSING, 3, 3, 2, 4]),
        (pd.Series([3.0, np.nan, 4.0]), [2, MISSING, UNKNOWN]),
        (pd.Series([3, None], dtype="Int64"), [2, MISSING]),
        (pd.Series([3, None], dtype="int64[pyarrow]"), [2, MISSING]),
        (pd.Series([True, None], dtype="boolean"), [5, MISSING]),
        (pd.Series(["tea", None, "tea"]).astype("category"), [3, MISSING, 3]),
        (pd.Series([3, None, 4]).astype("category"), [2, MISSING, UNKNOWN]),
        (np.array([True, False]), [5, UNKNOWN]),
        (np.array([2.5, 3.0], np.float32), [4, 2]),
        (np.ma.array([3, 3], mask=[True, False]), [MISSING, 2]),
        (pd.to_datetime(pd.Series(["2017-01-01", None])), [UNKNOWN, MISSING]),
        (pd.Series(["tea", "cake"], index=[5, 5]), [3, UNKNOWN]),
    ],
)
def test_a_value_has_its_row_whatever_its_type(encoder: Category, column: object, rows: list[int]):
    assert rows_of(encoder, column) == rows
    np.testing.assert_array_equal(encoder(column).numpy(), encoder.table.get_weights()[0][rows])


@pytest.mark.parametrize(
    ("tensor", "rows"),
    [
        (tf.constant([3, -3], tf.int32), [2, UNKNOWN]),
        (tf.constant([3.0, 2.5, np.nan, np.inf, 1e30]), [2, 4, MISSING, UNKNOWN, UNKNOWN]),
        (tf.constant([True, False]), [5, UNKNOWN]),
        (tf.constant(["3", ""]), [2, MISSING]),
    ],
    ids=["integers", "floats", "booleans", "text"],
)
def test_a_tensor_that_was_not_read_has_the_same_rows(encoder: Category, tensor: tf.Tensor, rows: list[int]):
    assert encoder.prepare(tensor).numpy().tolist() == rows
    assert encoder.is_known(tensor).numpy().tolist() == [row > UNKNOWN for row in rows]


def test_a_missing_value_is_unknown_where_training_has_none():
    encoder = Category(["tea", "cake"], width=2)
    assert not encoder.has_missing
    assert rows_of(encoder, [None, "pie", "tea"]) == [UNKNOWN, UNKNOWN, 3]


def test_rare_values_are_unknown():
    encoder = Category(["tea", "tea", "cake"], min_count=2)
    assert rows_of(encoder, ["tea", "cake"]) == [2, UNKNOWN]


def test_dropout_takes_known_values_for_unknown_ones_and_missing_ones_never():
    encoder = Category(["tea", None], width=2, value_dropout=0.5, seed=1)
    table = encoder.table.get_weights()[0]
    known, missing = (encoder.prepare(tf.constant([text] * 64)) for text in ("tea", ""))
    dropped = (encoder.encode(known, training=True).numpy() == table[UNKNOWN]).all(axis=1)
    assert 10 < dropped.sum() < 54
    np.testing.assert_array_equal(encoder.encode(missing, training=True).numpy(), table[[MISSING] * 64])
    np.testing.assert_array_equal(encoder.encode(known).numpy(), table[[2] * 64])
    assert not encoder.deterministic
    assert Category(["tea"], value_dropout=0.0).deterministic


@pytest.mark.parametrize("vocabulary", [[3, True], ["3", "True"]])
def test_a_vocabulary_is_in_row_order(vocabulary: list):
    assert rows_of(Category(vocabulary=vocabulary), [True, 3, None]) == [3, 2, MISSING]


@pytest.mark.parametrize(
    ("column", "error", "said"),
    [
        ([["tea"], ["cake", "pie"]], ArgumentTypeError, "column 'kind' has values of type list, which have no text"),
        (["tea", {"a": 1}], ArgumentTypeError, "values of type dict"),
        (np.ones((2, 2)), ArgumentTypeError, "column 'kind' must have one value per row.*ndarray.shape=.2, 2."),
    ],
)
def test_what_is_not_a_value_is_refused(encoder: Category, column: object, error: type[Exception], said: str):
    with pytest.raises(error, match=f"recommend.*{said}"):
        encoder.read(column, "recommend", "kind")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "Category: `data` is needed"),
        ({"data": [None, ""]}, "Category: `data` has no values"),
        ({"data": []}, "Category: `data` has no values"),
        ({"data": ["a", "b"], "min_count": 2}, "Category: no value of `data` occurs 2 times.*lower min_count"),
        ({"data": ["a"], "min_count": 0}, "`min_count` must be a positive integer"),
        ({"data": ["a"], "width": 0}, "Category: `width` must be a positive integer"),
        ({"data": ["a"], "value_dropout": 1.0}, "must be a number in"),
    ],
)
def test_arguments_are_checked(arguments: dict, said: str):
    with pytest.raises(ArgumentError, match=said):
        Category(**arguments)


simple = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3)


def text_of(value: object) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value not in (np.inf, -np.inf) and value == int(value):
        return str(int(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@given(column=st.lists(simple, max_size=8))
def test_a_text_does_not_depend_on_the_other_values(column: list):
    wanted = [text_of(value) for value in column]
    assert value_texts(column, "test", "kind").tolist() == wanted
    assert [value_texts([value], "test", "kind")[0] for value in column] == wanted
