"""RowGroups: the rows of each id of a column."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.errors import ArgumentTypeError, explain


class RowGroups:
    """Finds the rows of ids. Ids are numbered as they first occur, their rows are in the order of the data.

    Args:
        ids: Integers or text of shape `(num_rows,)`.
        owner: Name of the caller, for messages.
        name: Name of the column.

    Raises:
        ArgumentTypeError: The column has no ids.

    Example:
        >>> groups = RowGroups(tf.constant([7, 9, 7]))
        >>> len(groups), groups.rows(tf.constant([1, 0], tf.int64)).numpy()
        (2, array([1, 0, 2]))
    """

    def __init__(self, ids: Any, owner: str = "batches", name: str = "ids") -> None:
        if (
            not isinstance(ids, tf.Tensor)
            or ids.shape.rank != 1
            or not (ids.dtype.is_integer or ids.dtype == tf.string)
        ):
            fix = "Name a column of integers or text, with one id a row"
            raise ArgumentTypeError(explain(owner, f"column {name!r} has no ids to put rows together by", fix=fix))
        _, numbers = tf.unique(ids, tf.int64)
        numbers = numbers.numpy()
        ends = np.cumsum(np.bincount(numbers))
        self._rows = tf.RaggedTensor.from_row_splits(np.argsort(numbers, kind="stable"), np.concatenate([[0], ends]))

    def __len__(self) -> int:
        return int(self._rows.nrows())

    def rows(self, chosen: tf.Tensor) -> tf.Tensor:
        """Returns the rows of some ids, int64 of shape `(n,)`, id after id. Part of a graph.

        Args:
            chosen: Numbers of ids, integers of shape `(m,)`.
        """
        return tf.gather(self._rows, chosen).flat_values
