"""IndexedCandidates: embeddings and ids of candidates, laid out for a search, and saved with it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import refuse_unknown
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.errors import (
    ArgumentError,
    DivergedError,
    IdError,
    ModelFileError,
    StateError,
    UnknownIdError,
    describe_ids,
    explain,
)
from reciperec_layers.indexes.embedding_arrays import as_embeddings, check_dim, check_finite
from reciperec_layers.indexes.index_files import from_arrays, to_arrays
from reciperec_layers.vocabulary import Vocabulary, as_vocabulary


class IndexedCandidates(keras.layers.Layer):
    """Base of `Index`: what it holds, how that is changed, and how it travels in files.

    Args:
        name: Name of the layer.
        **kwargs: As for every Keras layer.

    Example:
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> issubclass(BruteForceIndex, IndexedCandidates)
        True
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        refuse_unknown(type(self), kwargs)
        super().__init__(name=name, **{"dtype": "float32", "autocast": False, **kwargs})
        self._id_dtype = "int64"
        self._vocabulary: Vocabulary | None = None
        self._embedding_dim = 0
        self._learned: dict[str, np.ndarray] = {}
        self._tensors: dict[str, tf.Tensor] = {}
        # What a graph reads, so that it sees other candidates without being traced anew; made with the first graph.
        self._variables: dict[str, tf.Variable] = {}
        self._num_changes = 0
        self.built = True

    @abstractmethod
    def arrange(self, embeddings: tf.Tensor, learned: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
        """Returns the tensors to search in, by name. There is one more for `find`: `num_candidates`, int64.

        Args:
            embeddings: float32 of shape `(num_candidates, embedding_dim)`.
            learned: What `learn` returned.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method `arrange`; see Index.")

    @abstractmethod
    def embeddings_of(self, tensors: dict[str, tf.Tensor], rows: tf.Tensor | None = None) -> tf.Tensor:
        """Returns embeddings of candidates, `(*rows.shape, embedding_dim)`, of all without `rows`. Part of a graph.

        Args:
            tensors: What `arrange` returned.
            rows: int64 of any shape.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method `embeddings_of`; see Index.")

    def learn(self, embeddings: tf.Tensor) -> dict[str, np.ndarray]:
        """Returns what the index learns of its candidates, which is saved with it. Nothing, unless a subclass does.

        Args:
            embeddings: float32 of shape `(num_candidates, embedding_dim)`.
        """
        return {}

    def extend(self, learned: dict[str, np.ndarray], embeddings: tf.Tensor) -> dict[str, np.ndarray]:
        """Returns what was learned, with further candidates.

        Args:
            learned: What `learn` returned.
            embeddings: Those of the new candidates.
        """
        return learned

    def select(self, learned: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
        """Returns what was learned, with the candidates of some rows alone.

        Args:
            learned: What `learn` returned.
            rows: int64 of shape `(n,)`, ascending.
        """
        return learned

    @property
    def learns(self) -> bool:
        """Whether the index learns something of its candidates."""
        return type(self).learn is not IndexedCandidates.learn

    @property
    def learned(self) -> dict[str, np.ndarray]:
        """What the index has learned of its candidates."""
        return self._learned

    @property
    def num_changes(self) -> int:
        """How often the candidates were changed; tells who holds the index whether another one changed it."""
        return self._num_changes

    @property
    def num_candidates(self) -> int:
        """How many candidates there are."""
        return 0 if self._vocabulary is None else len(self._vocabulary)

    @property
    def ids(self) -> np.ndarray:
        """Ids of the candidates in row order, int64 or `str` objects. Read-only."""
        return self._require().ids

    @property
    def embeddings(self) -> tf.Tensor:
        """Embeddings of the candidates in row order, float32 of shape `(num_candidates, embedding_dim)`."""
        self._require()
        return self.embeddings_of(self._tensors)

    @property
    def embedding_dim(self) -> int:
        """Size of the embeddings."""
        self._require()
        return self._embedding_dim

    def assign(self, embeddings: Any, ids: Any = None, *, learned: dict[str, np.ndarray] | None = None) -> None:
        """Takes other candidates, of any number and size.

        Args:
            embeddings: Numbers of shape `(num_candidates, embedding_dim)`; or a data frame of them by id.
            ids: Unique ids, integers or text of shape `(num_candidates,)`; by default a frame's index, else
                `0 .. num_candidates - 1`.
            learned: What was learned of such candidates before; by default it is learned from these.

        Raises:
            DivergedError: An embedding is not finite.
            ArgumentError: The shapes do not fit.
            IdError: An id repeats or is missing, or is of another type than in a graph that reads the index.
        """
        if ids is None and hasattr(embeddings, "iloc"):
            ids = embeddings.index
        embeddings = as_embeddings(embeddings, "embeddings", type(self).__name__)
        num_candidates, dim = embeddings.shape
        vocabulary = as_vocabulary(np.arange(num_candidates) if ids is None else ids)
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
        tensors = self.arrange(embeddings, learned)
        self._tensors = {
            **tensors,
            "num_candidates": tf.constant(num_candidates, tf.int64),
            "ids": tf.constant(vocabulary.ids, vocabulary.dtype),
        }
        self._learned, self._vocabulary, self._embedding_dim = learned, vocabulary, int(dim)
        self._id_dtype = vocabulary.dtype
        self._num_changes += 1
        if self._variables:
            self._fill_variables()

    def append(self, embeddings: Any, ids: Any = None) -> None:
        """Adds candidates behind the others.

        Args:
            embeddings: As for `assign`.
            ids: Ids that are not there yet; by default a frame's index.

        Raises:
            StateError: The index has no candidates.
            IdError: An id is there already, or of another type.
        """
        known, owner = self._require(), f"{type(self).__name__}.append"
        if ids is None and hasattr(embeddings, "iloc"):
            ids = embeddings.index
        added = as_embeddings(embeddings, "embeddings", owner)
        check_finite(added, owner)
        check_dim(added, self.embedding_dim, "embeddings", owner)
        ids = to_id_array([] if ids is None else ids, owner)
        if ids.shape != added.shape[:1]:
            received = {"embeddings": added, "ids": ids}
            raise ArgumentError(explain(owner, "there must be one id for each embedding", fix="Pass both", **received))
        known.check_type(ids, owner)
        joined = tf.concat([self.embeddings, added], axis=0)
        self.assign(joined, np.concatenate([known.ids, ids]), learned=self.extend(self._learned, added))

    def remove(self, ids: Any) -> None:
        """Takes candidates out.

        Args:
            ids: Ids, shape `(n,)`.

        Raises:
            UnknownIdError: An id is not there.
            ArgumentError: No candidate would be left.
        """
        known, owner = self._require(), f"{type(self).__name__}.remove"
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
        kept = tf.gather(self.embeddings, left)
        self.assign(kept, known.ids[left], learned=self.select(self._learned, left))

    def tensors(self) -> dict[str, tf.Tensor]:
        """Returns what `arrange` did, `num_candidates` and `ids`, as eager code or a graph reads them.

        A graph reads variables, so that it sees other candidates without being traced anew.
        """
        self._require()
        if tf.executing_eagerly():
            return self._tensors
        if not self._variables:
            with tf.init_scope():
                self._fill_variables()
        return {name: variable.value() for name, variable in self._variables.items()}

    def ids_of(self, tensors: dict[str, tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
        """Returns the ids of rows, -1 or `""` where a row is -1. Part of a graph.

        Args:
            tensors: What `tensors` returned.
            rows: int64 of any shape.
        """
        ids = tf.gather(tensors["ids"], tf.maximum(rows, 0))
        return tf.where(rows >= 0, ids, "" if tensors["ids"].dtype == tf.string else -1)

    def replace_tensor(self, name: str, tensor: tf.Tensor) -> None:
        """Sets one of the tensors that `arrange` returned, for a number that may change without the candidates.

        Args:
            name: Which.
            tensor: Of the same dtype and rank.
        """
        self._tensors = {**self._tensors, name: tensor}
        if self._variables:
            self._fill_variables()

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns what a file needs of the candidates, by name.

        Raises:
            StateError: The index has no candidates.
        """
        return to_arrays(self.embeddings.numpy(), self._require(), self._learned)

    def save_own_variables(self, store: Any) -> None:
        for name, array in (self.arrays() if self.num_candidates else {}).items():
            store[name] = array

    def load_own_variables(self, store: Any) -> None:
        arrays = {name: np.asarray(store[name]) for name in store.keys()}  # noqa: SIM118 - no mapping in all Keras
        if arrays:
            self.restore(arrays)

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Takes candidates from what a file has.

        Args:
            arrays: What was saved, by name.

        Raises:
            ModelFileError: They are damaged.
        """
        try:
            embeddings, vocabulary, learned = from_arrays(arrays)
            self.assign(embeddings, vocabulary, learned=learned)
        except (KeyError, ValueError, IndexError, TypeError, DivergedError, tf.errors.InvalidArgumentError) as error:
            fix = "Save the index again, or use an intact copy of the file"
            problem = f"its arrays are damaged ({str(error).partition(chr(10))[0]})"
            raise ModelFileError(explain(type(self).__name__, problem, fix=fix)) from error

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "id_dtype": self._id_dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = {name: value for name, value in config.items() if name != "distribution"}
        id_dtype = config.pop("id_dtype", "int64")
        index = cls(**config)
        index._id_dtype = id_dtype
        return index

    def _require(self) -> Vocabulary:
        if self._vocabulary is None:
            fix = "Call assign(embeddings, ids) first"
            raise StateError(explain(type(self).__name__, "the index has no candidates", candidates=None, fix=fix))
        return self._vocabulary

    def _fill_variables(self) -> None:
        if not self._variables:
            shapes = {name: (None,) * tensor.shape.rank for name, tensor in self._tensors.items()}
            self._variables = {
                name: tf.Variable(tensor, shape=shapes[name], trainable=False, name=name)
                for name, tensor in self._tensors.items()
            }
            return
        for name, variable in self._variables.items():
            variable.assign(self._tensors[name])
