"""Columns of data frames, dicts, lists and arrays as tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.columns.missing_values import is_missing, refuse_missing, without_mask
from reciperec_layers.columns.named_columns import has_named_columns, way_to_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, IdError, describe_ids, explain

# From a column, the owner that errors name, and the column's name, to a tensor.
Read = Callable[[Any, str, str], Any]

_TENSORS = (tf.Tensor, tf.Variable, tf.RaggedTensor, tf.SparseTensor)
_OF_TENSORS = (str, bytes, int, float, np.number, np.bool_, type(None))
_FIX = (
    "Convert it to numbers or text, or leave it out: `batches` takes columns=, a model's `batches` takes what it reads"
)


def to_tensor(column: Any, owner: str, name: str) -> Any:
    """Converts a column to a tensor with one entry per row.

    Args:
        column: List, NumPy array or pandas column of any rank above 0, or column that speaks Arrow; or a tensor, which
            is returned as it is.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.

    Returns:
        Tensor of the same shape. Integers become int64, floats float32 (NaN and NA are allowed), text tf.string;
        booleans stay. Whole numbers above 2^24, such as times in seconds, are exact only as integers.

    Raises:
        IdError: Text, an integer or a boolean is missing or masked, or an integer does not fit into int64.
        ArgumentTypeError: The column holds anything else, or is a single value.

    Example:
        >>> to_tensor(["soup", "pie"], "batches", "recipe_name").numpy().tolist()
        [b'soup', b'pie']
        >>> to_tensor(np.array([1.5, np.nan]), "batches", "rating").dtype
        tf.float32
    """
    if isinstance(column, _TENSORS):
        return column
    column = from_arrow(column, owner, name)
    where = f"{owner}: column {name!r}"
    _refuse_single_value(column, where)
    if not _is_pandas(column):
        return _from_array(_to_array(column, where), where)
    if column.dtype.name == "category":
        codes, categories = _categories(column, where)
        return tf.gather(to_tensor(categories, owner, name), codes)
    return _from_array(_pandas_to_array(column, where), where)


def to_id_tensor(column: Any, dtype: str, owner: str, name: str) -> Any:
    """Converts a column of ids to a tensor of the dtype that they had in training.

    Args:
        column: As for `to_tensor`.
        dtype: `"int64"` or `"string"`.
        owner: Name of the caller, for messages.
        name: Name of the column, for messages.

    Raises:
        IdError: An id is missing, or of another type.

    Example:
        >>> to_id_tensor([7, 9], "int64", "recommend", "user_id").numpy()
        array([7, 9])
        >>> to_id_tensor(["7"], "int64", "recommend", "user_id")
        Traceback (most recent call last):
        reciperec_layers.errors.IdError: recommend: column 'user_id': ids must be integers, as in training, not ...
    """
    if isinstance(column, _TENSORS):
        return column
    column = from_arrow(column, owner, name)
    where = f"{owner}: column {name!r}"
    _refuse_single_value(column, where)
    if _is_pandas(column) and column.dtype.name == "category":
        codes, categories = _categories(column, where, "ids")
        return tf.gather(to_id_tensor(categories, dtype, owner, name), codes)
    ids = to_id_array(column, where, dtype=dtype)
    return _from_ids(ids, where) if ids.size else tf.zeros(ids.shape, dtype)


def to_tensors(features: Any, owner: str, read: Read = to_tensor) -> dict[str, Any]:
    """Converts columns to tensors of equal length, by name.

    Args:
        features: Data frame, or a mapping from names to columns as accepted by `to_tensor`.
        owner: Name of the caller, for messages.
        read: Converts a column, given the owner and the name of the column.

    Raises:
        ArgumentTypeError: `features` is neither a frame nor a mapping, a name is not text, or a column cannot be
            converted.
        ArgumentError: Columns differ in length.
        ColumnError: Two columns share a name.
        IdError: Text or an integer is missing.

    Example:
        >>> to_tensors({"user_id": [7, 9]}, "recommend")["user_id"].numpy()
        array([7, 9])
    """
    features = from_arrow(features, owner)
    if not has_named_columns(features):
        problem = "features by column name are needed"
        raise ArgumentTypeError(explain(owner, problem, features=features, fix=way_to_columns(features)))
    names = list(features.keys())
    unnamed = [name for name in names if not isinstance(name, str)]
    if unnamed:
        problem = f"column names must be text, and these are not: {describe_ids(unnamed)}"
        raise ArgumentTypeError(explain(owner, problem, fix="Rename them"))
    columns = {name: features[require_column(names, name, owner)] for name in names}
    for name, column in columns.items():
        _refuse_single_value(column, f"{owner}: column {name!r}")
    tensors = {name: read(column, owner, name) for name, column in columns.items()}
    lengths = {name: num_rows(tensor) for name, tensor in tensors.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r}: {length}" for name, length in lengths.items())
        fix = "Pass one entry per row in each column"
        raise ArgumentError(explain(owner, f"columns must have one length, not {listed}", fix=fix))
    return tensors


def num_rows(tensor: Any) -> int:
    """Returns the length of the first axis of an eager tensor, which may be ragged or sparse.

    Example:
        >>> num_rows(tf.ragged.constant([[1], [2, 3]]))
        2
    """
    if isinstance(tensor, tf.RaggedTensor):
        return int(tensor.nrows())
    if isinstance(tensor, tf.SparseTensor):
        return int(tensor.dense_shape[0])
    return int(tensor.shape[0])


def spec_of_rows(column: Any) -> tf.TypeSpec:
    """Returns what any number of a tensor's rows are.

    Example:
        >>> spec_of_rows(tf.zeros((2, 3)))
        TensorSpec(shape=(None, 3), dtype=tf.float32, name=None)
    """
    shape = [None, *column.shape[1:]]
    if isinstance(column, tf.RaggedTensor):
        values = tf.TensorSpec([None, *column.flat_values.shape[1:]], column.dtype)
        return tf.RaggedTensorSpec(
            shape, column.dtype, column.ragged_rank, column.row_splits.dtype, flat_values_spec=values
        )
    if isinstance(column, tf.SparseTensor):
        return tf.SparseTensorSpec([None] * column.shape.rank, column.dtype)
    return tf.TensorSpec(shape, column.dtype)


def require_single_ids(column: Any, name: str, owner: str) -> None:
    """Raises `ArgumentError` where a column of ids has several in a row, or lists of one.

    Args:
        column: Tensor, also of a graph; of unknown rank it passes.
        name: Name of the column.
        owner: Name of the caller, for messages.

    Example:
        >>> require_single_ids(tf.constant([[7], [9]]), "user_id", "recommend")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: recommend: column 'user_id' must have one id per row. Received: ...
    """
    rank = column.shape.rank if isinstance(column.shape, tf.TensorShape) else len(column.shape)
    if rank not in (None, 1):
        received = f"{type(column).__name__} of shape {tuple(column.shape)}"
        problem = f"column {name!r} must have one id per row. Received: {received}"
        fix = "Pass for example [7, 9], not [[7], [9]]; towers that pool the ids of a row read lists of them"
        raise ArgumentError(explain(owner, problem, fix=fix))


def _is_pandas(column: Any) -> bool:
    return hasattr(column, "isna") and hasattr(column, "dtype")


def _refuse_single_value(column: Any, where: str) -> None:
    shape = getattr(column, "shape", None)
    is_iterable = shape is not None or isinstance(column, Iterable)
    if isinstance(column, (str, bytes)) or not is_iterable or (shape is not None and len(shape) == 0):
        problem, fix = "one entry per row is needed, not a single value", "Put the value into a list"
        raise ArgumentTypeError(explain(where, problem, value=column, fix=fix))


def _from_array(values: np.ndarray, where: str) -> tf.Tensor:
    kind = values.dtype.kind
    if kind in "fb":
        return tf.convert_to_tensor(values.astype(np.float32) if kind == "f" else values)
    if kind in "OU" and not values.size:
        return tf.zeros(values.shape, tf.string)
    if kind not in "iuOUST":
        raise ArgumentTypeError(explain(where, f"{values.dtype} cannot become a tensor", fix=_FIX))
    if kind == "O":
        _refuse_other_objects(values, where)
        if _are_floats(values):
            return tf.convert_to_tensor(values.astype(np.float32))
    return _from_ids(to_id_array(values, where, noun="values"), where)


def _from_ids(values: np.ndarray, where: str) -> tf.Tensor:
    try:
        return tf.convert_to_tensor(values)
    except ValueError as error:
        fix = "Remove lone surrogates from it"
        raise IdError(explain(where, "text is not valid UTF-8", fix=fix)) from error


def _refuse_other_objects(values: np.ndarray, where: str) -> None:
    types = set(map(type, values.ravel().tolist()))
    other = sorted(each.__name__ for each in types if not issubclass(each, _OF_TENSORS) and each.__name__ != "NAType")
    if other:
        raise ArgumentTypeError(explain(where, f"values of type {', '.join(other)} cannot become a tensor", fix=_FIX))


def _are_floats(values: np.ndarray) -> bool:
    """Returns whether objects are numbers, some of them with a fraction, and none is missing."""
    flat = values.ravel().tolist()
    types = set(map(type, flat))
    are_real = all(issubclass(each, (int, float, np.integer, np.floating)) and each is not bool for each in types)
    has_fractions = any(issubclass(each, (float, np.floating)) for each in types)
    return are_real and has_fractions and not any(map(is_missing, flat))


def _to_array(column: Any, where: str) -> np.ndarray:
    if isinstance(column, np.ma.MaskedArray) and column.dtype.kind == "f":
        return column.filled(np.nan)
    column = without_mask(column, where, "values")
    if isinstance(column, np.ndarray):
        return column
    try:
        values = np.asarray(column)
    except ValueError:  # rows of different lengths
        return np.array(column, dtype=object)
    if not values.size:
        return values.astype(np.int64)
    # NumPy would silently turn [1, "a"] into text.
    return np.array(column, dtype=object) if values.dtype.kind in "US" else values


def _pandas_to_array(column: Any, where: str) -> np.ndarray:
    kind = column.dtype.kind
    if kind == "f":
        return column.to_numpy(dtype=np.float32, na_value=np.nan)
    if kind == "b" and not column.isna().any():
        return column.to_numpy(dtype=bool)
    if kind in "iu":
        return to_id_array(column, where, noun="values")
    return column.to_numpy(dtype=object)


def _categories(column: Any, where: str, noun: str = "values") -> tuple[np.ndarray, Any]:
    categorical = getattr(column, "cat", column)
    codes = np.asarray(categorical.codes, dtype=np.int64)
    refuse_missing(codes < 0, where, noun)
    return codes, categorical.categories
