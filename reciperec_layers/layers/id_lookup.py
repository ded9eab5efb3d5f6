"""IdLookup: maps raw ids to rows of an embedding table, with rows for unknown ids."""

from __future__ import annotations

from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.errors import (
    ArgumentError,
    IdError,
    UnknownIdError,
    VocabularyMismatchError,
    explain,
)
from reciperec_layers.graph.graph_errors import check, shown_ids
from reciperec_layers.graph.hash_tables import static_hash_table
from reciperec_layers.graph.hashing import hash_buckets
from reciperec_layers.graph.known_tensors import computed_once
from reciperec_layers.saving.keras_names import deserialize_nested, serializable
from reciperec_layers.vocabulary import to_vocabulary


@serializable
class IdLookup(keras.layers.Layer):
    """Maps raw ids to rows `0 .. num_rows - 1` of an embedding table.

    Rows `0 .. num_oov_indices - 1` are for unknown ids (out-of-vocabulary, OOV), spread over them by a hash that is
    the same in every process; known ids follow in vocabulary order.

    Args:
        vocabulary: A `Vocabulary`, or unique ids in row order, shape `(n,)`.
        num_oov_indices: Rows for unknown ids, >= 0. With 0 an unknown id is an error.
        id_dropout: Share of ids, in [0, 1), that are mapped to an OOV row in training, so that OOV rows are trained to
            represent unseen ids. Needs an OOV row.
        seed: Seed of `id_dropout`.
        name: Name of the layer.
        **kwargs: `trainable`, as for every Keras layer. The layer's dtype is that of its ids.

    Call arguments:
        inputs: Ids of any shape: integers or text in a tensor, ragged tensor, NumPy array or pandas column.
        training: Whether `id_dropout` applies.

    Returns:
        int64 tensor of the same shape, ragged for ragged ids.

    Raises:
        IdError: Ids are missing, floats, or of another type than the vocabulary's.
        UnknownIdError: An id is unknown and `num_oov_indices` is 0.
        ArgumentError: A number is out of range.

    Example:
        >>> lookup = IdLookup([7, 9])
        >>> lookup(np.array([[9, 7], [5, 5]])).numpy()
        array([[2, 1],
               [0, 0]])
        >>> lookup.reverse_lookup([2, 1]).tolist()
        [9, 7]
    """

    def __init__(
        self,
        vocabulary: Any,
        num_oov_indices: int = 1,
        id_dropout: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        vocabulary = to_vocabulary(vocabulary)
        num_oov_indices = check_integer("IdLookup", "num_oov_indices", num_oov_indices, least=0, example=1)
        id_dropout = check_number("IdLookup", "id_dropout", id_dropout, least=0, below=1, example=0.1)
        seed = check_integer("IdLookup", "seed", seed, least=0, optional=True)
        if id_dropout and not num_oov_indices:
            problem, fix = "`id_dropout` needs a row for unknown ids", "Use num_oov_indices=1"
            raise ArgumentError(explain("IdLookup", problem, id_dropout=id_dropout, num_oov_indices=0, fix=fix))
        # Keras casts inputs to a layer's dtype, and an id cast to float32 may become another id; without autocast,
        # floats arrive unchanged and are refused.
        super().__init__(name=name, **{**kwargs, "dtype": vocabulary.dtype, "autocast": False})
        self.supports_jit = False  # XLA has no hash tables
        self.vocabulary = vocabulary
        self.num_oov_indices = num_oov_indices
        self.id_dropout = id_dropout
        self.seed = seed
        self._seed_generator = keras.random.SeedGenerator(seed) if self.id_dropout else None
        self._table: tf.lookup.StaticHashTable | None = None
        self._mismatch: VocabularyMismatchError | None = None
        self.built = True

    @property
    def num_rows(self) -> int:
        """Number of rows that a table for these indices needs: OOV rows and known ids."""
        return self.num_oov_indices + len(self.vocabulary)

    @property
    def deterministic(self) -> bool:
        """Whether the output is the same in training: there is no dropout."""
        return not self.id_dropout

    @property
    def vocabulary_mismatch(self) -> VocabularyMismatchError | None:
        """Why the weights loaded last were refused, or `None`."""
        return self._mismatch

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(self.to_ids(inputs), *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if isinstance(inputs, tf.RaggedTensor):
            return inputs.with_flat_values(self.call(inputs.flat_values, training=training))
        indices = computed_once(self._indices, inputs)
        return self.with_dropout(indices) if training else indices

    def lookup(self, ids: Any) -> np.ndarray:
        """Returns the row of each id, int64 of the same shape. Also accepts lists."""
        return self(to_id_array(ids, "IdLookup.lookup")).numpy()

    def reverse_lookup(self, indices: Any) -> np.ndarray:
        """Returns the id of each row, of the same shape; an OOV row gives -1 or `""`.

        Raises:
            ArgumentError: An index is outside `0 .. num_rows - 1`.
        """
        rows = np.asarray(indices)
        if rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= self.num_rows):
            problem = f"`indices` must be integers in 0 .. {self.num_rows - 1}"
            raise ArgumentError(explain("IdLookup.reverse_lookup", problem, indices=indices, fix="Check the indices"))
        return self.vocabulary.reverse_lookup(np.maximum(rows.astype(np.int64) - self.num_oov_indices, -1))

    def with_dropout(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns rows of which the share `id_dropout` is replaced by OOV rows, as in training.

        Args:
            rows: int64 of any shape, as the layer gives them.
        """
        if not self.id_dropout:
            return rows
        shape = tf.shape(rows)
        dropped = keras.random.uniform(shape, seed=self._seed_generator) < self.id_dropout
        if self.num_oov_indices == 1:
            return tf.where(dropped, tf.zeros((), dtype=tf.int64), rows)
        drawn = keras.random.randint(shape, 0, self.num_oov_indices, dtype="int64", seed=self._seed_generator)
        return tf.where(dropped, drawn, rows)

    def to_ids(self, inputs: Any) -> Any:
        """Converts ids to a tensor of the vocabulary's type; symbolic, ragged and backend tensors are unchanged.

        Raises:
            IdError: Ids are missing, floats, or of another type than the vocabulary's.
        """
        if isinstance(inputs, (tf.Tensor, tf.RaggedTensor, keras.KerasTensor, tf.Variable, keras.Variable)):
            self._check_dtype(inputs)
            return inputs
        if isinstance(inputs, (list, tuple, dict, tf.SparseTensor)):
            fix = "Pass a tensor, NumPy array or pandas column; `lookup` also accepts a list"
            raise IdError(explain("IdLookup", "ids must be one tensor", ids=inputs, fix=fix))
        ids = to_id_array(inputs, "IdLookup")
        if ids.size:
            self.vocabulary.check_type(ids, "IdLookup")
        try:
            return tf.convert_to_tensor(ids, dtype=self._key_dtype())
        except ValueError as error:
            fix = "Remove lone surrogates from the ids"
            raise IdError(explain("IdLookup", "an id is not valid UTF-8", ids=ids, fix=fix)) from error

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("dtype")
        own = {name: getattr(self, name) for name in ("vocabulary", "num_oov_indices", "id_dropout", "seed")}
        return {**config, **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**deserialize_nested(config))

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> keras.KerasTensor:
        return keras.KerasTensor(inputs.shape, dtype="int64", ragged=getattr(inputs, "ragged", False))

    def save_assets(self, directory: str) -> None:
        self.vocabulary.save(directory)

    def load_assets(self, directory: str | None) -> None:
        self.vocabulary.load(directory)

    def save_own_variables(self, store: Any) -> None:
        """Saves the vocabulary's fingerprint with the weights, so that another vocabulary refuses to load them."""
        store["fingerprint"] = np.frombuffer(bytes.fromhex(self.vocabulary.fingerprint), dtype=np.uint8)
        if self._seed_generator is not None:
            # Keras does not save it, and a resumed run would drop other ids than an uninterrupted one.
            store["seed_state"] = self._seed_generator.state.numpy()

    def load_own_variables(self, store: Any) -> None:
        if "fingerprint" not in store.keys():  # noqa: SIM118 - Keras's entry is not a mapping
            # Keras tries a layer that failed again under another, empty path: the first error counts.
            raise self._mismatch or _mismatch("the file has no fingerprint of a vocabulary for this layer")
        stored = np.asarray(store["fingerprint"], dtype=np.uint8).tobytes().hex()
        self._mismatch = None
        if stored != self.vocabulary.fingerprint:
            problem = "these weights belong to another vocabulary than this layer's"
            self._mismatch = _mismatch(problem, weights=stored, layer=self.vocabulary.fingerprint)
            raise self._mismatch
        if self._seed_generator is not None and "seed_state" in store.keys():  # noqa: SIM118
            self._seed_generator.state.assign(store["seed_state"])

    def _key_dtype(self) -> tf.DType:
        return tf.as_dtype(self.vocabulary.dtype)

    def _check_dtype(self, ids: Any) -> None:
        dtype = tf.as_dtype(keras.backend.standardize_dtype(ids.dtype))
        # The upper half of uint64 would wrap around to existing ids.
        fits = dtype.is_integer and dtype != tf.uint64
        if dtype == tf.string if self.vocabulary.dtype == "string" else fits:
            return
        wanted = self.vocabulary.dtype
        problem = f"ids must be {wanted}, as the vocabulary's are"
        fix = f'Cast them before, or declare keras.Input(..., dtype="{wanted}")'
        raise IdError(explain("IdLookup", problem, dtype=dtype.name, fix=fix))

    def _hash_table(self) -> tf.lookup.StaticHashTable:
        if self._table is None:
            ids = self.vocabulary.ids
            with tf.init_scope():
                rows = tf.range(self.num_oov_indices, self.num_rows, dtype=tf.int64)
                # With one OOV row, 0 is the table's default; else -1 marks an unknown id.
                default = 0 if self.num_oov_indices == 1 else -1
                self._table = static_hash_table(tf.constant(ids, self._key_dtype()), rows, default)
        return self._table

    def _indices(self, ids: tf.Tensor) -> tf.Tensor:
        ids = tf.cast(ids, self._hash_table().key_dtype)
        rows = self._hash_table().lookup(ids)
        if self.num_oov_indices == 0:
            with tf.control_dependencies([self._all_known(ids, rows)]):
                return tf.identity(rows)
        if self.num_oov_indices == 1:
            return rows
        return tf.where(rows < 0, hash_buckets(ids, self.num_oov_indices), rows)

    def _all_known(self, ids: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        def text() -> tf.Tensor:
            unknown = tf.boolean_mask(ids, rows < 0)
            counts = [tf.as_string(tf.size(unknown)), " of ", tf.as_string(tf.size(ids))]
            problem = " ids are not in the vocabulary and num_oov_indices=0: "
            fix = ". Add them, or set num_oov_indices=1."
            return tf.strings.join(["IdLookup: ", *counts, problem, shown_ids(unknown), fix])

        return check(tf.reduce_all(rows >= 0), UnknownIdError, text)


def _mismatch(problem: str, **received: Any) -> VocabularyMismatchError:
    fix = "Load the whole model with keras.models.load_model, or build this one with the vocabulary of the weights"
    return VocabularyMismatchError(explain("IdLookup", f"vocabulary mismatch: {problem}", fix=fix, **received))
