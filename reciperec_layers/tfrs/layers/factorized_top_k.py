"""Layers that find the candidates with the highest scores: exact, over a dataset, and approximate."""

from __future__ import annotations

import abc
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.columns.tensors import spec_of_rows
from reciperec_layers.errors import ArgumentError, NotIndexedError, StateError, explain
from reciperec_layers.indexes import BruteForceIndex, Index, InvertedFileIndex
from reciperec_layers.indexes.query_chunks import find_in_chunks
from reciperec_layers.tfrs.held_candidates import HeldCandidates, check_candidates

_DEFAULT_K = 10


@dataclass(frozen=True)
class Candidates:
    """All candidates of an exact layer, for ranks among them.

    Args:
        columns: Embeddings, float32 of shape `(dim, num_candidates)`.
        identifiers: Shape `(num_candidates,)`, a tensor of eager code.
        num_candidates: How many.

    Example:
        >>> Candidates(tf.zeros((4, 2)), tf.constant(["pie", "soup"]), 2).num_candidates
        2
    """

    columns: tf.Tensor
    identifiers: tf.Tensor
    num_candidates: int


class TopK(keras.layers.Layer, abc.ABC):
    """Finds the k candidates with the highest scores. Abstract: a subclass implements `index`, `call`, `is_exact`.

    Queries are embeddings, or what the query model takes if there is one: tensors, arrays, or a dict of them. A layer
    that has been called is saved by `tf.saved_model.save(layer, folder)`, and TensorFlow alone loads it.

    Args:
        k: How many results a call gives where it does not say.
        query_model: From raw queries to embeddings, or `None` where queries are embeddings.
        name: Name of the layer.
        **kwargs: As for every Keras layer.

    Call arguments:
        queries: Floats of shape `(num_queries, dim)`, or what the query model takes.
        k: How many results; by default that of the layer, and never more than there are candidates.

    Returns:
        Scores, float32 of shape `(num_queries, k)`, highest first, and identifiers of the same shape: those that
        `index` was given, or row numbers, int32.

    Raises:
        NotIndexedError: The layer has no candidates yet.

    Source:
        `tfrs.layers.factorized_top_k.TopK` of TensorFlow Recommenders 0.7.7. There a call with more results than
        candidates fails, and so do exclusions that leave fewer than k.
    """

    def __init__(self, k: int = _DEFAULT_K, query_model: Any = None, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._k = check_integer(type(self).__name__, "k", k, example=10)
        self.query_model = query_model
        self.built = True
        self._queries_spec: Any = None
        self._exclusions_spec: Any = None
        self._reset_tf_function_cache()

    @abc.abstractmethod
    def index(self, candidates: Any, identifiers: Any = None) -> Self:
        """Takes the candidates, in place of those before, and returns the layer.

        Args:
            candidates: Embeddings, floats of shape `(num_candidates, dim)`.
            identifiers: Of any dtype, shape `(num_candidates,)`; `None` for row numbers.
        """

    @abc.abstractmethod
    def call(self, queries: Any, k: int | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores and identifiers; part of a graph."""

    @abc.abstractmethod
    def is_exact(self) -> bool:
        """Returns whether no better candidate is ever missed."""

    def candidates(self) -> Candidates | None:
        """Returns all candidates, also as a part of a graph; `None` where a metric must ask for the best of them."""
        return None

    def index_from_dataset(self, candidates: tf.data.Dataset) -> Self:
        """Takes candidates from a dataset, and returns the layer.

        Args:
            candidates: Batches of embeddings, or of `(identifiers, embeddings)`.

        Raises:
            ArgumentError: It has something else, or no end, or nothing.
        """
        owner = type(self).__name__
        check_candidates(candidates, owner)
        elements = list(candidates)
        if not elements:
            raise ArgumentError(explain(owner, "the dataset has no candidates", fix="Pass one that has some"))
        if not isinstance(elements[0], tuple):
            return self.index(tf.concat(elements, axis=0))
        identifiers, embeddings = (tf.concat(parts, axis=0) for parts in zip(*elements, strict=True))
        return self.index(embeddings, identifiers)

    def query_with_exclusions(self, queries: Any, exclusions: Any, k: int | None = None) -> tuple[Any, Any]:
        """Returns what a call does, without some candidates of each query.

        Args:
            queries: As for a call.
            exclusions: Identifiers that may not be found, shape `(num_queries, num_excluded)`.
            k: As for a call.

        Returns:
            As for a call. Where fewer than k candidates are left, the last places have the score -inf, and -1 or `""`.
        """
        self._require_index()
        queries, exclusions = _to_tensors(queries), _to_tensors(exclusions)
        self._queries_spec = tf.nest.map_structure(spec_of_rows, queries)
        self._exclusions_spec = spec_of_rows(exclusions)
        return self._functions.value.find_allowed(queries, exclusions, k=None if k is None else int(k))

    def save(self, path: str | Path, options: tf.saved_model.SaveOptions | None = None) -> None:
        """Saves a folder that `tf.saved_model.load` reads, as `tf.saved_model.save` does.

        Args:
            path: The folder.
            options: As for `tf.saved_model.save`.
        """
        tf.saved_model.save(self, str(path), options=options)

    def __call__(self, queries: Any, k: int | None = None, **kwargs: Any) -> tuple[Any, Any]:
        if any(isinstance(leaf, keras.KerasTensor) for leaf in tf.nest.flatten(queries)):
            return super().__call__(queries, k=k, **kwargs)
        self._require_index()
        queries = _to_tensors(queries)
        self._queries_spec = tf.nest.map_structure(spec_of_rows, queries)
        return self._functions.value.find(queries, k=None if k is None else int(k))

    def compute_output_spec(self, queries: Any, k: int | None = None) -> tuple[Any, Any]:
        shape = (tf.nest.flatten(queries)[0].shape[0], self._k if k is None else k)
        return keras.KerasTensor(shape, "float32"), keras.KerasTensor(shape, self._identifier_dtype().name)

    def _embedded(self, queries: Any) -> tf.Tensor:
        """Returns the embeddings of queries, float32 of shape `(num_queries, dim)`."""
        found = queries if self.query_model is None else self.query_model(queries)
        return tf.cast(found, tf.float32)

    def _require_index(self) -> None:
        """Raises an error unless there are candidates."""

    def _identifier_dtype(self) -> tf.DType:
        return tf.int32

    def _reset_tf_function_cache(self) -> None:
        """Forgets the graphs of other candidates."""
        self._functions = _Untracked(_Functions(self.call, self._find_allowed))

    def _find_allowed(self, queries: Any, exclusions: tf.Tensor, k: int | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        k = self._k if k is None else k
        # So many may be excluded, and k of the others are to be left.
        scores, identifiers = self.call(queries, k + exclusions.shape[1])
        if tf.string not in (identifiers.dtype, exclusions.dtype):
            exclusions = tf.cast(exclusions, identifiers.dtype)
        excluded = tf.reduce_any(identifiers[:, :, tf.newaxis] == exclusions[:, tf.newaxis, :], axis=2)
        scores = tf.where(excluded, -float("inf"), scores)
        scores, places = tf.math.top_k(scores, tf.minimum(k, tf.shape(scores)[1]))
        found = tf.gather(identifiers, places, batch_dims=1)
        nothing = tf.constant("" if found.dtype == tf.string else -1, found.dtype)
        return scores, tf.where(scores > -float("inf"), found, nothing)

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> Any:
        children = super()._trackable_children(save_type, **kwargs)
        if save_type != "savedmodel":
            return children
        # TensorFlow gives a loaded object the functions by these names.
        return {**children, **self._functions_to_save()}

    def _functions_to_save(self) -> dict[str, Any]:
        """Returns what a loaded layer can do: calls, and exclusions if there were some."""
        self._require_index()
        spec = self._queries_spec
        if spec is None and self.query_model is None:
            spec = tf.TensorSpec((None, None), tf.float32)
        if spec is None:
            fix = "Call it once, as layer(queries)"
            raise StateError(explain(type(self).__name__, "what queries look like is not known yet", fix=fix))
        functions, excluded = self._functions.value, self._exclusions_spec
        functions.find.get_concrete_function(spec, k=None)
        if excluded is None:
            return {"__call__": functions.find}
        functions.find_allowed.get_concrete_function(spec, excluded, k=None)
        return {"__call__": functions.find, "query_with_exclusions": functions.find_allowed}


class _IndexedTopK(TopK):
    """A layer whose candidates are held by an index of this package."""

    def _hold(self, index: Index, candidates: Any, identifiers: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes candidates and identifiers, and returns them as tensors."""
        owner = type(self).__name__
        candidates = tf.cast(tf.convert_to_tensor(candidates), tf.float32)
        if candidates.shape.rank != 2:
            fix = "Pass embeddings of shape (num_candidates, dim)"
            raise ArgumentError(explain(owner, "candidates must have two axes", candidates=candidates, fix=fix))
        num_candidates = int(candidates.shape[0])
        identifiers = tf.range(num_candidates) if identifiers is None else tf.convert_to_tensor(identifiers)
        if identifiers.shape.rank == 2 and identifiers.shape[1] == 1:
            identifiers = identifiers[:, 0]
        if identifiers.shape.as_list() != [num_candidates]:
            problem = f"there must be one identifier for each of {num_candidates} candidates"
            raise ArgumentError(explain(owner, problem, identifiers=identifiers, fix="Pass as many"))
        index.assign(candidates)
        # Variables and no constants, since a graph ends at 2 GB.
        self._tensors = {name: tf.Variable(value, trainable=False) for name, value in index.tensors().items()}
        self._identifiers = tf.Variable(identifiers, trainable=False)
        self._held_index = _Untracked(index)
        self._reset_tf_function_cache()
        return candidates, identifiers

    def call(self, queries: Any, k: int | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        tensors = {name: variable.value() for name, variable in self._tensors.items()}
        num_found = min(self._k if k is None else k, int(self._identifiers.shape[0]))
        index: Index = self._held_index.value
        with tf.init_scope():
            queries_at_once = index.queries_at_once(num_found, 0)
        find = lambda some: index.find(tensors, some, tf.constant(num_found), None)  # noqa: E731
        scores, rows = find_in_chunks(self._embedded(queries), queries_at_once, find)
        shape = (None, num_found)
        identifiers = tf.gather(self._identifiers, tf.maximum(rows, 0))
        return tf.ensure_shape(scores, shape), tf.ensure_shape(identifiers, shape)

    def _require_index(self) -> None:
        if not hasattr(self, "_identifiers"):
            raise _not_indexed(self)

    def _identifier_dtype(self) -> tf.DType:
        return self._identifiers.dtype


class BruteForce(_IndexedTopK):
    """Exact search of candidates that are given as embeddings.

    Args:
        query_model: As for `TopK`.
        k: As for `TopK`.
        name: Name of the layer.

    Example:
        >>> layer = BruteForce(k=2).index([[2.0], [3.0], [1.0]], ["pie", "soup", "stew"])
        >>> scores, titles = layer([[1.0]])
        >>> scores.numpy().tolist(), titles.numpy().tolist()
        ([[3.0, 2.0]], [[b'soup', b'pie']])
    """

    def __init__(self, query_model: Any = None, k: int = _DEFAULT_K, name: str | None = None) -> None:
        super().__init__(k, query_model, name)

    def index(self, candidates: Any, identifiers: Any = None) -> Self:
        embeddings, identifiers = self._hold(BruteForceIndex(), candidates, identifiers)
        self._all = _Untracked(Candidates(tf.transpose(embeddings), identifiers, int(embeddings.shape[0])))
        return self

    def candidates(self) -> Candidates | None:
        self._require_index()
        return self._all.value

    def is_exact(self) -> bool:
        return True


class ScaNN(_IndexedTopK):
    """Approximate search, by this package's inverted file: the library `scann` does not load beside new TensorFlow.

    Of the arguments only the shares matter: `num_leaves_to_search` of `num_leaves` is the share of the candidates that
    is scored, which here are those of the best blocks, exactly, so scores need no reordering. The others are accepted
    and change nothing. Needs scikit-learn, which the extra `indexes` installs.

    Args:
        query_model: As for `TopK`.
        k: As for `TopK`.
        distance_measure: `"dot_product"`; there is no other.
        num_leaves: Number of clusters, at most the number of candidates.
        num_leaves_to_search: How many of them a query looks into.
        training_iterations: Not used.
        dimensions_per_block: Not used.
        num_reordering_candidates: Not used.
        parallelize_batch_searches: Not used.
        name: Name of the layer.

    Raises:
        ArgumentError: Another distance, or numbers that are not positive.

    Example:
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     layer = ScaNN(k=1, num_leaves=1, num_leaves_to_search=1)
        >>> layer.index([[2.0], [3.0]])([[1.0]])[1].numpy()
        array([[1]], dtype=int32)
    """

    def __init__(
        self,
        query_model: Any = None,
        k: int = _DEFAULT_K,
        distance_measure: str = "dot_product",
        num_leaves: int = 100,
        num_leaves_to_search: int = 10,
        training_iterations: int = 12,
        dimensions_per_block: int = 2,
        num_reordering_candidates: int | None = None,
        parallelize_batch_searches: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(k, query_model, name)
        if distance_measure != "dot_product":
            fix = 'Use "dot_product", and embeddings of length 1 for cosines'
            problem = "there is no such distance"
            raise ArgumentError(explain("ScaNN", problem, distance_measure=distance_measure, fix=fix))
        self._num_leaves = check_integer("ScaNN", "num_leaves", num_leaves, example=100)
        searched = check_integer("ScaNN", "num_leaves_to_search", num_leaves_to_search, example=10)
        self._scored_fraction = min(1.0, searched / num_leaves)
        _warn_once_of_scann()

    def index(self, candidates: Any, identifiers: Any = None) -> Self:
        num_clusters = min(self._num_leaves, len(candidates))
        self._hold(InvertedFileIndex(self._scored_fraction, num_clusters), candidates, identifiers)
        return self

    def is_exact(self) -> bool:
        return False


class Streaming(TopK):
    """Exact search of the candidates of a dataset, at the weights of the moment.

    What TensorFlow Recommenders computes anew in each call is kept until weights change, see `HeldCandidates`. A
    dataset of another form, one that does more than map after it has read weights, is gone through in each call.

    Args:
        query_model: As for `TopK`.
        k: As for `TopK`.
        handle_incomplete_batches: Not used: batches may be smaller than k.
        num_parallel_calls: Not used.
        sorted_order: Not used: results are sorted.

    Example:
        >>> embeddings = tf.data.Dataset.from_tensor_slices([[2.0], [3.0], [1.0]]).batch(2)
        >>> Streaming(k=2).index_from_dataset(embeddings)([[1.0]])[1].numpy()
        array([[1, 0]], dtype=int32)
    """

    def __init__(
        self,
        query_model: Any = None,
        k: int = _DEFAULT_K,
        handle_incomplete_batches: bool = True,
        num_parallel_calls: int = tf.data.AUTOTUNE,
        sorted_order: bool = True,
    ) -> None:
        super().__init__(k, query_model)
        self._held = _Untracked(None)

    def index(self, candidates: Any, identifiers: Any = None) -> Self:
        fix = "Call index_from_dataset(dataset)"
        raise NotImplementedError(explain("Streaming", "candidates must come as a dataset", fix=fix))

    def index_from_dataset(self, candidates: tf.data.Dataset) -> Self:
        self._held = _Untracked(HeldCandidates(candidates, "Streaming"))
        self._reset_tf_function_cache()
        return self

    def candidates(self) -> Candidates | None:
        self._require_index()
        held: HeldCandidates = self._held.value
        return Candidates(held.columns(), held.identifiers, held.num_candidates) if held.can_hold else None

    def call(self, queries: Any, k: int | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        k = self._k if k is None else k
        queries, candidates = self._embedded(queries), self.candidates()
        if candidates is None:
            return _streamed(queries, self._held.value.dataset, k)
        scores, rows = tf.math.top_k(tf.matmul(queries, candidates.columns), min(k, candidates.num_candidates))
        return scores, tf.gather(candidates.identifiers, rows)

    def is_exact(self) -> bool:
        return True

    def _require_index(self) -> None:
        if self._held.value is None:
            raise _not_indexed(self)

    def _functions_to_save(self) -> dict[str, Any]:
        # The towers behind a dataset are not saved: a loaded layer has the candidates of now.
        self._require_index()
        frozen = BruteForce(self.query_model, self._k)
        TopK.index_from_dataset(frozen, self._held.value.dataset)
        frozen._queries_spec, frozen._exclusions_spec = self._queries_spec, self._exclusions_spec
        self._saved = frozen
        return {"_saved": frozen, **frozen._functions_to_save()}


class _Untracked:
    """Holds what Keras and TensorFlow are not to look into, nor to save."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Functions:
    """The graphs of a layer."""

    def __init__(self, find: Callable[..., Any], find_allowed: Callable[..., Any]) -> None:
        self.find = tf.function(find, reduce_retracing=True, autograph=False)
        self.find_allowed = tf.function(find_allowed, reduce_retracing=True, autograph=False)


def _streamed(queries: tf.Tensor, dataset: tf.data.Dataset, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Goes through a dataset, and keeps the best."""
    spec = dataset.element_spec
    dtype = spec[0].dtype if isinstance(spec, tuple) else tf.int32
    num_queries = tf.shape(queries)[0]
    none = tf.zeros((num_queries, 0)), tf.zeros((num_queries, 0), dtype), tf.zeros((), tf.int32)

    def better(best: Any, element: Any) -> Any:
        scores, identifiers, num_seen = best
        embeddings = tf.cast(element[1] if isinstance(element, tuple) else element, tf.float32)
        rows = tf.shape(embeddings)[0]
        own = tf.reshape(element[0], (-1,)) if isinstance(element, tuple) else num_seen + tf.range(rows)
        scores = tf.concat([scores, tf.matmul(queries, embeddings, transpose_b=True)], axis=1)
        identifiers = tf.concat([identifiers, tf.repeat(own[tf.newaxis], num_queries, axis=0)], axis=1)
        scores, places = tf.math.top_k(scores, tf.minimum(k, tf.shape(scores)[1]))
        return scores, tf.gather(identifiers, places, batch_dims=1), num_seen + rows

    scores, identifiers, _ = dataset.reduce(none, better)
    return scores, identifiers


def _not_indexed(layer: TopK) -> NotIndexedError:
    problem = "the `index` method must be called first, to create the retrieval index"
    return NotIndexedError(explain(type(layer).__name__, problem, fix="Call index(...) or index_from_dataset(...)"))


def _to_tensors(queries: Any) -> Any:
    """Returns tensors of the dtypes that arrays have: a saved graph takes no others."""
    if isinstance(queries, dict):
        return {name: _to_tensors(value) for name, value in queries.items()}
    if isinstance(queries, np.ndarray) and queries.dtype.kind in "OU":
        return tf.constant(queries.astype(str).ravel().tolist(), tf.string, queries.shape)
    return tf.convert_to_tensor(queries)


_scann_was_said = False


def _warn_once_of_scann() -> None:
    global _scann_was_said
    if not _scann_was_said:
        _scann_was_said = True
        text = "ScaNN: the library `scann` does not load beside this TensorFlow, so InvertedFileIndex searches in its"
        warnings.warn(f"{text} place, with num_leaves_to_search / num_leaves of the candidates", stacklevel=3)
