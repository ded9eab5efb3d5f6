"""Index: the base class of all indexes, and their registry."""

from __future__ import annotations

import dataclasses
import threading
from abc import abstractmethod
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_k, refuse_unknown
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.errors import (
    ArgumentError,
    ArgumentTypeError,
    IdError,
    ModelFileError,
    StateError,
    UnknownIdError,
    describe_error,
    describe_ids,
    explain,
)
from reciperec_layers.indexes.allowed_search import top_k_among
from reciperec_layers.indexes.candidate_lists import allowed_lists, excluded_lists
from reciperec_layers.indexes.embedding_arrays import check_dim, check_finite, to_embeddings
from reciperec_layers.indexes.exact_search import MAX_SCORES
from reciperec_layers.indexes.index_files import from_arrays, to_arrays, write_index
from reciperec_layers.indexes.indexed_candidates import IndexedCandidates
from reciperec_layers.indexes.query_chunks import search_in_chunks
from reciperec_layers.registry import Registry, without_distribution
from reciperec_layers.saving.keras_names import register_name
from reciperec_layers.vocabulary import to_vocabulary

INDEXES_PACKAGE = "reciperec_layers.indexes"
_MAX_RESULTS = 2**20  # that a file may ask for, unless it has as many candidates


class Index(keras.layers.Layer):
    """A layer that maps query embeddings to the candidates with the largest inner products. Base of all indexes.

    It holds the embeddings and ids of candidates, and saves them: within a Keras model, or alone by `save`. A subclass
    defines how candidates are laid out (`arrange`, `embeddings_of`) and found (`find`), and registers a name. One that
    learns something from them first, such as clusters, also defines `learn`, `extend` and `select`.

    Args:
        k: Default number of candidates that a call returns.
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
        ...         every = tensors["embeddings"]
        ...         return every if rows is None else tf.gather(every, rows)
        >>> index = PlainIndex()
        >>> index.assign([[1.0], [2.0]], ids=["pie", "soup"])
        >>> index.search([[1.0]], k=1)[1].tolist()
        [['soup']]
    """

    def __init__(self, k: int = 10, name: str | None = None, **kwargs: Any) -> None:
        k = check_k(type(self).__name__, k)
        refuse_unknown(type(self), kwargs)
        super().__init__(name=name, **{"dtype": "float32", "autocast": False, **kwargs})
        self.supports_jit = False  # ids may be text, which XLA does not support
        self.k = k
        self._id_dtype = "int64"
        # Replaced by one assignment, so that a search in another thread sees the old candidates or the new ones.
        self._candidates: IndexedCandidates | None = None
        # Read by graphs, which thus see other candidates without being traced again; created with the first graph.
        self._variables: dict[str, tf.Variable] = {}
        self._writers = threading.RLock()
        self.built = True

    @abstractmethod
    def arrange(self, embeddings: tf.Tensor, learned: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
        """Returns the tensors to search in, by name. `find` also gets `num_candidates`, int64.

        Args:
            embeddings: float32 of shape `(num_candidates, embedding_dim)`.
            learned: What `learn` returned.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method `arrange`; see Index.")

    @abstractmethod
    def embeddings_of(self, tensors: dict[str, tf.Tensor], rows: tf.Tensor | None = None) -> tf.Tensor:
        """Returns embeddings of candidates, of shape `(*rows.shape, embedding_dim)`. Part of a graph.

        Args:
            tensors: What `arrange` returned.
            rows: int64 of any shape; `None` for all candidates.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method `embeddings_of`; see Index.")

    @abstractmethod
    def find(
        self, tensors: dict[str, tf.Tensor], queries: tf.Tensor, k: tf.Tensor, excluded: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores, float32 of shape `(num_queries, k)`, best first, and rows, int64. Part of a graph.

        If, and only if, fewer than k candidates are left, the rest has score -inf and row -1.

        Args:
            tensors: What `arrange` returned.
            queries: float32 of shape `(num_queries, embedding_dim)`.
            k: int32, at most `num_candidates`.
            excluded: Rows that may not be returned, int64 of shape `(num_queries, m)`, padded with -1, or `None`.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method `find`; see Index.")

    def learn(self, embeddings: tf.Tensor) -> dict[str, np.ndarray]:
        """Returns arrays that the index learns from its candidates and saves. By default nothing.

        Args:
            embeddings: float32 of shape `(num_candidates, embedding_dim)`.
        """
        return {}

    def extend(self, learned: dict[str, np.ndarray], embeddings: tf.Tensor) -> dict[str, np.ndarray]:
        """Extends the learned arrays to further candidates.

        Args:
            learned: What `learn` returned.
            embeddings: Embeddings of the new candidates.
        """
        return learned

    def select(self, learned: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
        """Restricts the learned arrays to some candidates.

        Args:
            learned: What `learn` returned.
            rows: int64 of shape `(n,)`, ascending.
        """
        return learned

    @property
    def learns(self) -> bool:
        """Whether the index learns something from its candidates."""
        return type(self).learn is not Index.learn

    @property
    def learned(self) -> dict[str, np.ndarray]:
        """What the index has learned from its candidates."""
        return {} if self._candidates is None else self._candidates.learned

    @property
    def num_changes(self) -> int:
        """How often the candidates were changed, so that an owner of the index notices changes by others."""
        return 0 if self._candidates is None else self._candidates.number

    @property
    def candidates(self) -> IndexedCandidates | None:
        """The present candidates, which an owner of the index searches in by `search_rows`."""
        return self._candidates

    @property
    def num_candidates(self) -> int:
        """How many candidates there are."""
        return 0 if self._candidates is None else len(self._candidates)

    @property
    def ids(self) -> np.ndarray:
        """Ids of the candidates in row order, int64 or `str` objects. Read-only."""
        return self._require().vocabulary.ids

    @property
    def embeddings(self) -> tf.Tensor:
        """Embeddings of the candidates in row order, float32 of shape `(num_candidates, embedding_dim)`."""
        return self.embeddings_of(self._require().tensors)

    @property
    def embedding_dim(self) -> int:
        """Size of the embeddings."""
        return self._require().embedding_dim

    def assign(self, embeddings: Any, ids: Any = None, *, learned: dict[str, np.ndarray] | None = None) -> None:
        """Replaces the candidates, by any number of any size.

        Args:
            embeddings: Numbers of shape `(num_candidates, embedding_dim)`, or a data frame of them by id.
            ids: Unique ids, integers or text of shape `(num_candidates,)`; by default a frame's index, else
                `0 .. num_candidates - 1`.
            learned: What was learned before; by default it is learned from these candidates.

        Raises:
            DivergedError: An embedding is not finite.
            ArgumentError: The shapes do not fit.
            IdError: An id repeats or is missing, or differs in type from those in a graph that reads the index.
        """
        with self._writers:
            self.hold(self.arranged(embeddings, ids, learned=learned))

    def arranged(
        self, embeddings: Any, ids: Any = None, *, learned: dict[str, np.ndarray] | None = None
    ) -> IndexedCandidates:
        """Returns candidates as the index would hold them, and leaves those that it holds. See `hold`.

        Args:
            embeddings: As for `assign`.
            ids: As for `assign`.
            learned: As for `assign`.
        """
        if ids is None and hasattr(embeddings, "iloc"):
            ids = embeddings.index
        embeddings = to_embeddings(embeddings, "embeddings", type(self).__name__)
        num_candidates, dim = embeddings.shape
        vocabulary = to_vocabulary(np.arange(num_candidates) if ids is None else ids)
        if len(vocabulary) != num_candidates:
            received = {"embeddings": embeddings, "ids": ids}
            raise ArgumentError(
                explain(type(self).__name__, "there must be one id for each embedding", fix="Pass both", **received)
            )
        check_finite(embeddings, type(self).__name__)
        if self._variables and vocabulary.dtype != self._id_dtype:
            problem = f"`ids` must be {self._id_dtype}, as when a graph was made with the index"
            fix = "Convert the ids, or use a new index"
            raise IdError(explain(type(self).__name__, problem, ids=vocabulary.ids, fix=fix))
        learned = self.learn(embeddings) if learned is None else learned
        tensors = {
            **self.arrange(embeddings, learned),
            "num_candidates": tf.constant(num_candidates, tf.int64),
            "ids": tf.constant(vocabulary.ids, vocabulary.dtype),
        }
        return IndexedCandidates(vocabulary, int(dim), learned, tensors)

    def hold(self, candidates: IndexedCandidates) -> IndexedCandidates:
        """Replaces the candidates, in one step, and returns them with their number.

        Args:
            candidates: From `arranged`, `extended` or `reduced`.
        """
        with self._writers:
            self._candidates = dataclasses.replace(candidates, number=self.num_changes + 1)
            self._id_dtype = candidates.vocabulary.dtype
            if self._variables:
                self._fill_variables(self._candidates)
            return self._candidates

    def append(self, embeddings: Any, ids: Any = None) -> None:
        """Adds candidates after the others.

        Args:
            embeddings: As for `assign`.
            ids: Ids that are not in the index yet; by default a frame's index.

        Raises:
            StateError: The index has no candidates.
            IdError: An id is in the index already, or is of another type.
        """
        with self._writers:
            self.hold(self.extended(self._require(), embeddings, ids))

    def extended(self, candidates: IndexedCandidates, embeddings: Any, ids: Any = None) -> IndexedCandidates:
        """Returns candidates with others after them, as the index would hold them. See `hold`.

        Args:
            candidates: Those before.
            embeddings: As for `append`.
            ids: As for `append`.
        """
        known, owner = candidates.vocabulary, f"{type(self).__name__}.append"
        if ids is None and hasattr(embeddings, "iloc"):
            ids = embeddings.index
        added = to_embeddings(embeddings, "embeddings", owner)
        check_finite(added, owner)
        check_dim(added, candidates.embedding_dim, "embeddings", owner)
        ids = to_id_array([] if ids is None else ids, owner)
        if ids.shape != added.shape[:1]:
            received = {"embeddings": added, "ids": ids}
            raise ArgumentError(explain(owner, "there must be one id for each embedding", fix="Pass both", **received))
        known.check_type(ids, owner)
        joined = tf.concat([self.embeddings_of(candidates.tensors), added], axis=0)
        return self.arranged(joined, np.concatenate([known.ids, ids]), learned=self.extend(candidates.learned, added))

    def remove(self, ids: Any) -> None:
        """Removes candidates.

        Args:
            ids: Ids, shape `(n,)`.

        Raises:
            UnknownIdError: An id is not in the index.
            ArgumentError: No candidate would be left.
        """
        with self._writers:
            self.hold(self.reduced(self._require(), ids))

    def reduced(self, candidates: IndexedCandidates, ids: Any) -> IndexedCandidates:
        """Returns candidates without some of them, as the index would hold them. See `hold`.

        Args:
            candidates: Those before.
            ids: As for `remove`.
        """
        known, owner = candidates.vocabulary, f"{type(self).__name__}.remove"
        wanted = np.atleast_1d(to_id_array(ids, owner))
        if wanted.size:
            known.check_type(wanted, owner)
        rows = known.lookup(wanted)
        if (rows < 0).any():
            problem = f"these ids are not in the index: {describe_ids(wanted[rows < 0])}"
            raise UnknownIdError(explain(owner, problem, fix="Pass ids of the index"))
        left = np.setdiff1d(np.arange(len(known)), rows)
        if not left.size:
            fix = "Assign other candidates instead"
            raise ArgumentError(explain(owner, "no candidate would be left", ids=ids, fix=fix))
        kept = tf.gather(self.embeddings_of(candidates.tensors), left)
        return self.arranged(kept, known.ids[left], learned=self.select(candidates.learned, left))

    def queries_at_once(self, k: int, num_excluded: int) -> int:
        """Returns how many queries are searched at a time, which bounds the memory.

        Args:
            k: Number of results per query.
            num_excluded: Largest number of excluded candidates of a query.
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
            allow: Candidates that may be returned: ids for all queries, or a list of lists of ids, one per query.
                Excluded ones are left out. All indexes search these exactly.

        Returns:
            Scores, float32 of shape `(num_queries, k)`, best first, and ids of the same shape, int64 or `str`
            objects. If fewer than k are left, the rest has score -inf, which is the only signal, and id -1 or `""`.

        Raises:
            StateError: The index has no candidates.
            ArgumentError: Shapes do not fit, `k` is not a positive integer, or above the number of candidates by more
                than memory should hold.
            IdError: Ids differ in type from the index's.
            DivergedError: A query is not finite.
        """
        candidates, owner = self._require(), f"{type(self).__name__}.search"
        vocabulary = candidates.vocabulary
        queries = to_embeddings(queries, "queries", owner)
        k = check_k(owner, self.k if k is None else k, len(candidates), int(queries.shape[0]))
        check_dim(queries, candidates.embedding_dim, "queries", owner)
        if not np.isfinite(queries.numpy()).all():  # for few numbers NumPy is faster than a call of TensorFlow
            check_finite(queries, owner, "`queries`")
        num_queries = int(queries.shape[0])
        excluded = None if exclude is None else excluded_lists(vocabulary, exclude, num_queries, owner)
        allowed = None if allow is None else allowed_lists(vocabulary, allow, num_queries, excluded, owner)
        scores, rows = self.search_rows(queries, k, excluded, allowed, candidates)
        return scores.numpy(), vocabulary.reverse_lookup(rows.numpy())

    def search_rows(
        self,
        queries: tf.Tensor,
        k: int,
        excluded: tf.RaggedTensor | None = None,
        allowed: tf.RaggedTensor | None = None,
        candidates: IndexedCandidates | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores and rows of the k best candidates, as `search` does with ids.

        Args:
            queries: float32 of shape `(num_queries, embedding_dim)`.
            k: How many.
            excluded: Rows that may not be returned, int64 of shape `(num_queries, None)`.
            allowed: Rows that may be returned, of the same form, without repeats or excluded ones.
            candidates: Those to search in; by default the present ones.
        """
        candidates = self._require() if candidates is None else candidates
        tensors = candidates.tensors
        if allowed is not None:
            return top_k_among(queries, lambda rows: self.embeddings_of(tensors, rows), k, allowed)
        found = min(k, len(candidates))
        most = 0 if excluded is None or not excluded.nrows() else int(tf.reduce_max(excluded.row_lengths()))
        number = tf.constant(found)

        def search(some: tf.Tensor, left_out: tf.RaggedTensor | None) -> tuple[tf.Tensor, tf.Tensor]:
            dense = left_out.to_tensor(default_value=-1) if left_out is not None and most else None
            return self.find(tensors, some, number, dense)

        at_once = self.queries_at_once(found, most)
        scores, rows = search_in_chunks(queries, excluded, at_once, found, search)
        return (scores, rows) if found == k else _padded(scores, rows, k - found)

    def find_padded(
        self, tensors: dict[str, tf.Tensor], queries: tf.Tensor, k: Any, excluded: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Does what `find` does, also for k above the number of candidates. Part of a graph.

        Args:
            tensors: What `tensors` returned.
            queries: As for `find`.
            k: Integer or int32 tensor.
            excluded: As for `find`.
        """
        found = tf.minimum(k, tf.cast(tensors["num_candidates"], tf.int32))
        scores, rows = self.find(tensors, queries, found, excluded)
        return _padded(scores, rows, k - found)

    def __call__(self, queries: Any, k: int | None = None, **kwargs: Any) -> tuple[Any, Any]:
        if k is not None:  # Keras would make a tensor of a NumPy integer
            kwargs["k"] = check_k(type(self).__name__, k)
        return super().__call__(queries, **kwargs)

    def call(self, queries: Any, k: int | None = None) -> tuple[Any, Any]:
        k = self.k if k is None else k
        tensors = self.tensors()
        if tf.executing_eagerly():
            check_dim(queries, self.embedding_dim, "queries", type(self).__name__)
            check_k(type(self).__name__, k, self.num_candidates, int(queries.shape[0]))
        scores, rows = self.find_padded(tensors, tf.cast(queries, tf.float32), k, None)
        return tf.ensure_shape(scores, (None, k)), tf.ensure_shape(self.ids_of(tensors, rows), (None, k))

    def compute_output_spec(self, queries: Any, k: int | None = None) -> tuple[Any, Any]:
        shape = (queries.shape[0], self.k if k is None else k)
        return keras.KerasTensor(shape, "float32"), keras.KerasTensor(shape, self._id_dtype)

    def tensors(self) -> dict[str, tf.Tensor]:
        """Returns the tensors from `arrange`, `num_candidates` and `ids`.

        A graph gets variables, so that it sees other candidates without being traced again.
        """
        candidates = self._require()
        if tf.executing_eagerly():
            return candidates.tensors
        if not self._variables:
            with tf.init_scope(), self._writers:
                self._fill_variables(self._require())
        return {name: variable.value() for name, variable in self._variables.items()}

    def ids_of(self, tensors: dict[str, tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
        """Returns the ids of rows, -1 or `""` for row -1. Part of a graph.

        Args:
            tensors: What `tensors` returned.
            rows: int64 of any shape.
        """
        ids = tf.gather(tensors["ids"], tf.maximum(rows, 0))
        return tf.where(rows >= 0, ids, "" if tensors["ids"].dtype == tf.string else -1)

    def replace_tensor(self, name: str, tensor: tf.Tensor) -> None:
        """Replaces a tensor from `arrange`, such as a setting that may change without the candidates.

        Args:
            name: Name of the tensor.
            tensor: A tensor of the same dtype and rank.
        """
        with self._writers:
            candidates = self._require()
            tensors = {**candidates.tensors, name: tensor}
            self._candidates = dataclasses.replace(candidates, tensors=tensors)
            if self._variables:
                self._fill_variables(self._candidates)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the candidates and what was learned, as arrays by name for a file.

        Raises:
            StateError: The index has no candidates.
        """
        candidates = self._require()
        embeddings = self.embeddings_of(candidates.tensors).numpy()
        return to_arrays(embeddings, candidates.vocabulary, candidates.learned)

    def save_own_variables(self, store: Any) -> None:
        for name, array in (self.arrays() if self.num_candidates else {}).items():
            store[name] = array

    def load_own_variables(self, store: Any) -> None:
        arrays = {name: np.asarray(store[name]) for name in store.keys()}  # noqa: SIM118 - not a mapping in every Keras
        if arrays:
            self.restore(arrays)

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Restores the candidates from a file.

        Args:
            arrays: The arrays saved, by name.

        Raises:
            ModelFileError: They are damaged.
        """
        try:
            embeddings, vocabulary, learned = from_arrays(arrays)
            self.assign(embeddings, vocabulary, learned=learned)
            if self.k > max(self.num_candidates, _MAX_RESULTS):
                raise ValueError(f"{self.k} results of {self.num_candidates} candidates")
        except Exception as error:  # a class may be somebody else's
            fix = "Save the index again, or use an intact copy of the file"
            problem = f"its arrays are damaged ({describe_error(error)})"
            raise ModelFileError(explain(type(self).__name__, problem, fix=fix)) from error

    def save(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Saves the index alone, in a file that `load_index` reads.

        Args:
            filepath: The file, written atomically.
            overwrite: Whether an existing file may be replaced.

        Raises:
            StateError: The index has no candidates.
            ArgumentTypeError: The class is not registered.
            OutputExistsError: The file exists and `overwrite` is not set.
            OutputError: It cannot be written.
        """
        name = INDEXES.name_of(type(self))
        if name is None:
            fix = 'Register it, as @indexes.register("...") does'
            problem = "its class is not registered, so a file could not name it"
            raise ArgumentTypeError(explain(type(self).__name__, problem, index=type(self), fix=fix))
        write_index(filepath, name, self.get_config(), self.arrays(), overwrite)

    def get_config(self) -> dict[str, Any]:
        """Returns the config; `distribution` is for messages about a missing plugin and is not read back."""
        config = {**super().get_config(), "id_dtype": self._id_dtype, "k": self.k}
        return INDEXES.with_distribution(config, type(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = without_distribution(config)
        id_dtype = config.pop("id_dtype", "int64")
        index = cls(**config)
        index._id_dtype = id_dtype
        return index

    def _require(self) -> IndexedCandidates:
        if self._candidates is None:
            fix = "Call assign(embeddings, ids) first"
            raise StateError(explain(type(self).__name__, "the index has no candidates", candidates=None, fix=fix))
        return self._candidates

    def _fill_variables(self, candidates: IndexedCandidates) -> None:
        if not self._variables:
            self._variables = {
                name: tf.Variable(tensor, shape=(None,) * tensor.shape.rank, trainable=False, name=name)
                for name, tensor in candidates.tensors.items()
            }
            return
        for name, variable in self._variables.items():
            variable.assign(candidates.tensors[name])


INDEXES: Registry[Index] = Registry(
    "index",
    base=Index,  # type: ignore[type-abstract]
    group=INDEXES_PACKAGE,
    on_register=lambda name, cls: register_name(cls, name, INDEXES_PACKAGE),
)


def _padded(scores: tf.Tensor, rows: tf.Tensor, missing: Any) -> tuple[tf.Tensor, tf.Tensor]:
    places = [[0, 0], [0, missing]]
    return tf.pad(scores, places, constant_values=-float("inf")), tf.pad(rows, places, constant_values=-1)
