"""audit: recall against a sort in NumPy, ties, what is in the table, what is printed."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, StateError, UnknownNameError
from reciperec_layers.indexes import BruteForceIndex, Index, InvertedFileIndex, audit
from reciperec_layers.indexes.exact_answers import ExactAnswers

QUICK = {"with_faiss": False, "verbose": False, "repeats": 1}


class FirstRows(Index):
    """Returns the first candidates, whatever is asked."""

    def arrange(self, embeddings, learned):
        return {"embeddings": embeddings}

    def find(self, tensors, queries, k, excluded):
        shape = tf.stack([tf.shape(queries)[0], k])
        rows = tf.broadcast_to(tf.range(k, dtype=tf.int64), shape)
        return tf.zeros(shape), rows

    def embeddings_of(self, tensors, rows=None):
        return tensors["embeddings"] if rows is None else tf.gather(tensors["embeddings"], rows)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def filled(index, candidates):
    index.assign(candidates)
    return index


def test_recall_is_that_of_a_sort():
    candidates, queries = normal(300, 4), normal(20, 4, seed=1)
    best = np.argsort(-(queries.astype(np.float64) @ candidates.T), axis=1)
    table = audit(filled(FirstRows(), candidates), queries, k=(30, 5), **QUICK)
    assert table.index.tolist() == ["FirstRows", "brute_force", "int8"]
    assert table.columns.tolist() == ["recall@5", "recall@30", "ms_alone", "ms_in_batch", "megabytes"]
    for k in (5, 30):
        expected = np.mean([len(set(range(k)) & set(each[:k])) / k for each in best])
        assert table.loc["FirstRows", f"recall@{k}"] == pytest.approx(expected)
        assert table.loc["brute_force", f"recall@{k}"] == 1
        assert table.loc["int8", f"recall@{k}"] == 1
    assert (table[["ms_alone", "ms_in_batch", "megabytes"]] > 0).all(axis=None)


def test_megabytes_are_those_of_the_tensors():
    table = audit(filled(FirstRows(), normal(300, 4)), k=5, beside=[], **QUICK)
    assert table.loc["FirstRows", "megabytes"] == pytest.approx((300 * 4 * 4 + 8) / 1e6)


def test_equal_scores_are_right_whichever_is_returned():
    candidates = tf.constant([[5.0], [3.0], [3.0], [3.0], [1.0]])
    answers = ExactAnswers(tf.constant([[2.0]]), candidates, k=3)
    assert answers.recall(np.array([[0, 3, 2]]), k=3) == 1
    assert answers.recall(np.array([[0, 3, 4]]), k=3) == pytest.approx(2 / 3)
    assert answers.recall(np.array([[3, 0, 1]]), k=1) == 0


def test_a_row_counts_once_and_an_empty_place_never():
    answers = ExactAnswers(tf.constant([[2.0]]), tf.constant([[5.0], [3.0], [1.0]]), k=2)
    assert answers.recall(np.array([[0, 0]]), k=2) == 0.5
    assert answers.recall(np.array([[1, -1]]), k=2) == 0.5
    assert answers.recall(np.array([[-1, -1]]), k=2) == 0


def test_order_of_sums_does_not_matter():
    candidates, queries = normal(400, 64), normal(10, 64, seed=1)
    rows = np.argsort(-(queries.astype(np.float64) @ candidates.T), axis=1)[:, :50]
    assert ExactAnswers(tf.constant(queries), tf.constant(candidates), k=50).recall(rows, k=50) == 1


def test_more_results_than_candidates():
    table = audit(filled(BruteForceIndex(), normal(6, 3)), k=(2, 10), beside=[], **QUICK)
    assert table.loc["brute_force", ["recall@2", "recall@10"]].tolist() == [1, 1]


def test_faiss_reaches_the_recall_of_the_index():
    index = filled(InvertedFileIndex(scored_fraction=0.01, seed=1), normal(9000, 32))
    table = audit(index, normal(40, 32, seed=1), k=10, verbose=False, repeats=1)
    *ours, flat, inverted = table.index
    assert ours == ["inverted_file", "brute_force", "int8"]
    assert flat == "faiss IndexFlatIP"
    assert re.fullmatch(r"faiss IndexIVFFlat, \d+ of 230 lists", inverted)
    assert 0 < table.loc["inverted_file", "recall@10"] < 1
    assert table.loc[inverted, "recall@10"] >= table.loc["inverted_file", "recall@10"]
    assert table.loc[flat, ["recall@10", "megabytes"]].tolist() == [1, pytest.approx(9000 * 32 * 4 / 1e6)]


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    table = audit(filled(BruteForceIndex(), normal(50, 3)), k=2, beside=["brute_force"], verbose=False)
    assert table.index.tolist() == ["brute_force"]


def test_what_is_printed(capsys):
    index = filled(BruteForceIndex(), normal(1200, 3))
    audit(index, k=2, beside=[], with_faiss=False, repeats=1, batch_size=100)
    title, names, row_name, row = capsys.readouterr().out.splitlines()
    assert title.startswith(
        "1,200 candidates of 3 numbers, 256 queries drawn from them; times for k=2: medians of 200 queries alone and "
        "of 1 batches of 100; "
    )
    assert names.split() == ["recall@2", "ms_alone", "ms_in_batch", "megabytes"]
    assert row_name.strip() == "index"
    assert row.startswith("brute_force")
    audit(index, k=2, beside=[], **QUICK)
    assert capsys.readouterr().out == ""


def test_wrong_arguments():
    index = filled(BruteForceIndex(), normal(20, 3))
    for arguments, error, match in (
        ({"queries": [[1.0]]}, ArgumentError, "`queries` must be numbers of shape (num_queries, 3)"),
        ({"queries": np.zeros((0, 3))}, ArgumentError, "one query or more"),
        ({"queries": [["pie"] * 3]}, ArgumentTypeError, "audit: `queries` must be numbers"),
        ({"k": 0}, ArgumentError, "`k` must be a positive integer"),
        ({"k": ()}, ArgumentError, "`k` must have a number"),
        ({"repeats": 0}, ArgumentError, "`repeats` must be"),
        ({"batch_size": 1.5}, ArgumentError, "`batch_size` must be"),
        ({"beside": ["brut_force"]}, UnknownNameError, "Did you mean 'brute_force'?"),
        ({"beside": "int8"}, ArgumentTypeError, "['int8']"),
    ):
        with pytest.raises(error, match=re.escape(match)):
            audit(index, **arguments)
    with pytest.raises(StateError, match="BruteForceIndex: the index has no candidates"):
        audit(BruteForceIndex())
    with pytest.raises(ArgumentTypeError, match="`index` must be an Index"):
        audit(normal(20, 3))


def test_k_is_an_integer_or_several():
    index = filled(BruteForceIndex(), normal(30, 4))
    for k, wrong in [*((k, k) for k in ("10", b"10", 2.5, True, None)), (["10"], "10"), ((5, 0), 0)]:
        message = f"audit: `k` must be a positive integer. Received: k={wrong!r}. Use for example k=(10, 100)."
        with pytest.raises(ArgumentError, match=re.escape(message)):
            audit(index, k=k, beside=[], **QUICK)
    for k in (np.array([5, 3]), {3, 5}, iter([5, 3])):
        assert audit(index, k=k, beside=[], **QUICK).columns.tolist()[:2] == ["recall@3", "recall@5"]


def test_beside_is_names_or_none():
    index = filled(BruteForceIndex(), normal(30, 4))
    assert audit(index, k=5, beside=None, **QUICK).index.tolist() == ["brute_force"]
    for wrong in ([BruteForceIndex()], [None], 3, "int8"):
        with pytest.raises(ArgumentTypeError, match="audit: `beside` must be a list of names"):
            audit(index, k=5, beside=wrong, **QUICK)
