"""What an index holds: assigned, added to, taken from, and never half changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers import Vocabulary, indexes
from reciperec_layers.errors import (
    ArgumentError,
    ArgumentTypeError,
    DivergedError,
    IdError,
    ModelFileError,
    UnknownIdError,
)
from reciperec_layers.indexes import Index
from reciperec_layers.testing.strategies import unique_ids
from tests.indexes import oracle
from tests.indexes.plain_index import NAMES

EVERY = pytest.mark.parametrize("name", NAMES)


def held(index: indexes.Index) -> tuple[list, list, int, int]:
    return index.ids.tolist(), index.embeddings.numpy().tolist(), index.num_candidates, index.embedding_dim


@EVERY
@settings(max_examples=15, deadline=None)
@given(ids=unique_ids(), dim=st.integers(1, 3), seed=st.integers(0, 99))
def test_ids_of_all_kinds_come_back(name, ids, dim, seed):
    candidates = np.random.default_rng(seed).integers(-3, 4, (len(ids), dim)).astype(np.float32)
    index = indexes.create(name)
    index.assign(candidates, ids)
    assert held(index) == (ids.tolist(), candidates.tolist(), len(ids), dim)
    found = index.search(candidates, len(ids))[1]
    assert sorted(found[0].tolist()) == sorted(ids.tolist())


@EVERY
def test_forms_of_embeddings_and_ids(name):
    index = indexes.create(name)
    frame = pd.DataFrame([[1.0, 2], [3, 4]], index=["pie", "soup"])
    index.assign(frame)
    expected = (["pie", "soup"], [[1, 2], [3, 4]], 2, 2)
    assert held(index) == expected
    index.assign(frame, ids=[7, 9])
    assert held(index) == ([7, 9], *expected[1:])
    for embeddings in (tf.constant([[1, 2], [3, 4]]), np.array([[1, 2], [3, 4]], np.int8), [[1, 2], [3, 4]]):
        index.assign(embeddings)
        assert held(index) == ([0, 1], *expected[1:])
    index.assign(frame, Vocabulary(["a", "b"]))
    assert held(index) == (["a", "b"], *expected[1:])
    with pytest.raises(ValueError, match="read-only"):
        index.ids[0] = "c"


# Catalogues around the sizes of blocks, and of the embeddings before.
@EVERY
def test_another_catalogue_of_another_size(name):
    index, rng = indexes.create(name), np.random.default_rng(0)
    for size, dim in ((40, 2), (3, 5), (1, 1), (100, 3)):
        candidates = rng.integers(-5, 6, (size, dim)).astype(np.float32)
        queries = rng.integers(-5, 6, (2, dim)).astype(np.float32)
        index.assign(candidates, np.arange(size) + 1000)
        assert held(index) == (list(range(1000, 1000 + size)), candidates.tolist(), size, dim)
        scores, _ = index.search(queries, 4)
        np.testing.assert_array_equal(scores[:, :size], oracle.search(queries, candidates, 4)[0][:, :size])


@EVERY
@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4), seed=st.integers(0, 2**16))
def test_append_and_remove_are_assign(name, sizes, seed):
    rng = np.random.default_rng(seed)
    total = sum(sizes)
    candidates = rng.integers(-3, 4, (total, 2)).astype(np.float32)
    ids = rng.permutation(10 * total)[:total]
    queries = rng.integers(-3, 4, (3, 2)).astype(np.float32)
    grown = indexes.create(name)
    grown.assign(candidates[: sizes[0]], ids[: sizes[0]])
    for end, size in zip(np.cumsum(sizes)[1:], sizes[1:], strict=True):
        grown.append(candidates[end - size : end], ids[end - size : end])
    removed = rng.choice(total, rng.integers(0, total), replace=False)
    for rows in (np.zeros(0, int), removed):
        grown.remove(np.concatenate([ids[rows], ids[rows]]))  # twice is once
        kept = np.setdiff1d(np.arange(total), rows)
        at_once = indexes.create(name)
        at_once.assign(candidates[kept], ids[kept])
        assert held(grown) == held(at_once)
        found, expected = (index.search(queries, 4) for index in (grown, at_once))
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


@EVERY
def test_one_id_is_removed(name):
    index = indexes.create(name)
    index.assign(np.eye(3), ["pie", "soup", "stew"])
    index.remove("soup")
    assert index.ids.tolist() == ["pie", "stew"]
    assert index.search([[0.0, 1.0, 0.0]], 2)[0].tolist() == [[0, 0]]


@EVERY
def test_what_is_refused_changes_nothing(name):
    index = indexes.create(name)
    owner = type(index).__name__
    index.assign(np.eye(2), ["pie", "soup"])
    before, eye = held(index), np.eye(2)
    refused = [
        (lambda: index.assign([[np.nan, 1], [1, 1]]), DivergedError, f"{owner}: 1 of 2 embeddings are not finite"),
        (lambda: index.assign([[np.inf, 1], [1, -np.inf]]), DivergedError, f"{owner}: 2 of 2 embeddings are not"),
        (lambda: index.assign(np.array([[1e39]])), DivergedError, f"{owner}: 1 of 1 embeddings are not finite"),
        (lambda: index.assign([["a"]], [1]), ArgumentTypeError, rf"{owner}: `embeddings` must be numbers.*\[\['a'"),
        (lambda: index.assign([[1.0], [1, 2]]), ArgumentTypeError, f"{owner}: `embeddings` must be numbers"),
        (lambda: index.assign(np.zeros((0, 2)), []), ArgumentError, f"{owner}: `embeddings` must have rows and col"),
        (lambda: index.assign(np.zeros((2, 0))), ArgumentError, r"must have rows and columns.*shape=\(2, 0\)"),
        (lambda: index.assign(np.zeros(2)), ArgumentError, f"{owner}: `embeddings` must have rows and columns"),
        (lambda: index.assign(eye, ["a"]), ArgumentError, f"{owner}: there must be one id for each embedding"),
        (lambda: index.assign(eye, ["a", "a"]), IdError, "1 of 2 ids are repeats: 'a'"),
        (lambda: index.assign(eye, ["a", None]), IdError, "1 of 2 ids are missing"),
        (lambda: index.assign(eye, [1.5, 2.5]), IdError, "ids must be integers or text, not floats"),
        (lambda: index.append([[1.0]], ["egg"]), ArgumentError, f"{owner}.append: `embeddings` must have 2 columns"),
        (lambda: index.append(eye[:1], "egg"), ArgumentError, rf"{owner}.append: there must be one id for each emb"),
        (lambda: index.append(eye[:1], ["egg", "tofu"]), ArgumentError, f"{owner}.append: there must be one id"),
        (lambda: index.append(eye[:1], ["pie"]), IdError, "1 of 3 ids are repeats: 'pie'"),
        (
            lambda: index.append(eye[:1], [7]),
            IdError,
            f"{owner}.append: ids must be text, as in the vocabulary, not integ",
        ),
        (lambda: index.append([[np.nan, 1]], ["egg"]), DivergedError, f"{owner}.append: 1 of 1 embeddings are not fin"),
        (lambda: index.remove(["pie", "tofu"]), UnknownIdError, f"{owner}.remove: these ids are not in the index: 't"),
        (lambda: index.remove([7]), IdError, f"{owner}.remove: ids must be text, as in the vocabulary, not integers"),
        (lambda: index.remove(["soup", "pie"]), ArgumentError, f"{owner}.remove: no candidate would be left"),
    ]
    for use, error, message in refused:
        with pytest.raises(error, match=message):
            use()
        assert held(index) == before
        assert index.search([[2.0, 1.0]], 2)[1].tolist() == [["pie", "soup"]]


@EVERY
@pytest.mark.parametrize("ids", [[5, -(2**63), 7], ["", "\n", "\0"], ["a", "b", "é"]])
def test_arrays_restore_all(name, ids):
    index, restored = indexes.create(name), indexes.create(name)
    index.assign(np.arange(6.0).reshape(3, 2), ids)
    arrays = index.arrays()
    assert all(array.dtype.kind in "iuf" for array in arrays.values())  # nothing that only a pickle could hold
    restored.restore(arrays)
    assert held(restored) == held(index)
    np.testing.assert_array_equal(restored.search(np.eye(2), 3)[0], index.search(np.eye(2), 3)[0])


@EVERY
@pytest.mark.parametrize(
    "damage",
    [
        {"embeddings": np.zeros((2, 2), np.float32)},
        {"embeddings": np.full((3, 2), np.nan, np.float32)},
        {"embeddings": np.array([["a", "b"]] * 3)},
        {"embeddings": np.float32(3)},
        {"ids": np.array([1, 1, 2])},
        {"ids": np.array([1.0, 2.0, 3.0])},
        {"ids": np.array([[1, 2, 3]])},
        {"embeddings": None},
        {"ids": None},
    ],
)
def test_damaged_arrays_are_refused_and_change_nothing(name, damage):
    index = indexes.create(name)
    index.assign(np.arange(6.0).reshape(3, 2))
    arrays = {key: value for key, value in (index.arrays() | damage).items() if value is not None}
    before = held(index)
    with pytest.raises(ModelFileError, match=f"{type(index).__name__}: its arrays are damaged.*intact copy"):
        index.restore(arrays)
    assert held(index) == before


def test_a_number_may_change_without_the_candidates():
    index = indexes.InvertedFileIndex()
    index.assign(np.eye(3))
    before = index.tensors()
    index.replace_tensor("num_scored_blocks", tf.constant(7))
    assert int(index.tensors()["num_scored_blocks"]) == 7
    assert all(index.tensors()[key] is before[key] for key in before.keys() - {"num_scored_blocks"})


def test_an_index_that_lacks_a_method_says_which():
    class HalfIndex(Index):
        """Finds nothing."""

    with pytest.raises(NotImplementedError, match="HalfIndex needs a method `arrange`"):
        HalfIndex().assign(np.eye(2))
    with pytest.raises(NotImplementedError, match="HalfIndex needs a method `embeddings_of`"):
        HalfIndex().embeddings_of({})
    with pytest.raises(NotImplementedError, match="HalfIndex needs a method `find`"):
        HalfIndex().find({}, tf.zeros((1, 2)), tf.constant(1), None)


def test_a_frame_is_appended_by_its_index():
    index = indexes.BruteForceIndex()
    index.assign(pd.DataFrame(np.eye(3), index=["a", "b", "c"]))
    index.append(pd.DataFrame(2 * np.eye(3)[:1], index=["d"]))
    assert index.search(np.eye(3), 1)[1].ravel().tolist() == ["d", "b", "c"]
    with pytest.raises(ArgumentError, match="BruteForceIndex.append: there must be one id for each embedding"):
        index.append(np.eye(3))
