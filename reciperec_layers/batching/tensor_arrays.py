"""Columns that were read, as Arrow arrays, and back as what a graph takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.errors import ArgumentTypeError, explain


def arrow_of_tensor(tensor: Any, owner: str, name: str) -> Any:
    """Returns a dense tensor as an Arrow array: vectors as lists of one length, text as `large_string`.

    Args:
        tensor: Eager tensor of shape `(n, ...)`; text of shape `(n,)`.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.

    Raises:
        ArgumentTypeError: The tensor is ragged or sparse, or text with several in a row.

    Example:
        >>> arrow_of_tensor(tf.constant([[1.0, 2.0]]), "batches", "image").type
        FixedSizeListType(fixed_size_list<item: float>[2])
    """
    import pyarrow  # comes with an extra, without which nothing is read

    is_text = tensor.dtype == tf.string
    if isinstance(tensor, (tf.RaggedTensor, tf.SparseTensor)) or (is_text and tensor.shape.rank != 1):
        problem = f"column {name!r} must be one value or vector a row to be read from a file"
        fix = "Read the file to memory, and pass the frame"
        raise ArgumentTypeError(explain(owner, problem, column=type(tensor), fix=fix))
    values = np.asarray(tensor)
    if is_text:
        return pyarrow.array(values.tolist(), pyarrow.large_binary()).cast(pyarrow.large_string())
    array = pyarrow.array(values.reshape(-1))
    for size in reversed(values.shape[1:]):
        array = pyarrow.FixedSizeListArray.from_arrays(array, size)
    return array


def shape_of_rows(kind: Any) -> tuple[list[int], Any]:
    """Returns the shape of a row of a column and its NumPy dtype, from the type that `arrow_of_tensor` gave it.

    Example:
        >>> shape_of_rows(arrow_of_tensor(tf.constant([[1.0, 2.0]]), "batches", "image").type)
        ([2], <class 'numpy.float32'>)
    """
    shape = []
    while hasattr(kind, "list_size"):
        shape.append(kind.list_size)
        kind = kind.value_type
    return shape, kind.to_pandas_dtype()


def rows_of_arrow(column: Any) -> np.ndarray:
    """Returns a column of numbers as an array of shape `(n, ...)`.

    Args:
        column: Chunked Arrow array of numbers, or of what `arrow_of_tensor` makes of vectors.

    Example:
        >>> import pyarrow
        >>> vectors = arrow_of_tensor(tf.constant([[1.0, 2.0], [3.0, 4.0]]), "batches", "image")
        >>> rows_of_arrow(pyarrow.chunked_array([vectors[1:]])).tolist()
        [[3.0, 4.0]]
    """
    shape, dtype = shape_of_rows(column.type)
    if not shape:
        return column.to_numpy()
    parts = [np.zeros([0, *shape], dtype)]
    for chunk in column.chunks:
        values = chunk
        for _ in shape:
            values = values.flatten()
        parts.append(values.to_numpy(zero_copy_only=False).reshape([len(chunk), *shape]))
    return np.concatenate(parts)
