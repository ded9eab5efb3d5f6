"""Recommender: from the columns of queries to their best candidates, in one graph."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.candidates.candidate_snapshot import CandidateSnapshot, with_ids
from reciperec_layers.columns.tensors import num_rows, spec_of_rows
from reciperec_layers.errors import ArgumentError, DivergedError, ReciperecError, describe_error, explain
from reciperec_layers.graph.graph_errors import raised_as_ours
from reciperec_layers.graph.not_finite import not_finite_text
from reciperec_layers.towers.tower_columns import ENCODE_ROWS

# Forms of columns for which graphs are kept; those of further forms are computed eagerly.
_MAX_GRAPHS = 32

Encode = Callable[[dict[str, Any]], tf.Tensor]


class Recommender:
    """Finds the best candidates of queries by the queries' columns. Safe to use from many threads.

    Calls of Keras and TensorFlow from Python take longer than a search of a small corpus, so all of them are traced
    once, and a call is one call of TensorFlow. What the graph searches in is an argument of it, so that a call sees the
    candidates of one moment. Where a tower cannot be traced, or the graph fails, the same function runs eagerly, whose
    errors say more.

    Args:
        encode: From columns to query embeddings, shape `(n, embedding_dim)`.
        names: The columns that it reads, where they are there.
        eager: Whether to trace nothing.

    Example:
        >>> from reciperec_layers.corpus import Corpus
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> index = BruteForceIndex()
        >>> index.assign([[1.0], [2.0]], ids=[7, 9])
        >>> snapshot = CandidateSnapshot(Corpus({"recipe_id": [7, 9]}, "recipe_id"), index, index.candidates, 1)
        >>> recommender = Recommender(lambda columns: columns["age"][:, tf.newaxis], ["age"])
        >>> recommender.search(snapshot, {"age": tf.constant([3.0])}, k=1)[1].tolist()
        [[9]]
    """

    def __init__(self, encode: Encode, names: Sequence[str], eager: bool = False) -> None:
        self._encode = encode
        self._names = tuple(names)
        self._eager = eager
        self._graphs: dict[Hashable, Callable[..., Any] | None] = {}
        self._tracing = threading.Lock()

    def search(
        self,
        snapshot: CandidateSnapshot,
        columns: dict[str, Any],
        k: int,
        excluded: tf.RaggedTensor | None = None,
        allowed: tf.RaggedTensor | None = None,
        owner: str = "RetrievalModel.recommend",
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns scores, float32 of shape `(n, k)`, best first, and candidate ids; see `CandidateSnapshot.search`.

        Args:
            snapshot: The candidates.
            columns: Tensors by name, of equal length; those that `encode` needs are among them.
            k: How many.
            excluded: Rows that a query may not get, int64 of shape `(n, None)`.
            allowed: Rows that it may get, of the same form, none of them excluded.
            owner: Name of the caller, for messages.

        Raises:
            DivergedError: A query embedding is not finite.
        """
        columns = {name: columns[name] for name in self._names if name in columns}
        if allowed is not None:
            return snapshot.search(self._embeddings(columns, owner), k, None, allowed)
        found = min(k, len(snapshot.corpus))
        most = 0 if excluded is None or not excluded.nrows() else int(tf.reduce_max(excluded.row_lengths()))
        number, at_once = tf.constant(found), min(ENCODE_ROWS, snapshot.index.queries_at_once(found, most))
        parts = []
        for chosen, chunk in _in_chunks(columns, at_once):
            lists = excluded[chosen].to_tensor(default_value=-1) if excluded is not None and most else None
            parts.append(self._found(snapshot, chunk, number, lists, owner))
        scores, rows = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        return with_ids(snapshot.corpus, scores, rows, k)

    def warm_up(self, snapshot: CandidateSnapshot, columns: dict[str, Any], owner: str) -> None:
        """Traces the graphs of `search` and runs them once, so that the first call is as fast as others.

        Args:
            snapshot: The candidates.
            columns: Of the form that `search` gets; no row is needed.
            owner: Name of the caller, for messages.
        """
        for excluded in (None, tf.zeros((num_rows(next(iter(columns.values()))), 1), tf.int64)):
            self._found(snapshot, columns, tf.constant(1), excluded, owner)

    def _found(
        self, snapshot: CandidateSnapshot, columns: dict[str, Any], k: tf.Tensor, excluded: Any, owner: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns scores and rows of the k best candidates."""
        index, named = snapshot.index, {**snapshot.indexed.tensors}
        named.pop("ids")  # text may become integers, and a graph would have to be traced again
        names = list(named)  # not the tensors, which the graph would keep

        def find(columns: dict[str, Any], k: tf.Tensor, tensors: Sequence[Any], lists: Sequence[Any]) -> Any:
            queries = self._encoded(columns, owner)
            found = index.find(dict(zip(names, tensors, strict=True)), queries, k, lists[0] if lists else None)
            return _num_not_finite(queries), *found

        lists = [] if excluded is None else [excluded]
        found = self._run(index, find, columns, k, list(named.values()), lists)
        _refuse_not_finite(found[0], columns, owner)
        return found[1].numpy(), found[2].numpy()

    def _embeddings(self, columns: dict[str, Any], owner: str) -> tf.Tensor:
        """Returns query embeddings, float32 of shape `(n, embedding_dim)`."""

        def encode(columns: dict[str, Any]) -> Any:
            queries = self._encoded(columns, owner)
            return _num_not_finite(queries), queries

        parts = []
        for _, chunk in _in_chunks(columns, ENCODE_ROWS):
            num_not_finite, queries = self._run(None, encode, chunk)
            _refuse_not_finite(num_not_finite, chunk, owner)
            parts.append(queries)
        return tf.concat(parts, axis=0)

    def _encoded(self, columns: dict[str, Any], owner: str) -> tf.Tensor:
        try:
            return tf.cast(self._encode(columns), tf.float32)
        except ReciperecError:
            raise
        except Exception as error:  # a tower raises anything
            forms = ", ".join(f"{name!r}: {column.dtype.name} {column.shape}" for name, column in columns.items())
            problem = f"the query tower cannot compute these columns, {forms} ({describe_error(error)})"
            fix = "Pass columns of the dtypes and shapes of the training data"
            raise ArgumentError(explain(owner, problem, fix=fix)) from error

    def _run(self, index: Any, function: Callable[..., Any], columns: dict[str, Any], *others: Any) -> Any:
        """Calls a function of columns and other tensors, in its graph if it has one."""
        graph = None if self._eager else self._graph(index, function, columns, *others)
        if graph is not None:
            try:
                return graph(*columns.values(), *tf.nest.flatten(others))
            except tf.errors.OpError:
                pass
        with raised_as_ours():
            return function(columns, *others)

    def _graph(self, index: Any, function: Callable[..., Any], columns: dict[str, Any], *others: Any) -> Any:
        key = (index, *columns, *map(_form, columns.values()), *map(len, others[2:]))
        if key in self._graphs:
            return self._graphs[key]
        with self._tracing:
            if key not in self._graphs and len(self._graphs) < _MAX_GRAPHS:
                self._graphs[key] = _traced(function, columns, *others)
            return self._graphs.get(key)


def _traced(function: Callable[..., Any], columns: dict[str, Any], *others: Any) -> Callable[..., Any] | None:
    """Returns the graph of a function, which takes its tensors one by one; `None` if it cannot be traced."""
    names = list(columns)
    flat = [*map(spec_of_rows, columns.values())]
    flat += [tf.TensorSpec((None,) * each.shape.rank, each.dtype) for each in tf.nest.flatten(others)]
    structure = tf.nest.map_structure(lambda _: None, others)  # not the tensors, which the graph would keep

    def call(*tensors: Any) -> Any:
        return function(
            dict(zip(names, tensors, strict=False)), *tf.nest.pack_sequence_as(structure, tensors[len(names) :])
        )

    try:
        graph = tf.function(call, autograph=False).get_concrete_function(*flat)
    except Exception:  # a tower may do anything; if it is wrong, it fails eagerly, too
        return None
    captured = graph.captured_inputs
    # A call of the graph itself would first compare the types of all tensors, which takes as long as a small search.
    return lambda *tensors: graph._call_flat(tf.nest.flatten(tensors, expand_composites=True), captured)


def _form(column: Any) -> Hashable:
    return (column.dtype, *column.shape[1:]) if isinstance(column, tf.Tensor) else spec_of_rows(column)


def _in_chunks(columns: dict[str, Any], at_once: int) -> list[tuple[slice, dict[str, Any]]]:
    size = num_rows(next(iter(columns.values())))
    if size <= at_once:
        return [(slice(None), columns)]  # slicing would take as long as a small search
    places = [slice(start, start + at_once) for start in range(0, size, at_once)]
    return [(chosen, {name: column[chosen] for name, column in columns.items()}) for chosen in places]


def _num_not_finite(queries: tf.Tensor) -> tf.Tensor:
    return tf.math.count_nonzero(~tf.reduce_all(tf.math.is_finite(queries), axis=1))


def _refuse_not_finite(count: tf.Tensor, columns: dict[str, Any], owner: str) -> None:
    if int(count):
        text = not_finite_text(count, num_rows(next(iter(columns.values()))), columns, owner, "query embeddings")
        raise DivergedError(text.numpy().decode())
