"""The contract of `search` and of calls, for every registered index: what is found is the best of what is left."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers import indexes
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, DivergedError, IdError, StateError
from tests.indexes import oracle
from tests.indexes.plain_index import NAMES

EVERY = pytest.mark.parametrize("name", NAMES)
NOT_NUMBERS = [
    np.array([[1 + 2j, 0]]),
    [[1j, 0]],
    tf.constant([[1j, 0]]),
    pd.DataFrame([[1j, 0j]]),
    np.array([[1.0, 2.0]], dtype=object),
    np.array([["1", "2"]]),
    tf.constant([["1", "2"]]),
    pd.DataFrame([["1", "2"]]),
    np.array([["2017-01-01", "2017-01-01"]], dtype="M8[s]"),
    pd.DataFrame({"a": pd.to_datetime(["2017-01-01"]), "b": [1.0]}),
]
TEXTS = ["", "\n", "\0", "a\0", "a", "\u2028", "é", "e\u0301"]
QUERY = np.array([[1.0, -2.0]], np.float32)


def pies(name: str, **options) -> indexes.Index:
    """Scores of QUERY: pie 1, soup -2, stew 3, cake 2."""
    index = indexes.create(name, **options)
    index.assign([[1, 0], [0, 1], [3, 0], [0, -1]], ids=["pie", "soup", "stew", "cake"])
    return index


def test_every_registered_index_is_looked_at():
    assert set(NAMES) == set(indexes.names())


@EVERY
@settings(max_examples=25, deadline=None)
@given(
    num_candidates=st.integers(1, 8),
    num_queries=st.integers(0, 4),
    k=st.integers(1, 10),
    has_text=st.booleans(),
    exclude=st.booleans(),
    allow=st.sampled_from(["none", "all", "each"]),
    seed=st.integers(0, 2**16),
)
def test_the_best_of_what_is_left(name, num_candidates, num_queries, k, has_text, exclude, allow, seed):
    rng = np.random.default_rng(seed)
    candidates = rng.integers(-2, 3, (num_candidates, 2)).astype(np.float32)
    queries = rng.integers(-2, 3, (num_queries, 2)).astype(np.float32)
    known = TEXTS if has_text else [-(2**63), 2**63 - 1, -1, 0, 2**53 + 1, 2**53, 7, 9]
    ids = rng.permutation(np.array(known, object))[:num_candidates].tolist()

    def some_ids() -> list:
        unknown = "cake" if has_text else 5
        return [*rng.choice(np.array([*known, unknown], object), rng.integers(0, 12)).tolist()]

    excluded = [some_ids() for _ in range(num_queries)]
    allowed = {"none": None, "all": some_ids(), "each": [some_ids() for _ in range(num_queries)]}[allow]
    index = indexes.create(name)
    index.assign(candidates, ids)
    scores, found = index.search(queries, k, exclude=excluded if exclude else None, allow=allowed)
    assert scores.shape == found.shape == (num_queries, k)
    assert scores.dtype == np.float32
    assert found.dtype == (object if has_text else np.int64)
    for row in range(num_queries):
        may = set(ids) if allowed is None else set(allowed if allow == "all" else allowed[row]) & set(ids)
        left = may - set(excluded[row]) if exclude else may
        products = {item: float(candidates[ids.index(item)] @ queries[row]) for item in left}
        best = sorted(products.values(), reverse=True)[:k]
        assert scores[row].tolist() == best + [-np.inf] * (k - len(best))
        got, empty = found[row, : len(best)].tolist(), found[row, len(best) :].tolist()
        assert empty == ["" if has_text else -1] * len(empty)
        assert len(set(got)) == len(got)
        assert [products[item] for item in got] == best


@EVERY
def test_k_is_said_by_the_call_or_by_the_index(name):
    index = pies(name, k=2)
    assert index.search(QUERY)[1].tolist() == [["stew", "cake"]]
    assert index.search(QUERY, 3)[1].tolist() == [["stew", "cake", "pie"]]
    assert index(QUERY)[0].numpy().tolist() == [[3, 2]]
    scores, ids = index(QUERY, k=6)
    assert scores.numpy().tolist() == [[3, 2, 1, -2, -np.inf, -np.inf]]
    assert ids.numpy().tolist() == [[b"stew", b"cake", b"pie", b"soup", b"", b""]]
    index.assign([[1.0, 0], [2, 0]])
    assert index(QUERY, k=3)[1].numpy().tolist() == [[1, 0, -1]]


@EVERY
def test_excluded_and_allowed(name):
    index = pies(name)
    everything = ["pie", "soup", "stew", "cake"]
    assert index.search(QUERY, 2, exclude=[["stew", "stew", "tofu"]])[1].tolist() == [["cake", "pie"]]
    assert index.search(QUERY, 2, exclude=[everything])[1].tolist() == [["", ""]]
    assert index.search(QUERY, 2, exclude=[[]])[1].tolist() == [["stew", "cake"]]
    assert index.search(QUERY, 2, allow=["tofu", "soup", "pie", "pie"])[1].tolist() == [["pie", "soup"]]
    assert index.search(QUERY, 2, allow=np.array(["soup"]))[1].tolist() == [["soup", ""]]
    assert index.search(QUERY, 2, allow=everything, exclude=[["stew"]])[1].tolist() == [["cake", "pie"]]
    assert index.search(QUERY, 2, allow=[])[0].tolist() == [[-np.inf] * 2]
    two = index.search(np.concatenate([QUERY, -QUERY]), 1, allow=[{"pie"}, ("soup", "cake")], exclude=[[], ["soup"]])
    assert two[1].tolist() == [["pie"], ["cake"]]


@EVERY
def test_what_is_found_does_not_depend_on_the_other_queries(name):
    rng = np.random.default_rng(1)
    index = indexes.create(name)
    index.assign(rng.normal(size=(50, 4)))
    queries = rng.normal(size=(5, 4)).astype(np.float32)
    together = index.search(queries, 7)
    for row in range(5):
        alone = index.search(queries[row : row + 1], 7)
        np.testing.assert_array_equal(alone[1][0], together[1][row])
        np.testing.assert_allclose(alone[0][0], together[0][row], rtol=1e-6)


@EVERY
def test_many_queries_are_searched_some_at_a_time(name, monkeypatch):
    index = indexes.create(name)
    candidates = np.random.default_rng(2).integers(-5, 6, (40, 3)).astype(np.float32)
    queries = np.random.default_rng(3).integers(-5, 6, (7, 3)).astype(np.float32)
    index.assign(candidates)
    assert index.queries_at_once(4, 0) > 1000
    excluded = [oracle.best(scores, row) for row, scores in enumerate(queries @ candidates.T)]
    monkeypatch.setattr(index, "queries_at_once", lambda k, num_excluded: 2)
    scores = index.search(queries, 4, exclude=excluded)[0]
    np.testing.assert_array_equal(scores, oracle.search(queries, candidates, 4, excluded)[0])


@EVERY
def test_graphs_symbols_and_precision(name):
    index = pies(name, k=2)
    symbolic = index(keras.Input((2,)))
    assert [each.shape for each in symbolic] == [(None, 2)] * 2
    assert [each.dtype for each in symbolic] == ["float32", "string"]
    assert index(keras.Input((2,)), k=5)[1].shape == (None, 5)
    graph = tf.function(lambda queries, k: index(queries, k=k))
    eager = index(QUERY, k=3)
    for found in (graph(tf.constant(QUERY), 3), index(tf.constant(QUERY, tf.bfloat16), k=3)):
        np.testing.assert_array_equal(found[0], eager[0])
        assert found[1].numpy().tolist() == eager[1].numpy().tolist()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert pies(name)(QUERY)[0].dtype == tf.float32
    finally:
        keras.config.set_dtype_policy("float32")


@EVERY
def test_a_graph_sees_other_candidates(name):
    index = pies(name)
    traced = []

    @tf.function(reduce_retracing=True, input_signature=[tf.TensorSpec((None, None))])
    def graph(queries):
        traced.append(1)
        return index(queries, k=2)

    assert graph(QUERY)[1].numpy().tolist() == [[b"stew", b"cake"]]
    times = len(traced)
    index.append([[9.0, 0.0]], ["tofu"])
    assert graph(QUERY)[1].numpy().tolist() == [[b"tofu", b"stew"]]
    index.assign([[1.0, 2.0, 3.0]], ids=["egg"])
    scores, ids = graph(np.ones((1, 3), np.float32))
    assert ids.numpy().tolist() == [[b"egg", b""]]
    assert scores.numpy().tolist() == [[6, -np.inf]]
    assert len(traced) == times
    with pytest.raises(IdError, match=r"`ids` must be string, as when a graph was made with the index.*new index"):
        index.assign([[1.0]], ids=[7])
    assert index.ids.tolist() == ["egg"]


@EVERY
def test_wrong_arguments(name):
    owner, index = type(indexes.create(name)).__name__, pies(name)
    with pytest.raises(ArgumentError, match=f"{owner}: `k` must be a positive integer. Received: k=0"):
        indexes.create(name, k=0)
    for k in (0, -1, 2.0, True):
        with pytest.raises(ArgumentError, match=rf"{owner}.search: `k` must be a positive integer. Received: k={k}"):
            index.search(QUERY, k)
    with pytest.raises(ArgumentError, match=f"{owner}: `k` must be a positive integer. Received: k=0"):
        index(QUERY, k=0)
    for queries in (np.ones((2, 3)), np.ones((2, 1))):
        for call in (index.search, index):
            with pytest.raises(
                ArgumentError, match=rf"{owner}(\.search)?: `queries` must have 2 columns, as the candidates"
            ):
                call(tf.constant(queries, tf.float32))
    for queries in (np.ones(2), np.ones((1, 1, 2))):
        with pytest.raises(ArgumentError, match=rf"{owner}(\.search)?: `queries` must have rows and columns"):
            index.search(queries)
    with pytest.raises(
        ArgumentTypeError, match=rf"{owner}.search: `queries` must be numbers. Received: queries=\[\['a'"
    ):
        index.search([["a", "b"]])
    for values in NOT_NUMBERS:
        with pytest.raises(ArgumentTypeError, match=rf"{owner}.search: `queries` must be numbers"):
            index.search(values)
    with pytest.raises(IdError, match="1 of 2 queries are missing"):
        index.search(np.ma.array([[1.0, 2.0]], mask=[[0, 1]]))
    for bad in (np.nan, np.inf):
        with pytest.raises(DivergedError, match=rf"{owner}.search: 1 of 2 `queries` are not finite"):
            index.search([[1, 2], [bad, 0]])


@EVERY
def test_wrong_lists(name):
    index = pies(name)
    for exclude in (["pie"], [], [["pie"], ["pie"]], 5, "pie"):
        with pytest.raises(ArgumentError, match=r"search: `exclude` must be 1 lists of candidate ids.*empty where"):
            index.search(QUERY, exclude=exclude)
    for allow in ("pie", 5, [["pie"], "pie"], [["pie"], ["pie"]]):
        with pytest.raises(ArgumentError, match=r"search: `allow` must be candidate ids or 1 lists of candidate ids"):
            index.search(QUERY, allow=allow)
    for option in ({"exclude": [[7]]}, {"allow": [7]}):
        argument = next(iter(option))
        with pytest.raises(
            IdError, match=rf"search: `{argument}`: .*ids must be text, as in the vocabulary, not integers"
        ):
            index.search(QUERY, **option)


@EVERY
def test_without_candidates(name):
    index = indexes.create(name)
    assert index.num_candidates == 0
    empty = f"{type(index).__name__}: the index has no candidates.*Call assign"
    uses = (
        lambda: index.search(QUERY),
        lambda: index(QUERY),
        lambda: index.ids,
        lambda: index.embeddings,
        lambda: index.embedding_dim,
        lambda: index.append(QUERY, ["pie"]),
        lambda: index.remove(["pie"]),
        index.arrays,
    )
    for use in uses:
        with pytest.raises(StateError, match=empty):
            use()


def test_queries_may_be_a_frame():
    index = pies("brute_force")
    assert index.search(pd.DataFrame(QUERY), 1)[1].tolist() == [["stew"]]


def test_a_frame_of_nullable_numbers_has_numbers():
    index = pies("brute_force")
    frame = pd.DataFrame({"a": pd.array([1.0], dtype="Float32"), "b": pd.array([-2], dtype="Int64")})
    np.testing.assert_array_equal(index.search(frame, 4)[0], index.search(QUERY, 4)[0])


def test_a_default_k_fits_into_graphs():
    for call in (lambda: indexes.BruteForceIndex(k=2**31), lambda: pies("brute_force")(QUERY, k=10**12)):
        with pytest.raises(ArgumentError, match="BruteForceIndex: `k` must be an integer in 1 .. 2147483647"):
            call()


@EVERY
@pytest.mark.parametrize("k", [10**12, 2**31, 2**26 + 5])
def test_empty_places_have_a_bound(name, k):
    index = pies(name)
    message = "there are 4 candidates, so that .* places of the results would be empty.*Use k=4"
    for call in (index.search, lambda queries, k: index.search(queries, k, allow=["pie"])):
        with pytest.raises(ArgumentError, match=message):
            call(QUERY, k)
    with pytest.raises(ArgumentError, match=message):
        index(QUERY, 2**30)
    with pytest.raises(ArgumentError, match=message):
        index.search(np.repeat(QUERY, 100, axis=0), 2**20)


def test_many_empty_places_among_allowed_candidates_take_no_embeddings(monkeypatch):
    index = pies("brute_force")
    gathered = []
    embeddings_of = index.embeddings_of
    monkeypatch.setattr(
        index, "embeddings_of", lambda tensors, rows=None: gathered.append(rows.shape) or embeddings_of(tensors, rows)
    )
    scores, ids = index.search(QUERY, 1000, allow=["pie", "cake"])
    assert gathered == [(1, 2)]
    assert (ids[0, :2].tolist(), set(ids[0, 2:])) == (["cake", "pie"], {""})
    assert np.isneginf(scores[0, 2:]).all()
