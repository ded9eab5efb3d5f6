"""Index: the contract of all that finds the candidates with the largest inner products, and its registry."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.errors import ArgumentTypeError, explain
from reciperec_layers.indexes.allowed_search import top_k_among
from reciperec_layers.indexes.candidate_lists import allowed_lists, excluded_lists
from reciperec_layers.indexes.embedding_arrays import as_embeddings, check_dim, check_finite
from reciperec_layers.indexes.exact_search import MAX_SCORES
from reciperec_layers.indexes.index_files import write_index
from reciperec_layers.indexes.indexed_candidates import IndexedCandidates
from reciperec_layers.indexes.query_chunks import search_in_chunks
from reciperec_layers.registry import Registry
from reciperec_layers.saving.keras_names import register_name

INDEXES_PACKAGE = "reciperec_layers.indexes"


class Index(IndexedCandidates):
    """A layer from query embeddings to the candidates with the largest inner products. Base of all indexes.

    It holds embeddings and ids of candidates, and saves them: within a Keras model, or alone by `save`. A subclass
    says how candidates are laid out (`arrange`) and how they are found (`find`), and registers a name. One that first
    learns something of them, such as clusters, has `learn`, `extend` and `select` too.

    Args:
        k: How many candidates a call returns when it is not told.
        name: Name of the layer.
        **kwargs: As for every Keras layer.

    Raises:
        ArgumentError: `k` is not a positive integer.

    Example:
        >>> from reciperec_layers.indexes.exact_search import top_k_of_all
        >>> class PlainIndex(Index):
        ...     def arrange(self, embeddings, learned):
        ...         return {"embeddings": embeddings}
        ...     def find(self, tensors, queries, k, excluded):
        ...         return top_k_of_all(queries, tensors["embeddings"], k, excluded)
        ...     def embeddings_of(self, tensors, rows=None):
        ...         return tensors["embeddings"] if rows is None else tf.gather(tensors["embeddings"], rows)
        >>> index = PlainIndex()
        >>> index.assign([[1.0], [2.0]], ids=["pie", "soup"])
        >>> index.search([[1.0]], k=1)[1].tolist()
        [['soup']]
    """

    def __init__(self, k: int = 10, name: str | None = None, **kwargs: Any) -> None:
        k = check_integer(type(self).__name__, "k", k, example=10)
        super().__init__(name=name, **kwargs)
        self.supports_jit = False  # ids may be text
        self.k = k

    @abstractmethod
    def find(
        self, tensors: dict[str, tf.Tensor], queries: tf.Tensor, k: tf.Tensor, excluded: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores, float32 of shape `(num_queries, k)`, best first, and rows, int64. Part of a graph.

        Where fewer than k candidates are left, and only there, the score is -inf and the row -1.

        Args:
            tensors: What `arrange` returned.
            queries: float32 of shape `(num_queries, embedding_dim)`.
            k: int32, at most `num_candidates`.
            excluded: Rows that may not be returned, int64 of shape `(num_queries, m)`, -1 in empty places, or `None`.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method `find`; see Index.")

    def queries_at_once(self, k: int, num_excluded: int) -> int:
        """Returns how many queries are searched at one time, for which there is memory.

        Args:
            k: How many candidates of each.
            num_excluded: How many are excluded at most.
        """
        return max(1, MAX_SCORES // self.num_candidates)

    def search(
        self, queries: Any, k: int | None = None, *, exclude: Any = None, allow: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the k best candidates of each query.

        Args:
            queries: Query embeddings, shape `(num_queries, embedding_dim)`.
            k: How many; by default the index's.
            exclude: Candidates that a query may not get: a list of lists of ids, one per query. Ids that are not in
                the index are ignored.
            allow: Candidates that may be returned: ids for all queries, or a list of lists of ids, one per query. What
                is excluded is left out of them. These are compared exactly, whatever the index.

        Returns:
            Scores, float32 of shape `(num_queries, k)`, best first, and ids of the same shape, int64 or `str`
            objects. Where fewer than k are left the score is -inf, which is the only signal, and the id -1 or `""`.

        Raises:
            StateError: The index has no candidates.
            ArgumentError: Shapes do not fit, or `k` is not a positive integer.
            IdError: Ids are of another type than the index's.
            DivergedError: A query is not finite.
        """
        vocabulary, owner = self._require(), f"{type(self).__name__}.search"
        k = check_integer(owner, "k", self.k if k is None else k, example=10)
        queries = as_embeddings(queries, "queries", owner)
        check_dim(queries, self.embedding_dim, "queries", owner)
        if not np.isfinite(queries.numpy()).all():  # NumPy looks at few numbers faster than TensorFlow is called
            check_finite(queries, owner, "`queries`")
        num_queries = int(queries.shape[0])
        excluded = None if exclude is None else excluded_lists(vocabulary, exclude, num_queries, owner)
        allowed = None if allow is None else allowed_lists(vocabulary, allow, num_queries, excluded, owner)
        scores, rows = self.search_rows(queries, k, excluded, allowed)
        return scores.numpy(), vocabulary.reverse_lookup(rows.numpy())

    def search_rows(
        self,
        queries: tf.Tensor,
        k: int,
        excluded: tf.RaggedTensor | None = None,
        allowed: tf.RaggedTensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores and rows of the k best candidates, as `search` does with ids.

        Args:
            queries: float32 of shape `(num_queries, embedding_dim)`.
            k: How many.
            excluded: Rows that may not be returned, int64 of shape `(num_queries, None)`.
            allowed: Rows that may be returned, of the same form, without those excluded, each once.
        """
        if allowed is not None:
            return top_k_among(queries, lambda rows: self.embeddings_of(self._tensors, rows), k, allowed)
        found = min(k, self.num_candidates)
        most = 0 if excluded is None or not excluded.nrows() else int(tf.reduce_max(excluded.row_lengths()))
        number = tf.constant(found)

        def search(some: tf.Tensor, left_out: tf.RaggedTensor | None) -> tuple[tf.Tensor, tf.Tensor]:
            dense = left_out.to_tensor(default_value=-1) if left_out is not None and most else None
            return self.find(self._tensors, some, number, dense)

        at_once = self.queries_at_once(found, most)
        scores, rows = search_in_chunks(queries, excluded, at_once, found, search)
        return (scores, rows) if found == k else _padded(scores, rows, k - found)

    def __call__(self, queries: Any, k: int | None = None, **kwargs: Any) -> tuple[Any, Any]:
        if k is not None:  # Keras would make a tensor of a NumPy integer
            kwargs["k"] = check_integer(type(self).__name__, "k", k, example=10)
        return super().__call__(queries, **kwargs)

    def call(self, queries: Any, k: int | None = None) -> tuple[Any, Any]:
        k = self.k if k is None else k
        tensors = self.tensors()
        if tf.executing_eagerly():
            check_dim(queries, self.embedding_dim, "queries", type(self).__name__)
        scores, rows = self.find_padded(tensors, tf.cast(queries, tf.float32), k, None)
        return tf.ensure_shape(scores, (None, k)), tf.ensure_shape(self.ids_of(tensors, rows), (None, k))

    def find_padded(
        self, tensors: dict[str, tf.Tensor], queries: tf.Tensor, k: Any, excluded: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what `find` does, of any number of candidates. Part of a graph.

        Args:
            tensors: What `tensors` returned.
            queries: As for `find`.
            k: Integer or int32 tensor, also above the number of candidates.
            excluded: As for `find`.
        """
        found = tf.minimum(k, tf.cast(tensors["num_candidates"], tf.int32))
        scores, rows = self.find(tensors, queries, found, excluded)
        return _padded(scores, rows, k - found)

    def compute_output_spec(self, queries: Any, k: int | None = None) -> tuple[Any, Any]:
        shape = (queries.shape[0], self.k if k is None else k)
        return keras.KerasTensor(shape, "float32"), keras.KerasTensor(shape, self._id_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the config; `distribution` is for messages about a missing plugin and is not read back."""
        config = {**super().get_config(), "k": self.k}
        distribution = INDEXES.distribution_of(type(self))
        return config if distribution is None else {**config, "distribution": list(distribution)}

    def save(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Writes the index to a file of its own, which `load_index` reads.

        Args:
            filepath: The file. It is written beside its place and renamed.
            overwrite: Whether a file may be replaced.

        Raises:
            StateError: The index has no candidates.
            ArgumentTypeError: The class is not registered.
            OutputExistsError: The file exists and `overwrite` is not set.
            OutputError: It cannot be written.
        """
        name = INDEXES.name_of(type(self))
        if name is None:
            fix = 'Register it, as @indexes.register("...") does'
            problem = "its class is not registered, so that a file could not name it"
            raise ArgumentTypeError(explain(type(self).__name__, problem, index=type(self), fix=fix))
        write_index(filepath, name, self.get_config(), self.arrays(), overwrite)


INDEXES: Registry[Index] = Registry(
    "index",
    base=Index,  # type: ignore[type-abstract]
    group=INDEXES_PACKAGE,
    on_register=lambda name, cls: register_name(cls, name, INDEXES_PACKAGE),
)


def _padded(scores: tf.Tensor, rows: tf.Tensor, missing: Any) -> tuple[tf.Tensor, tf.Tensor]:
    places = [[0, 0], [0, missing]]
    return tf.pad(scores, places, constant_values=-float("inf")), tf.pad(rows, places, constant_values=-1)
