"""Raw ids to table rows: known, unknown, dropped, of every kind and rank."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, IdError, UnknownIdError
from reciperec_layers.graph.graph_errors import raised_as_ours
from reciperec_layers.layers import IdLookup
from reciperec_layers.testing import id_batches, ragged_ids, vocabularies


def expected_rows(vocabulary: rl.Vocabulary, ids: list[Any], num_oov_indices: int) -> list[int | None]:
    """Row of each known id, `None` for the others."""
    row_of = {item: num_oov_indices + index for index, item in enumerate(vocabulary.ids.tolist())}
    return [row_of.get(item) for item in ids]


def check_rows(found: np.ndarray, expected: list[int | None], num_oov_indices: int) -> None:
    for row, wanted in zip(found.ravel().tolist(), expected, strict=True):
        assert row == wanted if wanted is not None else 0 <= row < num_oov_indices


@settings(max_examples=60)
@given(st.data(), vocabularies(), st.integers(1, 4))
def test_known_ids_have_their_row_and_others_an_oov_row(data: Any, vocabulary: rl.Vocabulary, num_oov_indices: int):
    lookup = IdLookup(vocabulary, num_oov_indices)
    batch = data.draw(id_batches(vocabulary, min_rank=0))
    rows = lookup(batch)
    assert rows.dtype == tf.int64
    assert rows.shape == batch.shape
    check_rows(rows.numpy(), expected_rows(vocabulary, batch.ravel().tolist(), num_oov_indices), num_oov_indices)
    assert lookup.lookup(batch).tolist() == rows.numpy().tolist()
    in_a_graph = tf.function(lookup)(tf.convert_to_tensor(batch, vocabulary.dtype))
    assert in_a_graph.numpy().tolist() == rows.numpy().tolist()


@settings(max_examples=40)
@given(vocabularies(), st.integers(0, 3))
def test_id_to_row_to_id_is_the_identity(vocabulary: rl.Vocabulary, num_oov_indices: int):
    lookup = IdLookup(vocabulary, num_oov_indices)
    rows = lookup.lookup(vocabulary.ids)
    assert rows.tolist() == list(range(num_oov_indices, lookup.num_rows))
    assert lookup.reverse_lookup(rows).tolist() == vocabulary.ids.tolist()
    nobody = "" if vocabulary.dtype == "string" else -1
    assert lookup.reverse_lookup(np.arange(num_oov_indices)).tolist() == [nobody] * num_oov_indices


@settings(max_examples=40)
@given(st.data(), vocabularies())
def test_ragged_ids(data: Any, vocabulary: rl.Vocabulary):
    batch = data.draw(ragged_ids(vocabulary))
    lookup = IdLookup(vocabulary, num_oov_indices=2)
    rows = lookup(batch)
    assert rows.row_lengths().numpy().tolist() == batch.row_lengths().numpy().tolist()
    assert rows.flat_values.numpy().tolist() == lookup(batch.flat_values).numpy().tolist()


INT_INPUTS = {
    "int64 tensor": tf.constant([9, 7, 5], tf.int64),
    "int32 tensor": tf.constant([9, 7, 5], tf.int32),
    "array": np.array([9, 7, 5]),
    "uint64 array": np.array([9, 7, 5], dtype=np.uint64),
    "series": pd.Series([9, 7, 5]),
    "Int64": pd.Series([9, 7, 5], dtype="Int64"),
    "category": pd.Series([9, 7, 5], dtype="category"),
    "variable": tf.Variable([9, 7, 5], dtype=tf.int64),
}
TEXT_INPUTS = {
    "tensor": tf.constant(["é", "a", "x"]),
    "U array": np.array(["é", "a", "x"]),
    "S array": np.array(["é".encode(), b"a", b"x"]),
    "object array": np.array(["é", "a", "x"], dtype=object),
    "series": pd.Series(["é", "a", "x"]),
    "string": pd.Series(["é", "a", "x"], dtype="string"),
    "category": pd.Series(["é", "a", "x"], dtype="category"),
    "index": pd.Index(["é", "a", "x"]),
}


@pytest.mark.parametrize("ids", INT_INPUTS.values(), ids=INT_INPUTS)
def test_integers_of_every_kind(ids: Any):
    assert IdLookup([7, 9])(ids).numpy().tolist() == [2, 1, 0]


@pytest.mark.parametrize("ids", TEXT_INPUTS.values(), ids=TEXT_INPUTS)
def test_text_of_every_kind(ids: Any):
    assert IdLookup(["a", "é"])(ids).numpy().tolist() == [2, 1, 0]


def test_no_ids():
    assert IdLookup(["a"])(np.zeros((2, 0), dtype=object)).shape == (2, 0)
    assert IdLookup(["a"])(np.array([], dtype=str)).shape == (0,)
    assert IdLookup([7]).lookup([]).tolist() == []


def test_unknown_ids_spread_over_all_oov_rows():
    rows = IdLookup([-1], num_oov_indices=4)(np.arange(4000)).numpy()
    counts = np.bincount(rows, minlength=5)
    assert counts[4] == 0
    assert (abs(counts[:4] - 1000) < 150).all()


@pytest.mark.parametrize("num_oov_indices", [1, 3])
def test_id_dropout_is_for_training_and_drops_its_share(num_oov_indices: int):
    lookup = IdLookup([7, 9], num_oov_indices, id_dropout=0.3, seed=1)
    ids = np.full(10_000, 9)
    for training in (False, None):
        assert (lookup(ids, training=training).numpy() == num_oov_indices + 1).all()
    rows = lookup(ids, training=True).numpy()
    counts = np.bincount(rows, minlength=num_oov_indices + 2)
    assert counts[num_oov_indices] == 0
    assert counts[:num_oov_indices].sum() == pytest.approx(3000, abs=250)
    assert (counts[:num_oov_indices] > 0.8 * 3000 / num_oov_indices).all()
    assert (lookup(ids, training=True).numpy() != rows).any()


def test_id_dropout_follows_its_seed():
    def rows(seed: int) -> list[int]:
        return IdLookup([7, 9], id_dropout=0.5, seed=seed)(np.full(50, 9), training=True).numpy().tolist()

    assert rows(3) == rows(3)
    assert rows(3) != rows(4)


def test_sequential_without_input_finds_large_ids():
    # float32 cannot tell 2^24 and 2^24 + 1 apart.
    ids = np.array([2**24, 2**24 + 1, 2**62 + 1, -(2**63)])
    model = keras.Sequential([IdLookup(ids, num_oov_indices=1)])
    assert model(ids[::-1].copy()).numpy().tolist() == [4, 3, 2, 1]
    assert model.predict(ids, verbose=0).tolist() == [1, 2, 3, 4]


def test_an_input_of_floats_is_refused():
    with pytest.raises(IdError, match=r"must be int64, .*dtype='float32'.*keras\.Input\(\.\.\., dtype=\"int64\"\)"):
        IdLookup([7])(keras.Input(()))
    with pytest.raises(IdError, match=r"must be string"):
        IdLookup(["a"])(keras.Input((), dtype="int64"))


STRICT = {"int64": IdLookup(np.arange(100, 200), num_oov_indices=0), "string": IdLookup(["a"], num_oov_indices=0)}
UNKNOWN = [
    (
        "int64",
        [100, 1, 2, 3, 4, 5, 6],
        r"6 of 7 ids are not in the vocabulary and num_oov_indices=0: 1, 2, 3, 4, 5, \.\.\.",
    ),
    ("int64", [199, -(2**63)], r"1 of 2 ids are not .*: -9223372036854775808\. Add them, or set num_oov_indices=1\."),
    ("string", ["a", "é\nb"], r"1 of 2 ids are not in the vocabulary and num_oov_indices=0: 'é\nb'\. Add them"),
]


@pytest.mark.parametrize(("kind", "ids", "message"), UNKNOWN)
def test_unknown_ids_without_an_oov_row(kind: str, ids: list[Any], message: str):
    lookup, tensor = STRICT[kind], tf.constant(ids, kind)
    with pytest.raises(UnknownIdError, match=f"^IdLookup: {message}"):
        lookup(tensor)
    with pytest.raises(UnknownIdError, match=f"^IdLookup: {message}"):
        lookup.lookup(ids)
    with pytest.raises(UnknownIdError, match=f"^IdLookup: {message}"), raised_as_ours():
        tf.function(lookup)(tensor)


def test_known_ids_without_an_oov_row():
    assert STRICT["int64"](np.array([100, 199])).numpy().tolist() == [0, 99]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: IdLookup([7])(np.array([7.0])), IdError, "not floats"),
        (lambda: IdLookup([7])(tf.constant([7.0])), IdError, r"must be int64.*dtype='float32'"),
        (lambda: IdLookup([7])(tf.constant([True])), IdError, r"must be int64.*dtype='bool'"),
        (lambda: IdLookup([-(2**63)])(tf.constant([2**63], tf.uint64)), IdError, r"must be int64.*dtype='uint64'"),
        (lambda: IdLookup([7])(np.array([2**63], np.uint64)), IdError, "do not fit into int64"),
        (lambda: IdLookup([7])(tf.constant(["7"])), IdError, r"must be int64.*dtype='string'"),
        (lambda: IdLookup(["7"])(np.array([7])), IdError, "ids must be text, as in the vocabulary, not integers"),
        (lambda: IdLookup([7])(pd.Series([7, None])), IdError, "1 of 2 ids are missing"),
        (lambda: IdLookup([7])(pd.Series(["7", None])), IdError, r"missing .* first at position 1"),
        (lambda: IdLookup([7])([7]), IdError, r"one tensor\. Received: ids=\[7\].*`lookup` also accepts a list"),
        (lambda: IdLookup([7])(tf.sparse.from_dense([[7]])), IdError, r"one tensor.*SparseTensor"),
        (lambda: IdLookup([7])({"user_id": np.array([7])}), IdError, r"one tensor.*user_id"),
        (lambda: IdLookup(["a"]).lookup(["\ud800"]), IdError, r"not valid UTF-8.*lone surrogates"),
        (lambda: IdLookup(["a"])(np.array(["\ud800"], dtype=object)), IdError, "not valid UTF-8"),
        (lambda: IdLookup([7, 7]), IdError, "1 of 2 ids are repeats"),
        (lambda: IdLookup([7], num_oov_indices=-1), ArgumentError, r"integer >= 0\. Received: num_oov_indices=-1"),
        (lambda: IdLookup([7], num_oov_indices=1.5), ArgumentError, r"num_oov_indices=1\.5"),
        (lambda: IdLookup([7], num_oov_indices=True), ArgumentError, "num_oov_indices=True"),
        (lambda: IdLookup([7], id_dropout=1.0), ArgumentError, r"in \[0, 1\)\. Received: id_dropout=1\.0"),
        (lambda: IdLookup([7], id_dropout=-0.1), ArgumentError, "id_dropout=-0.1"),
        (lambda: IdLookup([7], id_dropout=float("nan")), ArgumentError, "id_dropout=nan"),
        (lambda: IdLookup([7], id_dropout=None), ArgumentError, "id_dropout=None"),
        (lambda: IdLookup([7], 0, id_dropout=0.1), ArgumentError, "needs a row for unknown ids"),
        (lambda: IdLookup([7]).reverse_lookup([2]), ArgumentError, r"integers in 0 \.\. 1.*indices=\[2\]"),
        (lambda: IdLookup([7]).reverse_lookup([-1]), ArgumentError, "integers in"),
        (lambda: IdLookup([7]).reverse_lookup([0.5]), ArgumentError, r"integers in .*indices=\[0\.5\]"),
    ],
)
def test_bad_input(call: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        call()
