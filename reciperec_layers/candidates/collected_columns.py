"""Columns of all rows, whatever holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import Read, to_tensor


def collected_columns(data: Any, names: Sequence[str], read: Read = to_tensor, owner: str = "fit") -> dict[str, Any]:
    """Returns columns as NumPy arrays, text as objects that are `str`.

    Args:
        data: Data frame, dict of columns, or dataset of batches.
        names: The columns.
        read: Converts a column of a frame or dict, as for `to_tensors`.
        owner: Name of the caller, for messages.

    Raises:
        ColumnError: A column is missing.

    Example:
        >>> import tensorflow as tf
        >>> dataset = tf.data.Dataset.from_tensors({"recipe_id": ["pie"]}).repeat(2)
        >>> collected_columns(dataset, ["recipe_id"])
        {'recipe_id': array(['pie', 'pie'], dtype=object)}
    """
    if has_named_columns(data):
        there = list(data.keys())
        return {name: _array(read(data[require_column(there, name, owner)], owner, name)) for name in names}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for batch in data:
        features = keras.utils.unpack_x_y_sample_weight(batch)[0]
        for name in names:
            parts[name].append(_array(features[require_column(features.keys(), name, owner)]))
    return {name: np.concatenate(columns) for name, columns in parts.items()}


def _array(column: Any) -> np.ndarray:
    values = np.asarray(column)
    if values.dtype != object:
        return values
    decoded = np.empty(len(values), dtype=object)
    decoded[:] = [value.decode("utf-8") if isinstance(value, bytes) else value for value in values.tolist()]
    return decoded
