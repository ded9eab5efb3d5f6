"""GrowingRows: rows collected in a graph, in memory that grows with them."""

from __future__ import annotations

import tensorflow as tf


class GrowingRows(tf.Module):
    """Columns of equal length to which graphs append rows. Their memory doubles when full, and is kept afterwards.

    The variables have an unknown length, so a graph that was traced once appends any number of rows.

    Args:
        first_capacity: Number of rows to allocate memory for at the first append, >= 0.
        **columns: Shape of a row and dtype of each column, by name.

    Example:
        >>> rows = GrowingRows(ids=((), tf.int64), scores=((2,), tf.float32))
        >>> rows.append(ids=tf.constant([7, 9], tf.int64), scores=tf.ones((2, 2)))
        >>> rows.append(ids=tf.constant([8], tf.int64), scores=tf.zeros((1, 2)))
        >>> rows.column("ids").numpy().tolist()
        [7, 9, 8]
    """

    def __init__(self, first_capacity: int = 0, **columns: tuple[tuple[int, ...], tf.DType]) -> None:
        super().__init__()
        self._first_capacity = first_capacity
        with tf.init_scope():
            self.size = tf.Variable(0, dtype=tf.int64, trainable=False)
            self.columns = {
                name: tf.Variable(tf.zeros((0, *row_shape), dtype), shape=(None, *row_shape), trainable=False)
                for name, (row_shape, dtype) in columns.items()
            }

    def append(self, **rows: tf.Tensor) -> None:
        """Adds rows to every column.

        Args:
            **rows: Tensors of shape `(n, *row_shape)`, by column.
        """
        start = self.size.read_value()
        stop = start + tf.shape(next(iter(rows.values())), tf.int64)[0]
        with tf.control_dependencies([self.reserve(stop)]):
            places = tf.range(start, stop)
            for name, values in rows.items():
                self.columns[name].scatter_update(tf.IndexedSlices(values, places))
            self.size.assign(stop)

    def reserve(self, size: tf.Tensor) -> tf.Tensor:
        """Makes room for `size` rows, without changing their number, and returns the capacity.

        Args:
            size: int64 scalar.
        """
        capacity = tf.shape(next(iter(self.columns.values())).value(), tf.int64)[0]

        def grow() -> tf.Tensor:
            larger = tf.maximum(tf.maximum(2 * capacity, size), self._first_capacity)
            kept = tf.maximum(self.size.read_value(), 0)
            for variable in self.columns.values():
                room = tf.concat([[larger - kept], tf.constant(variable.shape[1:].as_list(), tf.int64)], axis=0)
                variable.assign(tf.concat([variable.value()[:kept], tf.zeros(room, variable.dtype)], axis=0))
            return larger

        return tf.cond(size > capacity, grow, lambda: capacity)

    def column(self, name: str) -> tf.Tensor:
        """Returns the rows of a column, of shape `(size, *row_shape)`."""
        return self.columns[name].value()[: self.size.read_value()]

    def clear(self) -> None:
        """Removes all rows and keeps the memory."""
        self.size.assign(0)
