"""The accumulated gradient of one variable between two updates."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.graph.growing_rows import GrowingRows
from reciperec_layers.graph.sparse_rows import DistinctRows, sum_repeated_rows, wide

_DENSE = -1  # in place of a number of rows


class PendingGradient(tf.Module):
    """The gradients of one variable since the last update: concatenated rows, or a dense sum.

    Its memory grows to at most twice the rows of the batches that it holds, and is reused after an update.

    Args:
        variable: The variable, of Keras or TensorFlow.

    Example:
        >>> pending = PendingGradient(tf.Variable(tf.zeros([9, 1])))
        >>> for row in (7, 3, 7):
        ...     pending.add(DistinctRows(tf.constant([[1.0]]), tf.constant([row])))
        >>> total = pending.total(sparse=True)
        >>> total.indices.numpy().tolist(), total.values.numpy().ravel().tolist()
        ([7, 3], [2.0, 1.0])
    """

    def __init__(self, variable: Any) -> None:
        super().__init__()
        self.shape, row_shape = tuple(variable.shape), tuple(variable.shape[1:])
        self._rows = GrowingRows(indices=((), tf.int64), values=(row_shape, wide(variable.dtype)))
        self.count = self._rows.size
        self.indices, self.values = self._rows.columns["indices"], self._rows.columns["values"]

    def add(self, gradient: tf.Tensor | DistinctRows) -> None:
        """Adds the gradient of one batch."""
        if isinstance(gradient, DistinctRows):
            self._add_rows(tf.cast(gradient.indices, tf.int64), tf.cast(gradient.values, self.values.dtype))
        else:
            self._add_dense(tf.cast(gradient, self.values.dtype))

    def total(self, sparse: bool) -> tf.Tensor | DistinctRows:
        """Returns the sum of the gradients added.

        Args:
            sparse: Whether they were row-sparse.
        """
        if not sparse:
            return tf.reshape(self.values.read_value(), self.shape)
        positions = tf.range(self.count)
        slices = tf.IndexedSlices(tf.gather(self.values, positions), tf.gather(self.indices, positions))
        return sum_repeated_rows(slices)

    def clear(self) -> None:
        """Discards the gradients added."""
        self.count.assign(0)

    def save(self, store: MutableMapping[str, Any], name: str) -> None:
        """Writes the pending gradient, if there is one, under names that begin with `name`."""
        count = int(self.count)
        if count != 0:
            end = None if count == _DENSE else count
            store[f"{name}_values"] = self.values.numpy()[:end]
            store[f"{name}_indices"] = self.indices.numpy()[: max(count, 0)]

    def load(self, store: MutableMapping[str, Any], name: str) -> None:
        """Reads what `save` wrote."""
        self.clear()
        if f"{name}_values" in store.keys():  # noqa: SIM118  (Keras's stores do not define `in`)
            indices = np.asarray(store[f"{name}_indices"])
            self.indices.assign(indices)
            self.values.assign(np.asarray(store[f"{name}_values"]))
            self.count.assign(len(indices) or _DENSE)

    def _add_rows(self, indices: tf.Tensor, values: tf.Tensor) -> None:
        count = self.count.read_value()
        problem = "Between two updates the gradient of one variable was dense in one step and row-sparse in another"
        with tf.control_dependencies([tf.debugging.assert_greater_equal(count, tf.zeros_like(count), problem)]):
            self._rows.append(indices=tf.identity(indices), values=values)

    def _add_dense(self, gradient: tf.Tensor) -> None:
        count = self.count.read_value()
        problem = "Between two updates the gradient of one variable was row-sparse in one step and dense in another"
        with tf.control_dependencies([tf.debugging.assert_less_equal(count, tf.zeros_like(count), problem)]):
            gradient = tf.reshape(gradient, [-1, *self.shape[1:]])
        earlier = tf.cond(tf.equal(count, 0), lambda: tf.zeros_like(gradient), self.values.read_value)
        self.values.assign(earlier + gradient)
        self.count.assign(_DENSE)
