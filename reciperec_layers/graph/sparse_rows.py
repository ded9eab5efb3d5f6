"""Row-sparse gradients of embedding tables, as EmbeddingTable produces and the optimizers consume them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.graph.known_tensors import known_values, origin_of


class DistinctRows(tf.IndexedSlices):
    """Rows of a gradient with distinct indices, as returned by `sum_repeated_rows`.

    Keras and TensorFlow treat it as `tf.IndexedSlices`; the type says that no rows are left to sum.

    Example:
        >>> rows = DistinctRows(tf.constant([[4.0], [6.0]]), tf.constant([7, 3]))
        >>> rows.with_values(-rows.values).values.numpy().tolist()
        [[-4.0], [-6.0]]
    """

    def __truediv__(self, divisor: Any) -> DistinctRows:
        # Keras divides gradients by `loss_scale_factor` with `/`, which IndexedSlices lacks.
        return self.with_values(self.values / divisor)

    def with_values(self, values: tf.Tensor) -> DistinctRows:
        """Returns the same rows with other values, of the same shape."""
        return DistinctRows(values, self.indices, self.dense_shape)

    def read(self, variable: tf.Variable) -> tf.Tensor:
        """Returns these rows of a variable."""
        return tf.gather(variable, self.indices)

    def write(self, variable: tf.Variable, values: tf.Tensor) -> None:
        """Replaces these rows of a variable; values are cast to its dtype."""
        # `scatter_sub` takes twice as long as gather and this together.
        variable.scatter_update(tf.IndexedSlices(tf.cast(values, variable.dtype), self.indices))


@dataclass(frozen=True)
class AllRows:
    """A dense gradient, in the form of `DistinctRows`.

    Args:
        values: The gradient.

    Example:
        >>> table = tf.Variable([7.0, 3.0])
        >>> AllRows(tf.constant([1.0, 2.0])).write(table, tf.constant([4.0, 6.0]))
        >>> table.numpy().tolist()
        [4.0, 6.0]
    """

    values: tf.Tensor

    def with_values(self, values: tf.Tensor) -> AllRows:
        """Returns the same with other values, of the same shape."""
        return AllRows(values)

    def read(self, variable: tf.Variable) -> tf.Tensor:
        """Returns the whole variable."""
        return tf.convert_to_tensor(variable)

    def write(self, variable: tf.Variable, values: tf.Tensor) -> None:
        """Replaces the whole variable; values are cast to its dtype."""
        variable.assign(tf.cast(values, variable.dtype))


def wide(dtype: Any) -> Any:
    """Returns the dtype in which variables of a dtype are computed: float32 for half precision.

    Example:
        >>> wide(tf.bfloat16).name, wide("float64").name
        ('float32', 'float64')
    """
    dtype = tf.as_dtype(dtype)
    return tf.float32 if dtype in (tf.bfloat16, tf.float16) else dtype


def sum_repeated_rows(slices: tf.IndexedSlices) -> DistinctRows:
    """Sums the slices of each row of a gradient.

    Args:
        slices: Values of shape `(n, ...)` for the rows `indices` of shape `(n,)`, which may repeat in any order.

    Returns:
        At most `n` rows with distinct indices, in order of first occurrence.

    Example:
        >>> rows = sum_repeated_rows(tf.IndexedSlices(tf.constant([[1.0], [2.0], [4.0]]), tf.constant([7, 3, 7])))
        >>> rows.indices.numpy().tolist(), rows.values.numpy().tolist()
        ([7, 3], [[5.0], [2.0]])
    """
    if isinstance(slices, DistinctRows):
        return slices
    if are_distinct(slices.indices):
        return DistinctRows(slices.values, slices.indices, slices.dense_shape)
    indices, positions = tf.unique(slices.indices)
    values = tf.math.unsorted_segment_sum(slices.values, positions, tf.size(indices))
    return DistinctRows(values, indices, slices.dense_shape)


def are_distinct(indices: tf.Tensor) -> bool:
    """Returns whether the indices are known to be distinct while a graph is traced.

    So are those that `tf.unique` gives, and those that were made outside of the graph, of which each occurs once.

    Args:
        indices: Integers of shape `(n,)`.

    Example:
        >>> rows, found = tf.range(1000), []
        >>> tf.function(lambda: found.append((are_distinct(rows), are_distinct(rows // 2))))()
        >>> found
        [(True, False)]
    """
    if tf.executing_eagerly():
        return False  # to look at them would take as long as `tf.unique`
    origin = origin_of(indices)
    if tf.is_symbolic_tensor(origin) and origin.op.type == "Unique":
        return origin.value_index == 0
    values = known_values(origin)
    return values is not None and len(np.unique(values)) == values.size
