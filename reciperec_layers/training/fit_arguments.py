"""Arguments of `fit`, `evaluate` and `predict`, converted to what Keras takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.missing_values import without_mask
from reciperec_layers.columns.named_columns import has_named_columns, way_to_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import Read, num_rows, to_tensor, to_tensors
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain

# From the names of the columns that there are to those that the model reads.
ColumnsRead = Callable[[Sequence[str]], Iterable[str]]

BATCH_SIZE = 1024
# That `all_columns` collects of a dataset.
_MOST_ROWS = 5_000_000


def to_keras_input(
    x: Any,
    owner: str,
    columns_read: ColumnsRead = lambda names: names,
    read: Read = to_tensor,
    argument: str = "x",
    takes_arrays: bool = False,
) -> Any:
    """Returns a data frame or dict of columns as a dict of tensors; Keras refuses text and lists in a dict.

    Args:
        x: As `fit` takes it; batches are returned as they are.
        owner: Name of the caller, for messages.
        columns_read: Chooses the columns that become tensors; others may hold anything.
        read: Converts a column, as for `to_tensors`.
        argument: Name of the argument, for messages.
        takes_arrays: Whether arrays and tensors are returned as they are, too.

    Raises:
        ArgumentTypeError: It is neither columns by name nor batches.
        ArgumentError: There are no rows, or a dataset has no batches.

    Example:
        >>> to_keras_input({"recipe_id": ["pie"]}, "RetrievalModel.fit")["recipe_id"].dtype
        tf.string
    """
    x = from_arrow(x, owner)
    if not has_named_columns(x):
        if not (takes_arrays and hasattr(x, "shape")):
            require_columns_or_batches(x, owner, argument)
        if isinstance(x, tf.data.Dataset) and x.cardinality() == 0:
            raise _no_rows(x, owner)
        return x
    names = list(x.keys())
    tensors = to_tensors({name: x[require_column(names, name, owner)] for name in columns_read(names)}, owner, read)
    if any(not num_rows(tensor) for tensor in tensors.values()):
        raise _no_rows(x, owner)
    return tensors


def require_columns_or_batches(x: Any, owner: str, argument: str = "x") -> None:
    """Raises `ArgumentTypeError` for what is neither columns by name nor batches of them, such as an array.

    Args:
        x: What a user has given, after `from_arrow`.
        owner: Name of the caller, for messages.
        argument: Name of the argument.

    Example:
        >>> require_columns_or_batches([7, 9], "RetrievalModel.fit")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentTypeError: RetrievalModel.fit: `x` must be a data frame, a dict of columns ...
    """
    if isinstance(x, (str, Path)):
        fix = way_to_columns(x)
        if "read_parquet" in fix:
            fix = f"{fix}, or pass data.batches({str(x)!r}), which reads a part at a time"
        raise ArgumentTypeError(explain(owner, f"`{argument}` must not be a path", fix=fix, **{argument: x}))
    is_array = isinstance(x, (list, tuple, set)) or hasattr(x, "shape") or hasattr(x, "__array__")
    is_lazy = callable(getattr(x, "collect", None))  # it has no rows yet
    may_be_batches = not (is_array or is_lazy) and (isinstance(x, Iterable) or hasattr(x, "__getitem__"))
    if not has_named_columns(x) and not may_be_batches:
        problem = f"`{argument}` must be a data frame, a dict of columns or batches of them, as `data.batches` gives"
        raise ArgumentTypeError(explain(owner, problem, fix=way_to_columns(x), **{argument: x}))


def default_batch_size(x: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Returns the batch size for columns, where none is given: negatives come from the batch, and Keras's 32 are few.

    Args:
        x: What `to_keras_input` returns.
        options: Arguments of Keras's method by name.

    Example:
        >>> default_batch_size({"user_id": tf.zeros(9)}, {"epochs": 2})
        {'batch_size': 1024}
        >>> default_batch_size({"user_id": tf.zeros(9)}, {"batch_size": 8})
        {}
    """
    return {} if "batch_size" in options or not isinstance(x, dict) else {"batch_size": BATCH_SIZE}


def to_weight_array(options: dict[str, Any], x: Any, owner: str) -> dict[str, Any]:
    """Returns `sample_weight` as an array, where it is given; Keras refuses lists and changes the shape of columns.

    Args:
        options: Arguments of Keras's method by name.
        x: What `to_keras_input` returns; where these are columns, there must be a weight for each row.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: There are more or fewer weights than rows.

    Example:
        >>> x = {"user_id": tf.constant([7, 9])}
        >>> to_weight_array({"sample_weight": [1, 2], "verbose": 0}, x, "RetrievalModel.fit")
        {'sample_weight': array([1, 2])}
    """
    given = options.get("sample_weight")
    if given is None:
        return {}
    weights = np.asarray(without_mask(from_arrow(given, "sample_weight"), "sample_weight", "weights"))
    if isinstance(x, dict) and weights.shape[:1] != (rows := num_rows(next(iter(x.values()))),):
        problem = f"`sample_weight` must have one weight for each of {rows:,} rows"
        fix = "Take the weights of these rows, for example a column of the same frame"
        raise ArgumentError(explain(owner, problem, shape=weights.shape, fix=fix))
    return {"sample_weight": weights}


def refuse_class_weight(options: dict[str, Any], owner: str) -> None:
    """Raises `ArgumentError` where `class_weight` is given.

    Example:
        >>> refuse_class_weight({"class_weight": None}, "RetrievalModel.fit")
    """
    if (given := options.get("class_weight")) is not None:
        fix = "Give each row a weight by sample_weight=..."
        raise ArgumentError(explain(owner, "there are no classes", class_weight=given, fix=fix))


def check_batch(features: Any, owner: str) -> None:
    """Raises `ArgumentTypeError` unless a batch is a dict of columns with an axis of rows.

    Example:
        >>> check_batch({"user_id": tf.constant(7)}, "RetrievalModel")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentTypeError: RetrievalModel: the dataset gives single rows, not batches. ...
    """
    if not has_named_columns(features):
        problem = "a batch must be a dict of columns by name"
        fix = 'Pass for example {"user_id": users, "recipe_id": recipes}, or data.batches(frame, batch_size)'
        raise ArgumentTypeError(explain(owner, problem, features=features, fix=fix))
    if any(column.shape.rank == 0 for column in features.values()):
        problem = "the dataset gives single rows, not batches"
        fix = "Batch it, for example by dataset.batch(1024)"
        raise ArgumentTypeError(explain(owner, problem, columns=list(features), fix=fix))


def to_validation_data(
    data: Any, owner: str, columns_read: ColumnsRead = lambda names: names, read: Read = to_tensor
) -> Any:
    """Returns `validation_data` with its features as tensors.

    Args:
        data: As `fit` takes it.
        owner: Name of the caller, for messages.
        columns_read: As for `to_keras_input`.
        read: As for `to_keras_input`.

    Example:
        >>> features, = to_validation_data({"recipe_id": ["pie"]}, "RetrievalModel.fit")
        >>> features["recipe_id"].dtype
        tf.string
    """
    convert = partial(to_keras_input, owner=owner, columns_read=columns_read, read=read, argument="validation_data")
    if isinstance(data, (tuple, list)) and data:
        features = convert(data[0])
        if len(data) < 3:
            return (features, *data[1:])
        weights = to_weight_array({"sample_weight": data[2]}, features, owner).get("sample_weight")
        return features, targets(features, data[1], weights), weights
    converted = None if data is None else convert(data)
    return (converted,) if isinstance(converted, dict) else converted


def targets(x: Any, y: Any, sample_weight: Any) -> Any:
    """Returns targets where Keras needs them: without any it silently drops the sample weights.

    Example:
        >>> targets({"user_id": tf.constant([7, 9])}, None, [1.0, 2.0]).shape.as_list()
        [2]
    """
    if y is None and sample_weight is not None and isinstance(x, dict):
        return tf.zeros(num_rows(next(iter(x.values()))))
    return y


def _no_rows(x: Any, owner: str) -> ArgumentError:
    return ArgumentError(explain(owner, "at least one row is needed", x=x, fix="Check how they were read or filtered"))


def with_callbacks(callbacks: Any, own: list[keras.callbacks.Callback]) -> Any:
    """Returns a user's callbacks with our own before them.

    Example:
        >>> len(with_callbacks([keras.callbacks.History()], [keras.callbacks.History()]))
        2
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        for callback in own:
            callbacks.append(callback)
        return callbacks
    return [*own, *list_of_callbacks(callbacks)]


def list_of_callbacks(callbacks: Any) -> list[Any]:
    """Returns the callbacks that a user has given to `fit`: none, one, several, or Keras's list.

    Example:
        >>> list_of_callbacks(None), len(list_of_callbacks(keras.callbacks.History()))
        ([], 1)
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return list(callbacks.callbacks)
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks] if callbacks is not None else []


def all_columns(x: Any, convert: Callable[[Any], Any]) -> dict[str, Any] | None:
    """Returns the columns of all rows as tensors, or `None` where they are not at hand, or sparse.

    Args:
        x: As `fit` takes it. A dataset of dense batches that ends is read once, up to five million rows.
        convert: From a data frame or dict of columns to tensors.

    Example:
        >>> all_columns(tf.data.Dataset.from_tensors({"user_id": [7, 9]}).repeat(2), dict)["user_id"].numpy()
        array([7, 9, 7, 9], dtype=int32)
    """
    if has_named_columns(x):
        columns = convert(x)
        return None if any(isinstance(column, tf.SparseTensor) for column in columns.values()) else columns
    if not isinstance(x, tf.data.Dataset) or int(x.cardinality()) < 0:
        return None
    specs = keras.utils.unpack_x_y_sample_weight(x.element_spec)[0]
    if not isinstance(specs, dict):
        return None
    # Single rows, of rank 0, are refused by the model.
    if not all(isinstance(spec, tf.TensorSpec) and spec.shape.rank != 0 for spec in specs.values()):
        return None
    batches, rows = [], 0
    for batch in x:
        batches.append(keras.utils.unpack_x_y_sample_weight(batch)[0])
        rows += num_rows(next(iter(batches[-1].values())))
        if rows > _MOST_ROWS:  # it may be larger than memory
            return None
    return {name: tf.concat([batch[name] for batch in batches], axis=0) for name in specs}


def training_size(columns: dict[str, Any], options: dict[str, Any]) -> int:
    """Returns how many rows `fit` trains on, the first ones: those that it does not split off for validation.

    Args:
        columns: Tensors by column, of all rows.
        options: Arguments of `fit` by name.

    Example:
        >>> training_size({"user_id": tf.range(10)}, {"validation_split": 0.2})
        8
    """
    size, share = num_rows(next(iter(columns.values()))), options.get("validation_split")
    if not share or options.get("validation_data") is not None:
        return size
    return int(size * (1 - share))  # as Keras splits arrays
