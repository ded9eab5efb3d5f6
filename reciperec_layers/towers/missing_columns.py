"""Columns that are not given, as ones in which every value is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


def completed_columns(columns: Mapping[str, Any], absent: Mapping[str, tuple[tf.TensorSpec, Any]]) -> dict[str, Any]:
    """Returns columns and, behind them, those that are absent. Part of a graph.

    Args:
        columns: Tensors by column name; at least one.
        absent: Dtype and shape of each absent column, and what stands for a missing value, as `Encoder.form` and
            `Encoder.missing`.

    Example:
        >>> completed_columns({"age": tf.ones(3)}, {"city": (tf.TensorSpec((None,), tf.string), "")})["city"].numpy()
        array([b'', b'', b''], dtype=object)
    """
    rows = rows_of_columns(columns)
    values = {name: (form.shape[1:], tf.constant(missing, form.dtype)) for name, (form, missing) in absent.items()}
    return {**columns, **{name: tf.fill([rows, *shape], value) for name, (shape, value) in values.items()}}


def rows_of_columns(columns: Mapping[str, Any]) -> Any:
    """Returns the number of rows of columns, a scalar tensor.

    Args:
        columns: Tensors by column name, dense or ragged; at least one.

    Example:
        >>> int(rows_of_columns({"minutes": tf.ones(3)}))
        3
    """
    first = next(iter(columns.values()))
    return first.nrows() if isinstance(first, tf.RaggedTensor) else tf.shape(first)[0]
