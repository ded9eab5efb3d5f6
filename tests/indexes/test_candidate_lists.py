"""Lists of ids as rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers import Vocabulary
from reciperec_layers.errors import ArgumentError, IdError
from reciperec_layers.indexes.candidate_lists import allowed_lists, excluded_lists, rows_of_lists

KNOWN = ["pie", "", "\n", "soup", "é"]
VOCABULARY = Vocabulary(KNOWN)
LISTS = st.lists(st.lists(st.sampled_from([*KNOWN, "cake", "tofu"]), max_size=6), max_size=4)


def rows_of(ids: list[str]) -> list[int]:
    return [KNOWN.index(item) for item in ids if item in KNOWN]


@given(lists=LISTS)
def test_unknown_ids_are_left_out(lists):
    expected = [rows_of(each) for each in lists]
    splits = np.cumsum([0, *map(len, lists)])
    found = rows_of_lists(VOCABULARY, splits, [item for each in lists for item in each])
    assert found.to_list() == expected
    assert found.dtype == tf.int64
    assert excluded_lists(VOCABULARY, lists, len(lists), "search").to_list() == expected


@given(lists=LISTS, excluded=LISTS)
def test_allowed_are_in_order_and_without_the_excluded(lists, excluded):
    size = min(len(lists), len(excluded))
    lists, excluded = lists[:size], excluded[:size]
    left_out = excluded_lists(VOCABULARY, excluded, size, "search")
    expected = [sorted({*rows_of(a)} - {*rows_of(b)}) for a, b in zip(lists, excluded, strict=True)]
    if size:
        assert allowed_lists(VOCABULARY, lists, size, left_out, "search").to_list() == expected
    for_all = lists[0] if lists else ["pie"]
    found = allowed_lists(VOCABULARY, for_all, size, left_out, "search")
    assert found.dtype == tf.int64
    assert found.to_list() == [sorted({*rows_of(for_all)} - {*rows_of(each)}) for each in excluded]


@pytest.mark.parametrize("form", [list, tuple, set, np.array, pd.Series, pd.Index, tf.constant])
def test_forms_of_lists(form):
    ids = form(["pie", "soup", "cake"])
    assert sorted(excluded_lists(VOCABULARY, [ids], 1, "search").to_list()[0]) == [0, 3]
    assert allowed_lists(VOCABULARY, ids, 2, None, "search").to_list() == [[0, 3]] * 2
    assert allowed_lists(VOCABULARY, [ids, ["é"]], 2, None, "search").to_list() == [[0, 3], [4]]


def test_a_table_of_ids_has_a_list_for_each_query():
    vocabulary = Vocabulary([9, 7])
    for table in (np.array([[7, 9], [9, 5]]), tf.constant([[7, 9], [9, 5]])):
        assert excluded_lists(vocabulary, table, 2, "search").to_list() == [[1, 0], [0]]
        assert allowed_lists(vocabulary, table, 2, None, "search").to_list() == [[0, 1], [0]]


def test_lists_that_do_not_fit():
    for exclude in (5, "pie", ["pie", "soup"], [["pie"]], [["pie"], "soup"], [["pie"], None]):
        with pytest.raises(ArgumentError, match="me: `exclude` must be 2 lists of candidate ids. Received: exclude="):
            excluded_lists(VOCABULARY, exclude, 2, "me")
    for allow in (5, "pie", b"pie", None, [["pie"]], [["pie"], "soup"], ["pie", []], [[], [], []]):
        with pytest.raises(ArgumentError, match="me: `allow` must be candidate ids or 2 lists of candidate ids"):
            allowed_lists(VOCABULARY, allow, 2, None, "me")
    with pytest.raises(IdError, match="me: `exclude`: .*ids must be text, as in the vocabulary, not integers"):
        excluded_lists(VOCABULARY, [[7], []], 2, "me")
    with pytest.raises(IdError, match="me: `allow`: .*ids are missing"):
        allowed_lists(VOCABULARY, ["pie", None], 2, None, "me")
