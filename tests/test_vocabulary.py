"""Ids to indices and back, for any ids."""

from __future__ import annotations

import collections
import copy
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, IdError
from reciperec_layers.testing import id_batches, int64_ids, text_ids, unique_ids, vocabularies
from reciperec_layers.vocabulary import to_counted_vocabulary


@given(unique_ids())
def test_id_to_index_to_id_is_the_identity(ids: np.ndarray):
    vocabulary = rl.Vocabulary(ids)
    assert vocabulary.ids.tolist() == ids.tolist()
    assert len(vocabulary) == len(ids)
    assert vocabulary.lookup(ids).tolist() == list(range(len(ids)))
    assert vocabulary.reverse_lookup(vocabulary.lookup(ids)).tolist() == ids.tolist()
    assert all(item in vocabulary for item in ids.tolist())


@given(st.data(), vocabularies())
def test_lookup_is_a_dictionary_with_minus_one(data: st.DataObject, vocabulary: rl.Vocabulary):
    index_of = {item: index for index, item in enumerate(vocabulary.ids.tolist())}
    batch = data.draw(id_batches(vocabulary, min_rank=0))
    found = vocabulary.lookup(batch)
    assert found.shape == batch.shape
    assert found.dtype == np.int64
    assert found.ravel().tolist() == [index_of.get(item, -1) for item in batch.ravel().tolist()]
    nobody = "" if vocabulary.dtype == "string" else -1
    expected = [item if item in index_of else nobody for item in batch.ravel().tolist()]
    assert vocabulary.reverse_lookup(found).ravel().tolist() == expected


@given(
    st.lists(st.sampled_from([3, 1, 2]) | int64_ids(), min_size=1, max_size=8)
    | st.lists(st.sampled_from(["b", "a"]) | text_ids(), min_size=1, max_size=8),
    st.integers(1, 3),
    st.none() | st.integers(1, 3),
)
def test_from_data_counts(ids: list[Any], min_count: int, max_size: int | None):
    counted = collections.Counter(ids)
    expected = sorted((item for item in counted if counted[item] >= min_count), key=lambda item: (-counted[item], item))
    expected = expected[:max_size]
    if not expected:
        with pytest.raises(ArgumentError, match="no ids are left"):
            rl.Vocabulary.from_data(ids, min_count, max_size)
        return
    vocabulary = rl.Vocabulary.from_data(ids, min_count, max_size)
    assert vocabulary.ids.tolist() == expected
    assert vocabulary.counts.tolist() == [counted[item] for item in expected]


@given(unique_ids(), unique_ids())
def test_fingerprints_tell_ids_and_their_order_apart(ids: np.ndarray, other: np.ndarray):
    same = ids.dtype == other.dtype and ids.tolist() == other.tolist()
    assert (rl.Vocabulary(ids).fingerprint == rl.Vocabulary(other).fingerprint) == same
    reverse = rl.Vocabulary(ids[::-1]).fingerprint
    assert (reverse == rl.Vocabulary(ids).fingerprint) == (len(ids) == 1)


def test_fingerprints_see_where_a_text_ends_but_no_counts():
    assert rl.Vocabulary(["ab", "c"]).fingerprint != rl.Vocabulary(["a", "bc"]).fingerprint
    assert rl.Vocabulary([1], counts=[5]).fingerprint == rl.Vocabulary([1]).fingerprint


@given(vocabularies())
def test_files_are_lossless(tmp_path_factory: Any, vocabulary: rl.Vocabulary):
    folder: Path = tmp_path_factory.mktemp("vocabulary")
    vocabulary.save(folder)
    # A config that no live vocabulary has, so that the files are read.
    waiting = rl.Vocabulary.__new__(rl.Vocabulary)
    waiting._set_config(vocabulary.get_config())
    waiting.load(folder)
    assert waiting is not vocabulary
    assert waiting.ids.tolist() == vocabulary.ids.tolist()
    assert waiting.dtype == vocabulary.dtype


@pytest.mark.parametrize("remake", [copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))])
@pytest.mark.parametrize("ids", [[7, -(2**63)], ["a", "\u2028"]])
def test_copies_are_equal(remake: Any, ids: list[Any]):
    again = remake(rl.Vocabulary(ids, counts=[3, 0]))
    assert again.ids.tolist() == ids
    assert again.counts.tolist() == [3, 0]
    assert again.lookup(ids[::-1]).tolist() == [1, 0]


def test_a_vocabulary_does_not_change_with_its_source():
    ids, counts = np.array([7, 9]), np.array([1, 2])
    vocabulary = rl.Vocabulary(ids, counts)
    ids[0], counts[0] = 8, 8
    assert vocabulary.ids.tolist() == [7, 9]
    assert vocabulary.counts.tolist() == [1, 2]
    for array in (vocabulary.ids, vocabulary.counts):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_pandas_columns():
    frame = pd.DataFrame({"user_id": [7, 9, 7], "recipe_id": ["b", "a", "b"]})
    assert rl.Vocabulary(frame["user_id"].unique()).ids.tolist() == [7, 9]
    assert rl.Vocabulary(frame["recipe_id"].unique()).ids.tolist() == ["b", "a"]
    assert rl.Vocabulary.from_data(frame["recipe_id"].astype("category")).counts.tolist() == [2, 1]
    assert rl.Vocabulary(["a", "b"]).lookup(frame["recipe_id"]).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: rl.Vocabulary([7, 9, 7, 7]), IdError, r"2 of 4 ids are repeats: 7\. Pass unique ids"),
        (lambda: rl.Vocabulary(["a", "b", "a"]), IdError, r"1 of 3 ids are repeats: 'a'"),
        (lambda: rl.Vocabulary(["a", "\udc80"]), IdError, r"not valid UTF-8 .*lone surrogates"),
        (lambda: rl.Vocabulary([7, None]), IdError, "1 of 2 ids are missing"),
        (lambda: rl.Vocabulary([]), ArgumentError, r"non-empty .* Received: ids=ndarray\(shape=\(0,\)"),
        (lambda: rl.Vocabulary([[7], [9]]), ArgumentError, r"one-dimensional.*shape=\(2, 1\)"),
        (lambda: rl.Vocabulary(7), ArgumentError, r"one-dimensional.*ids=array\(7\)"),
        (lambda: rl.Vocabulary([7, 9], counts=[1]), ArgumentError, r"`counts` must be 2 integers"),
        (lambda: rl.Vocabulary([7, 9], counts=[1, -1]), ArgumentError, "not negative"),
        (lambda: rl.Vocabulary([7, 9], counts=[1.0, 2.0]), ArgumentError, "integers"),
        (lambda: rl.Vocabulary.from_data([7], min_count=2), ArgumentError, r"no ids are left.*min_count=2"),
        (lambda: rl.Vocabulary.from_data([7], min_count=0), ArgumentError, r"`min_count` must be a positive integer"),
        (lambda: rl.Vocabulary.from_data([7], max_size=1.5), ArgumentError, r"`max_size`.*Received: max_size=1\.5"),
        (lambda: rl.Vocabulary.from_data(pd.Series([])), ArgumentError, "no ids are left"),
        (
            lambda: rl.Vocabulary([7]).lookup(["7"]),
            IdError,
            r"ids must be integers, as in the vocabulary, not text: '7'.*int64",
        ),
        (
            lambda: rl.Vocabulary(["7"]).lookup([7]),
            IdError,
            r"ids must be text, as in the vocabulary, not integers: 7.*astype.str",
        ),
        (lambda: rl.Vocabulary([7]).lookup([7.0]), IdError, "not floats"),
        (lambda: rl.Vocabulary([7]).reverse_lookup([1]), ArgumentError, r"integers in -1 \.\. 0.*indices=\[1\]"),
        (lambda: rl.Vocabulary([7]).reverse_lookup([-2]), ArgumentError, r"in -1 \.\. 0"),
        (lambda: rl.Vocabulary([7]).reverse_lookup([0.0]), ArgumentError, "must be integers"),
    ],
)
def test_bad_input(make: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=f"^Vocabulary.*{message}"):
        make()


def test_no_ids_have_no_indices():
    assert rl.Vocabulary(["a"]).lookup([]).tolist() == []
    assert rl.Vocabulary(["a"]).lookup(np.zeros((2, 0))[:, :0].astype(int)).shape == (2, 0)
    assert rl.Vocabulary(["a"]).reverse_lookup([]).tolist() == []


def test_repr_is_short():
    assert repr(rl.Vocabulary(np.arange(10**4))) == "Vocabulary(ids=[0, 1, 2, 3, 4, ...], size=10000, dtype='int64')"


@pytest.mark.parametrize("ids", [[9, 7, 9, 8, 8, 8], ["b", "a", "b", "c"]])
def test_counts_by_id_are_those_of_the_interactions(ids: Any):
    expected = to_counted_vocabulary(ids, "shop")
    counted = pd.Series(ids, name="recipe_id").value_counts(ascending=True)
    for given_counts in (counted, counted.to_dict(), counted.astype("Int64"), Counter(ids), dict(counted)):
        vocabulary = to_counted_vocabulary(given_counts, "shop")
        assert vocabulary.fingerprint == expected.fingerprint
        assert vocabulary.counts.tolist() == expected.counts.tolist()
    frequent = to_counted_vocabulary(pd.Series(ids, name="recipe_id"), "shop")  # one for each interaction
    assert frequent.counts.tolist() == expected.counts.tolist()


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [
        ({"a": 1.5}, ArgumentError, "`counts` must be 1 integers"),
        ({"a": -1}, ArgumentError, "not negative"),
        ({}, ArgumentError, "integers that are not negative"),
        ({None: 1}, IdError, "missing"),
        (pd.Series([1, 2], ["a", "a"], name="count"), IdError, "repeats"),
    ],
)
def test_wrong_counts_by_id(counts: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        to_counted_vocabulary(counts, "shop")
