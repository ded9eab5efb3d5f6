from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.columns.tensors import num_rows, to_tensor, to_tensors
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, IdError

TEXT = ["soup", "crêpes", "soup"]
EXPECTED_TEXT = [value.encode() for value in TEXT]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=4), max_size=8, min_size=1))
def test_text_is_kept_whole(texts):
    columns = [texts, pd.Series(texts), pd.Series(texts, dtype=object)]
    if "\0" not in "".join(texts):  # pandas 2 takes "" and "\0" for one category
        columns.append(pd.Series(texts).astype("category"))
    for column in columns:
        assert [value.decode() for value in to_tensor(column, "batches", "name").numpy()] == texts


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=8, min_size=1))
def test_integers_are_kept_whole(ints):
    series = pd.Series(ints)
    for column in (ints, np.array(ints), series, series.astype("Int64"), series.astype(object)):
        tensor = to_tensor(column, "batches", "user_id")
        assert (tensor.dtype, tensor.numpy().tolist()) == (tf.int64, ints)


@pytest.mark.parametrize(
    "column",
    [
        TEXT,
        tuple(TEXT),
        np.array(TEXT),
        np.array(TEXT, dtype=object),
        np.array(EXPECTED_TEXT),
        pd.Series(TEXT),
        pd.Series(TEXT, dtype=object),
        pd.Series(TEXT, dtype="string[python]"),
        pd.Series(TEXT).astype("category"),
        pd.Categorical(TEXT),
        pd.Index(TEXT),
    ],
)
def test_text_from_every_holder(column):
    tensor = to_tensor(column, "batches", "name")
    assert (tensor.dtype, tensor.numpy().tolist()) == (tf.string, EXPECTED_TEXT)


@pytest.mark.parametrize(
    ("column", "dtype", "expected"),
    [
        (np.array([1, 2], dtype=np.uint8), tf.int64, [1, 2]),
        (np.array([1, 2**40], dtype=np.uint64), tf.int64, [1, 2**40]),
        (pd.Series([1, 2], dtype="int32"), tf.int64, [1, 2]),
        (pd.Series([2, 1]).astype("category"), tf.int64, [2, 1]),
        ([], tf.int64, []),
        ([True, False], tf.bool, [True, False]),
        (pd.Series([True, False]), tf.bool, [True, False]),
        (pd.Series([True, False], dtype="boolean"), tf.bool, [True, False]),
        ([1.5, 2], tf.float32, [1.5, 2.0]),
        (np.array([1.5], dtype=np.float16), tf.float32, [1.5]),
        (pd.Series([1.5, 2.0]), tf.float32, [1.5, 2.0]),
        (pd.Series([], dtype=str), tf.string, []),
        ([[1, 2], [3, 4]], tf.int64, [[1, 2], [3, 4]]),
        ([["a", "b"], ["c", "d"]], tf.string, [[b"a", b"b"], [b"c", b"d"]]),
        (np.ma.array([1, 2]), tf.int64, [1, 2]),
        (np.array([1, 2.5], dtype=object), tf.float32, [1.0, 2.5]),
        (pd.Series([1, 2.5], dtype=object), tf.float32, [1.0, 2.5]),
    ],
)
def test_dtypes(column, dtype, expected):
    tensor = to_tensor(column, "batches", "x")
    assert (tensor.dtype, tensor.numpy().tolist()) == (dtype, expected)


@pytest.mark.parametrize("dtype", ["float64", "Float64"])
def test_floats_may_be_missing(dtype):
    tensor = to_tensor(pd.Series([1.5, None], dtype=dtype), "batches", "rating")
    np.testing.assert_array_equal(tensor.numpy(), np.array([1.5, np.nan], dtype=np.float32))


def test_masked_floats_are_missing():
    tensor = to_tensor(np.ma.array([1.5, 2.5], mask=[0, 1]), "batches", "rating")
    np.testing.assert_array_equal(tensor.numpy(), np.array([1.5, np.nan], dtype=np.float32))


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (TEXT, "string[pyarrow]", EXPECTED_TEXT),
        ([1, 2], "int64[pyarrow]", [1, 2]),
        ([True, False], "bool[pyarrow]", [True, False]),
        ([1.5, 2.0], "double[pyarrow]", [1.5, 2.0]),
    ],
)
def test_columns_backed_by_pyarrow(values, dtype, expected):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    assert to_tensor(pd.Series(values, dtype=dtype), "batches", "x").numpy().tolist() == expected
    column = pd.Series([*values, None], dtype=dtype)
    if dtype == "double[pyarrow]":
        np.testing.assert_array_equal(to_tensor(column, "batches", "x"), [*values, np.nan])
    else:
        with pytest.raises(IdError, match="are missing"):
            to_tensor(column, "batches", "x")


@pytest.mark.parametrize(
    "tensor",
    [tf.constant([1], tf.int32), tf.ragged.constant([[1], [2, 3]]), tf.sparse.from_dense([[0, 1]]), tf.Variable([1.0])],
)
def test_tensors_stay_as_they_are(tensor):
    assert to_tensor(tensor, "batches", "x") is tensor
    assert num_rows(tensor) == (2 if isinstance(tensor, tf.RaggedTensor) else 1)


@pytest.mark.parametrize(
    "column",
    [
        ["a", None, "b"],
        pd.Series(["a", None, "b"]),
        pd.Series(["a", None, "b"], dtype=object),
        pd.Series(["a", np.nan, "b"], dtype=object),
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        pd.Series(["a", None, "b"]).astype("category"),
        pd.Series([1, None, 2], dtype="Int64"),
        pd.Series([True, None, False], dtype="boolean"),
        [True, None, False],
        np.ma.array([1, 2, 3], mask=[0, 1, 0]),
        np.ma.array(["a", "b", "c"], mask=[0, 1, 0]),
        np.ma.array([True, True, False], mask=[0, 1, 0]),
        [1, np.ma.masked, 3],
    ],
)
def test_missing_values_are_counted_and_their_column_named(column):
    with pytest.raises(IdError, match=r"^batches: column 'x': 1 of 3 values are missing.*position 1"):
        to_tensor(column, "batches", "x")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pd.Series([{"a": 1}]), "values of type dict cannot become a tensor"),
        (pd.Series([[1], [2, 3]]), "values of type list"),
        ([[1], [2, 3]], "values of type list"),
        (pd.to_datetime(pd.Series(["2017-01-01"])), "values of type Timestamp"),
        (np.array(["2017-01-01"], dtype="M8[s]"), r"datetime64\[s\] cannot become a tensor"),
        (np.array([1j]), "complex128 cannot become a tensor"),
        (5, "one entry per row is needed, not a single value. Received: value=5"),
        ("abc", "one entry per row is needed"),
    ],
)
def test_other_content_is_refused(column, said):
    with pytest.raises(ArgumentTypeError, match=f"batches: column 'x': {said}"):
        to_tensor(column, "batches", "x")


@pytest.mark.parametrize("column", [[1, "a"], pd.Series([1, "a"], dtype=object), np.array([2**63], dtype=np.uint64)])
def test_ids_that_are_none_are_refused(column):
    with pytest.raises(IdError, match="batches: column 'x': "):
        to_tensor(column, "batches", "x")


def test_text_that_is_not_utf8_is_refused():
    with pytest.raises(IdError, match="column 'x': text is not valid UTF-8"):
        to_tensor(["\ud800"], "batches", "x")


@pytest.mark.parametrize("form", [dict, pd.DataFrame])
def test_columns_by_name(form):
    tensors = to_tensors(form({"user_id": [7, 9], "recipe_name": ["soup", "pie"]}), "fit")
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {"user_id": tf.int64, "recipe_name": tf.string}


def test_columns_of_different_lengths_are_listed():
    features = {"user_id": [7, 9], "tags": tf.ragged.constant([[1], [2], [3]])}
    with pytest.raises(ArgumentError, match="fit: columns must have one length, not 'user_id': 2, 'tags': 3"):
        to_tensors(features, "fit")


@pytest.mark.parametrize("features", [[7, 9], np.array([7, 9]), pd.Series([7, 9]), None])
def test_features_without_names_are_refused(features):
    with pytest.raises(ArgumentTypeError, match="fit: features by column name are needed"):
        to_tensors(features, "fit")


def test_names_that_are_not_text_are_refused():
    with pytest.raises(ArgumentTypeError, match="column names must be text, and these are not: 0"):
        to_tensors({"user_id": [1], 0: [2]}, "fit")


def test_two_columns_of_one_name_are_refused():
    frame = pd.DataFrame([[1, 2]], columns=["user_id", "user_id"])
    with pytest.raises(ColumnError, match="2 columns have the name 'user_id'"):
        to_tensors(frame, "fit")
