"""EmbeddingTable: rows of a trainable matrix, read and updated by row."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain
from reciperec_layers.graph.known_tensors import computed_once
from reciperec_layers.graph.repeated_rows import repeat_rows
from reciperec_layers.graph.sparse_rows import are_distinct
from reciperec_layers.layers.pooling import COMBINERS, aligned, pool_bags
from reciperec_layers.saving.keras_names import serializable


@serializable
class EmbeddingTable(keras.layers.Layer):
    """A trainable matrix of which a batch reads only the rows that it needs, optionally pooled by bag.

    The forward and backward passes cost as much as the batch, whatever the size of the table. The gradient is a
    `tf.IndexedSlices` in which every row occurs once, repeats summed, so that optimizers that square it (Adagrad,
    Adam, RMSprop) are correct when an index occurs several times in a batch; `keras.layers.Embedding` leaves repeats
    unsummed. If a table is called twice in a step, TensorFlow concatenates the two gradients and repeats come back:
    the optimizers of this package sum them.

    With a `combiner`, the last axis of the indices is a bag; its rows `e`, with weights `w` (1 by default), become

        sum:    sum(w * e)
        mean:   sum(w * e) / sum(w)
        sqrtn:  sum(w * e) / sqrt(sum(w ** 2))

    A bag that is empty, or whose divisor is 0, gives zeros and no gradient. Bags and gradients are summed in float32
    (float64 for a float64 table) whatever the compute dtype; the result is cast at the end.

    Args:
        num_rows: Rows of the table, >= 1.
        embedding_dim: Columns of the table, >= 1.
        initializer: Keras initializer of the table.
        regularizer: Keras regularizer, or `None`. It is applied to the distinct rows that a batch reads, so that the
            cost of a step does not depend on the size of the table.
        combiner: `"mean"`, `"sum"` or `"sqrtn"`, or `None` for one row per index.
        name: Name of the layer.
        **kwargs: `dtype` (a dtype or policy; under a mixed policy the table stays in the variable dtype and the rows
            are cast) and `trainable`, as for every Keras layer.

    Call arguments:
        inputs: Row indices, integers in `0 .. num_rows - 1`. Without a combiner: any shape, dense or ragged. With one:
            dense `(..., n)` of rank 2 or more, ragged, or sparse `(batch, n)`, where every stored entry is an index,
            even 0.
        weights: Numbers of the shape of `inputs`, ragged with equal row splits, or sparse with equal indices. Only
            with a combiner. Gradients flow to them.

    Returns:
        Without a combiner, tensor of shape `(*inputs.shape, embedding_dim)` in the compute dtype, ragged for ragged
        indices. With one, `(*inputs.shape[:-1], embedding_dim)`: ragged for ragged indices of rank 3 or more, where
        the innermost axis is pooled, else dense.

    Raises:
        ArgumentError: A size is not a positive integer, or the combiner is unknown. Sparse indices or weights are
            given without a combiner, or indices without a batch axis or sparse of another rank than 2 with one.
            Weights differ in structure from the indices.
        ArgumentTypeError: Indices are not integers, or weights are not numbers.

    Example:
        >>> table = EmbeddingTable(3, 2, initializer="ones")
        >>> table(keras.ops.array([[0, 2]])).shape.as_list()
        [1, 2, 2]
        >>> bags = EmbeddingTable(3, 2, initializer="ones", combiner="sum")
        >>> bags(tf.ragged.constant([[0, 2], []]), weights=tf.ragged.constant([[1.0, 0.5], []])).numpy()
        array([[1.5, 1.5],
               [0. , 0. ]], dtype=float32)

    Source:
        `tf.nn.embedding_lookup_sparse`, with equal values for bags that are not empty; it drops empty bags at the end
        of a batch, does not accept dense indices, and leaves repeats in the gradient unsummed.
    """

    def __init__(
        self,
        num_rows: int,
        embedding_dim: int,
        initializer: Any = "uniform",
        regularizer: Any = None,
        combiner: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        num_rows = check_integer("EmbeddingTable", "num_rows", num_rows, example=1000)
        embedding_dim = check_integer("EmbeddingTable", "embedding_dim", embedding_dim, example=32)
        if combiner is not None and combiner not in COMBINERS:
            problem = f"`combiner` must be one of {', '.join(map(repr, COMBINERS))}, or None"
            fix = 'Use for example combiner="mean"'
            raise ArgumentError(explain("EmbeddingTable", problem, combiner=combiner, fix=fix))
        # The pooling casts the weights of a bag; Keras would round them to the compute dtype first.
        super().__init__(name=name, **{**kwargs, "autocast": False})
        self.supports_jit = False  # under XLA `tf.unique` returns repeated rows
        self.num_rows = num_rows
        self.embedding_dim = embedding_dim
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.combiner = combiner
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.num_rows, self.embedding_dim),
            initializer=self.initializer,
            autocast=False,  # Keras would cast the whole table, not only the rows read
        )
        self.built = True

    def call(self, inputs: Any, weights: Any = None) -> Any:
        self._check_call(inputs, isinstance(inputs, tf.SparseTensor), weights)
        if not inputs.dtype.is_integer:
            fix = "Pass the indices from IdLookup, or cast them to int64"
            raise ArgumentTypeError(explain("EmbeddingTable", "indices must be integers", indices=inputs, fix=fix))
        if self.combiner is not None:
            weights = None if weights is None else aligned("EmbeddingTable", inputs, weights)
            pooled = pool_bags(self._rows, inputs, weights, self.combiner)
        elif isinstance(inputs, tf.RaggedTensor):
            pooled = inputs.with_flat_values(self._rows(inputs.flat_values))
        else:
            pooled = self._rows(inputs)
        return tf.cast(pooled, self.compute_dtype)

    def assign_rows(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Sets some rows of the table.

        Args:
            rows: Row numbers, integers of shape `(n,)`, each once.
            values: Floats of shape `(n, embedding_dim)`.
        """
        variable = self.embeddings.value
        if isinstance(variable, tf.distribute.DistributedValues):
            table = self.embeddings.numpy().copy()
            table[rows] = values
            self.embeddings.assign(table)
        else:
            variable.scatter_update(tf.IndexedSlices(tf.cast(values, variable.dtype), tf.cast(rows, tf.int64)))

    def compute_output_spec(self, inputs: Any, weights: Any = None) -> keras.KerasTensor:
        self._check_call(inputs, getattr(inputs, "sparse", False), weights)
        axes = inputs.shape if self.combiner is None else inputs.shape[:-1]
        ragged = getattr(inputs, "ragged", False) and len(axes) > 1
        return keras.KerasTensor((*axes, self.embedding_dim), dtype=self.compute_dtype, ragged=ragged)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_rows": self.num_rows,
            "embedding_dim": self.embedding_dim,
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "combiner": self.combiner,
        }

    def _check_call(self, inputs: Any, sparse: bool, weights: Any) -> None:
        rank, problem = len(inputs.shape), None
        if self.combiner is None:
            fix = 'Set for example combiner="mean"'
            if sparse or weights is not None:
                problem = f"{'sparse indices' if sparse else '`weights`'} need a combiner"
        elif sparse and rank != 2:
            problem, fix = "sparse indices must have rank 2", "Reshape them to (batch, n), or pass them dense or ragged"
        elif rank < 2:
            problem = "a combiner pools the last axis of indices, which need a batch axis before it"
            fix = "Reshape them to (batch, n), or leave the combiner out"
        if problem is not None:
            raise ArgumentError(explain("EmbeddingTable", problem, indices=inputs, fix=fix))

    def _rows(self, indices: tf.Tensor) -> tf.Tensor:
        """Returns the rows of dense indices, of shape `(*indices.shape, embedding_dim)`, before pooling and casting."""
        if indices.shape.rank == 1 and are_distinct(indices):
            return self._distinct_rows(indices)
        unique, positions = computed_once(_unique, indices)
        rows = repeat_rows(self._distinct_rows(unique), positions)
        if indices.shape.rank == 1:
            return rows
        shape = tf.concat([tf.shape(indices), [self.embedding_dim]], axis=0)
        return tf.ensure_shape(tf.reshape(rows, shape), [*indices.shape, self.embedding_dim])

    def _distinct_rows(self, indices: tf.Tensor) -> tf.Tensor:
        rows = tf.gather(_on_this_replica(self.embeddings.value), indices)
        if self.regularizer is not None:
            self.add_loss(self.regularizer(rows))
        # Half precision would lose what the most frequent rows add up to: bfloat16 counts no further than 256.
        return rows if rows.dtype == tf.float64 else tf.cast(rows, tf.float32)


def _unique(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    flat = indices if indices.shape.rank == 1 else tf.reshape(indices, [-1])
    return tuple(tf.unique(tf.cast(flat, tf.int64)))


def _on_this_replica(variable: Any) -> Any:
    """Returns the local component of a mirrored variable: gathering from the variable itself would read all of it."""
    components = tf.distribute.get_strategy().experimental_local_results(variable)
    if len(components) == 1 or tf.distribute.in_cross_replica_context():
        return components[0]
    return next((component for component in components if component.handle is variable.handle), variable)
