from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError, IdError
from reciperec_layers.seen import Seen

INTS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=3)


def pairs(queries, candidates):
    return st.lists(st.tuples(queries, candidates), min_size=1, max_size=8)


@settings(deadline=None)
@given(st.data())
def test_seen_equals_a_dict_of_sets(data):
    queries, candidates = (data.draw(st.sampled_from([st.integers(0, 3), INTS, TEXTS])) for _ in range(2))
    drawn = data.draw(pairs(queries, candidates))
    asked = data.draw(st.lists(st.one_of(st.sampled_from([query for query, _ in drawn]), queries), max_size=8))
    expected: dict = {}
    for query, candidate in drawn:
        expected.setdefault(query, {})[candidate] = None

    seen = Seen("user_id", "recipe_id", [query for query, _ in drawn], [candidate for _, candidate in drawn])
    splits, ids = seen.rows(asked)

    assert len(seen) == len(set(drawn))
    assert splits.dtype == np.int64
    assert len(splits) == len(asked) + 1
    rows = [ids[start:stop].tolist() for start, stop in itertools.pairwise(splits)]
    assert rows == [list(expected.get(query, {})) for query in asked]


def test_compressed_rows_by_hand():
    seen = Seen("user_id", "recipe_id", [9, 7, 9, 9], ["pie", "soup", "pie", "stew"])
    by_query = {
        query: seen.candidate_ids[seen.offsets[i] : seen.offsets[i + 1]].tolist()
        for i, query in enumerate(seen.vocabulary.ids.tolist())
    }
    assert by_query == {9: ["pie", "stew"], 7: ["soup"]}
    assert (seen.query, seen.candidate, len(seen)) == ("user_id", "recipe_id", 3)
    assert repr(seen) == "Seen('user_id', 'recipe_id', num_queries=2, num_pairs=3)"


@pytest.mark.parametrize("form", [list, np.array, pd.Series, lambda ids: pd.Series(ids).astype("category")])
def test_ids_come_in_any_form(form):
    seen = Seen("user_id", "recipe_id", form(["a", "b", "a"]), form([1, 2, 3]))
    splits, ids = seen.rows(form(["a", "b"]))
    assert (splits.tolist(), ids.tolist(), ids.dtype) == ([0, 2, 3], [1, 3, 2], np.int64)


def test_what_it_holds_cannot_be_changed():
    seen = Seen("user_id", "recipe_id", [7], [1])
    for array in (seen.offsets, seen.candidate_ids):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5


@pytest.mark.parametrize(("queries", "candidates"), [([], []), ([1], [1, 2]), ([[1]], [[2]])])
def test_shapes_that_are_not_pairs_are_refused(queries, candidates):
    with pytest.raises(ArgumentError, match="of equal length, and not empty"):
        Seen("user_id", "recipe_id", queries, candidates)


def test_a_missing_id_names_its_column():
    with pytest.raises(IdError, match="Seen: column 'recipe_id': 1 of 2 ids are missing"):
        Seen("user_id", "recipe_id", [1, 2], ["a", None])


def test_text_queries_are_refused_where_the_queries_are_integers():
    with pytest.raises(IdError, match="integers"):
        Seen("user_id", "recipe_id", [1], [2]).rows(["1"])
