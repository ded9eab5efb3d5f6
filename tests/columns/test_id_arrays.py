"""Raw ids of every kind become int64 or text, and nothing else does."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.columns.id_arrays import is_text, to_id_array
from reciperec_layers.errors import ArgumentTypeError, IdError
from reciperec_layers.testing import int64_ids, text_ids

INTS = [7, -9, 2**63 - 1, -(2**63)]
TEXTS = ["r_1", "", "00123", "é\n\u2028"]


def of_pyarrow(values: list[Any], dtype: str) -> pd.Series:
    return pd.Series(values, dtype=f"{dtype}[pyarrow]")


INT_FORMS = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "objects": lambda ids: np.array(ids, dtype=object),
    "NumPy numbers": lambda ids: [np.int64(item) for item in ids],
    "series": pd.Series,
    "index": pd.Index,
    "categories": lambda ids: pd.Categorical(ids),
    "category series": lambda ids: pd.Series(ids, dtype="category"),
    "Int64": lambda ids: pd.Series(ids, dtype="Int64"),
    "object series": lambda ids: pd.Series(ids, dtype=object),
    "tensor": lambda ids: tf.constant(ids, tf.int64),
}
TEXT_FORMS = {
    "list": list,
    "array": np.array,
    "objects": lambda ids: np.array(ids, dtype=object),
    "NumPy strings": lambda ids: [np.str_(item) for item in ids],
    "StringDType": lambda ids: np.array(ids, dtype=np.dtypes.StringDType()),
    "bytes": lambda ids: [item.encode() for item in ids],
    "bytes array": lambda ids: np.array([item.encode() for item in ids]),
    "series": pd.Series,
    "index": pd.Index,
    "categories": lambda ids: pd.Categorical(ids),
    "category series": lambda ids: pd.Series(ids, dtype="category"),
    "string": lambda ids: pd.Series(ids, dtype="string"),
    "object series": lambda ids: pd.Series(ids, dtype=object),
    "tensor": tf.constant,
}


@pytest.mark.parametrize("form", INT_FORMS.values(), ids=INT_FORMS)
def test_integers(form: Any):
    ids = to_id_array(form(INTS))
    assert ids.dtype == np.int64
    assert ids.tolist() == INTS
    assert not is_text(ids)


@pytest.mark.parametrize("form", TEXT_FORMS.values(), ids=TEXT_FORMS)
def test_text(form: Any):
    ids = to_id_array(form(TEXTS))
    assert ids.dtype == object
    assert ids.tolist() == TEXTS
    assert {type(item) for item in ids.tolist()} == {str}
    assert is_text(ids)


def test_pyarrow_columns():
    pytest.importorskip("pyarrow")
    assert to_id_array(of_pyarrow(INTS, "int64")).tolist() == INTS
    assert to_id_array(of_pyarrow(TEXTS, "string")).tolist() == TEXTS
    with pytest.raises(IdError, match=r"1 of 2 ids are missing .* position 1"):
        to_id_array(of_pyarrow([1, None], "int64"))


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "uint32", "uint64", "UInt64", "Int8"])
def test_integers_of_any_width(dtype: str):
    ids = to_id_array(pd.Series([1, 100], dtype=dtype))
    assert ids.dtype == np.int64
    assert ids.tolist() == [1, 100]


@given(st.lists(int64_ids(), min_size=1, max_size=8) | st.lists(text_ids(), min_size=1, max_size=8))
def test_lists_keep_their_values(values: list[Any]):
    assert to_id_array(values).tolist() == values
    assert to_id_array(pd.Series(values, dtype=object)).tolist() == values


@pytest.mark.parametrize("shape", [(), (0,), (6,), (2, 3), (1, 2, 3), (2, 0)])
def test_rank_is_kept(shape: tuple[int, ...]):
    integers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    assert to_id_array(integers).shape == shape
    assert to_id_array(integers.astype(str)).shape == shape
    assert to_id_array(integers.astype(str).astype("S")).shape == shape
    assert to_id_array(integers.astype(object)).shape == shape


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([7, None], r"1 of 2 ids are missing \(NaN, None or NA\), first at position 1\. Drop these rows"),
        (["a", None, None], r"2 of 3 ids are missing .* position 1, 2\."),
        ([*[None] * 7, 8], r"position 0, 1, 2, 3, 4, \.\.\. Drop these rows"),
        ([None, None], r"2 of 2 ids are missing .* Check how the ids were read\.$"),
        (["a", float("nan")], r"1 of 2 ids are missing"),
        ([7, pd.NA], r"1 of 2 ids are missing"),
        (pd.Series(["a", None]), r"1 of 2 ids are missing"),
        (pd.Series([7, None], dtype="Int64"), r"1 of 2 ids are missing"),
        (pd.Series([7, None]), r"1 of 2 ids are missing"),
        (pd.Series(["a", None], dtype="category"), r"1 of 2 ids are missing"),
        (np.array(["a", np.nan], dtype=np.dtypes.StringDType(na_object=np.nan)), r"1 of 2 ids are missing"),
        ([7.0, 9.0], r"integers or text, not floats.*astype\(\"int64\"\)"),
        (np.array([7.5]), r"not floats\. Received: ids=ndarray\(shape=\(1,\), dtype=float64\)"),
        (pd.Series([1.5], dtype="Float64"), "not floats"),
        ([7, 9.0], r"all integers or all text\. Received: types=\['float', 'int'\]"),
        ([7, "a"], r"all integers or all text\. Received: types=\['int', 'str'\]"),
        ([b"a", "a"], r"Received: types=\['bytes', 'str'\]"),
        ([True, False], r"types=\['bool'\]"),
        ([1, True], r"types=\['bool', 'int'\]"),
        (np.array([True]), "must be integers or text"),
        (pd.Series([True], dtype="boolean"), "must be all integers or all text"),
        (np.array(["2020-01-01"], dtype="datetime64[s]"), r"integers or text.*datetime64\[s\]"),
        ([datetime.date(2020, 1, 1)], r"types=\['date'\]"),
        ([[1], [2, 3]], r"types=\['list'\]"),
        ([2**63, 1], r"1 ids do not fit into int64: 9223372036854775808\. Pass them as text"),
        ([-(2**63) - 1], "do not fit into int64"),
        (np.array([1, 2**64 - 1], dtype=np.uint64), r"1 ids do not fit into int64: 18446744073709551615"),
        (pd.Series([2**63], dtype="UInt64"), "do not fit into int64"),
        ([b"\xff"], r"must be UTF-8\. Received: ids=b'\\xff'"),
        (np.array([b"\xff"]), "must be UTF-8"),
        (np.ma.array([7, 9, 11], mask=[1, 0, 1]), r"2 of 3 ids are missing .* position 0, 2\."),
        (np.ma.array(["a", "b"], mask=[0, 1]), r"1 of 2 ids are missing .* position 1\."),
        (np.ma.array([7, "a"], dtype=object, mask=[0, 1]), "1 of 2 ids are missing"),
        (np.ma.masked_all(2, np.uint8), "2 of 2 ids are missing"),
        (np.ma.array([1.5], mask=[1]), "1 of 1 ids are missing"),
        ([7, np.ma.masked], "1 of 2 ids are missing .* position 1"),
        (["a", np.ma.masked], "1 of 2 ids are missing"),
        ([np.ma.array([1, 2], mask=[0, 1]), [3, 4]], "1 of 4 ids are missing .* position 1"),
    ],
)
def test_values_that_are_not_ids_are_refused(values: Any, message: str):
    with pytest.raises(IdError, match=f"^shop: .*{message}"):
        to_id_array(values, "shop")


@pytest.mark.parametrize(
    "values",
    [
        np.ma.array([7, 9]),
        np.ma.array([7, 9], mask=[0, 0]),
        np.ma.array([7, 9], dtype=np.uint8),
        np.ma.array([7, 9], dtype=object),
    ],
)
def test_a_masked_array_without_masked_values_is_taken(values: Any):
    ids = to_id_array(values)
    assert (type(ids), ids.dtype, ids.tolist()) == (np.ndarray, np.int64, [7, 9])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([7, "a"], r"values must be all integers or all text. Received: types=\['int', 'str'\]"),
        (np.array([1.5]), "values must be integers or text, not floats. Received: values=ndarray"),
        (np.array([True]), "values must be integers or text. Received: values="),
        ([2**63], "1 values do not fit into int64"),
        ([b"\xff"], r"values given as bytes must be UTF-8. Received: values=b'\\xff'"),
    ],
)
def test_messages_call_the_values_what_the_caller_says(values: Any, message: str):
    with pytest.raises(IdError, match=f"^shop: {message}"):
        to_id_array(values, "shop", noun="values")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pd.DataFrame({"a": [7]}), r"ids are needed, not a DataFrame.*shape=\(1, 1\).* Pass one column"),
        (pd.DataFrame({"a": [7]}).value_counts().index, "not a MultiIndex.* Pass one column"),
        (pd.DataFrame({"a": [7], "b": [8]}).value_counts().index, "not a MultiIndex.* Pass one column"),
        ({7, 9}, r"not a set\. Received: ids=\{.*\}\. Pass a list"),
        ((each for each in [7, 9]), r"not a generator\..* Pass a list"),
        ({7: 1}.keys(), r"not a dict_keys\..* Pass a list"),
        ({7: 1}, r"not a dict\..* Pass a list"),
    ],
)
def test_unordered_ids_are_refused(values: Any, message: str):
    with pytest.raises(ArgumentTypeError, match=f"^shop: .*{message}"):
        to_id_array(values, "shop")
