"""EmbeddingTable: rows of a trainable matrix, read and updated by row."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_positive
from reciperec_layers.errors import ArgumentTypeError, explain
from reciperec_layers.serialization import serializable


@serializable
class EmbeddingTable(keras.layers.Layer):
    """A trainable matrix of which a batch reads its rows and no others.

    Forward and backward cost what the batch costs, whatever the table's size. The gradient comes as
    `tf.IndexedSlices` with every row once and repeats summed, so that optimizers which square it (Adagrad, Adam,
    RMSprop) are right when an index occurs several times in a batch; `keras.layers.Embedding` leaves repeats
    unsummed. When one table is called twice in a step, TensorFlow joins the two gradients and repeats come back: the
    optimizers of this package sum them.

    Args:
        num_rows: Rows of the table, >= 1.
        embedding_dim: Columns of the table, >= 1.
        initializer: Keras initializer of the table.
        regularizer: Keras regularizer, or `None`. It is applied to the distinct rows that a batch reads: the whole
            table would make a step as slow as the table is large.
        name: Name of the layer.
        **kwargs: `dtype` (a dtype or policy; under a mixed policy the table stays in the variable dtype and the rows
            are cast) and `trainable`, as for every Keras layer.

    Call arguments:
        inputs: Row indices of any shape, integers in `0 .. num_rows - 1`; ragged is fine.

    Returns:
        Tensor of shape `(*inputs.shape, embedding_dim)` in the compute dtype, ragged for ragged indices.

    Raises:
        ArgumentError: A size is not a positive integer.
        ArgumentTypeError: Indices are no integers.

    Example:
        >>> table = EmbeddingTable(3, 2, initializer="ones")
        >>> table(keras.ops.array([[0, 2]])).shape.as_list()
        [1, 2, 2]
    """

    def __init__(
        self,
        num_rows: int,
        embedding_dim: int,
        initializer: Any = "uniform",
        regularizer: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        for argument, value in (("num_rows", num_rows), ("embedding_dim", embedding_dim)):
            check_positive("EmbeddingTable", argument, value)
        super().__init__(name=name, **kwargs)
        self.supports_jit = False  # under XLA the rows of `tf.unique` come back repeated
        self.num_rows = int(num_rows)
        self.embedding_dim = int(embedding_dim)
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.num_rows, self.embedding_dim),
            initializer=self.initializer,
            autocast=False,  # Keras would cast the whole table, not its rows
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        if isinstance(inputs, tf.RaggedTensor):
            return inputs.with_flat_values(self.call(inputs.flat_values))
        if not inputs.dtype.is_integer:
            fix = "Pass the indices of IdLookup, or cast them to int64"
            raise ArgumentTypeError(explain("EmbeddingTable", "indices must be integers", indices=inputs, fix=fix))
        unique, positions = tf.unique(tf.cast(tf.reshape(inputs, [-1]), tf.int64))
        rows = tf.gather(self.embeddings.value, unique)
        if self.regularizer is not None:
            self.add_loss(self.regularizer(rows))
        rows = _repeat_rows(tf.cast(rows, self.compute_dtype), positions)
        shape = tf.concat([tf.shape(inputs), [self.embedding_dim]], axis=0)
        return tf.ensure_shape(tf.reshape(rows, shape), [*inputs.shape, self.embedding_dim])

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        shape = (*inputs.shape, self.embedding_dim)
        return keras.KerasTensor(shape, dtype=self.compute_dtype, ragged=getattr(inputs, "ragged", False))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_rows": self.num_rows,
            "embedding_dim": self.embedding_dim,
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }


@tf.custom_gradient
def _repeat_rows(rows: tf.Tensor, positions: tf.Tensor) -> Any:
    """Gathers rows; the gradient is their sum, dense, where TensorFlow's own would be unsummed slices."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return tf.math.unsorted_segment_sum(upstream, positions, tf.shape(rows)[0]), None

    return tf.gather(rows, positions), gradient
