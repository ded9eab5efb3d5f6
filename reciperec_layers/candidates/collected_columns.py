"""Columns of all rows, whatever holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import Read, to_tensor
from reciperec_layers.errors import ArgumentError, explain


def collected_columns(data: Any, names: Sequence[str], read: Read = to_tensor, owner: str = "fit") -> dict[str, Any]:
    """Returns columns as NumPy arrays, text as objects that are `str`.

    Args:
        data: Data frame, dict of columns, or dataset of batches, which is read once from its beginning to its end.
        names: The columns.
        read: Converts a column of a frame or dict, as for `to_tensors`.
        owner: Name of the caller, for messages.

    Raises:
        ColumnError: A column is missing.
        ArgumentError: A dataset never ends, or can be read only once.

    Example:
        >>> dataset = tf.data.Dataset.from_tensors({"recipe_id": ["pie"]}).repeat(2)
        >>> collected_columns(dataset, ["recipe_id"])
        {'recipe_id': array(['pie', 'pie'], dtype=object)}
    """
    data = from_arrow(data, owner)
    if has_named_columns(data):
        there = list(data.keys())
        return {name: _array(read(data[require_column(there, name, owner)], owner, name)) for name in names}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for batch in _batches(data, owner):
        features = keras.utils.unpack_x_y_sample_weight(batch)[0]
        for name in names:
            parts[name].append(_array(features[require_column(features.keys(), name, owner)]))
    return {name: np.concatenate(columns) for name, columns in parts.items()}


def _batches(data: Any, owner: str) -> Iterable[Any]:
    if isinstance(data, keras.utils.PyDataset) and data.num_batches is not None:
        return (data[number] for number in range(data.num_batches))
    never_ends = isinstance(data, tf.data.Dataset) and data.cardinality() == tf.data.INFINITE_CARDINALITY
    if never_ends or isinstance(data, (Iterator, keras.utils.PyDataset)):
        problem = "candidates are counted before the first step, and these data never end or can be read only once"
        fix = "Count them by model.prior.count(candidate_ids) first, or pass a dataset that ends"
        raise ArgumentError(explain(owner, problem, data=type(data), fix=fix))
    return data


def _array(column: Any) -> np.ndarray:
    values = np.asarray(column)
    if values.dtype != object:
        return values
    decoded = np.empty(len(values), dtype=object)
    decoded[:] = [value.decode("utf-8") if isinstance(value, bytes) else value for value in values.tolist()]
    return decoded
