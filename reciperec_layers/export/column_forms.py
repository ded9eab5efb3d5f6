"""The columns that an exported model takes: their dtypes and shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.candidates.query_columns import query_tensors
from reciperec_layers.columns.tensors import Read, to_tensor
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.towers import LayerTower, Tower
from reciperec_layers.towers.layer_tower import inputs_of
from reciperec_layers.vocabulary import Vocabulary

# From the name of a column to its form, if it is known.
Form = Callable[[str], tf.TensorSpec | None]

_RESERVED = ("allow", "exclude", "k")  # arguments of the signatures


def column_forms(
    tower: Tower,
    names: Sequence[str],
    example: Any = None,
    owner: str = "export",
    form: Form = lambda name: None,
    read: Read = to_tensor,
) -> dict[str, tf.TensorSpec]:
    """Returns the form of each column that a tower reads, the first axis of unknown length.

    An id column has the dtype of the tower's vocabulary, and other columns the form that is known. The others are as in
    the example, or else as the inputs of a functional Keras model say. The name of a form is that of the argument in a
    signature of TensorFlow: the column's, with `_` for what such a name cannot have.

    Args:
        tower: The tower of queries.
        names: Columns that it reads.
        example: A few rows, data frame or dict of columns, or `None`.
        owner: Name of the caller, for messages.
        form: Returns the form of a column, or `None` where it is not known.
        read: Converts a column of the example, as for `to_tensors`.

    Raises:
        ArgumentError: A form is not known, a column is ragged or sparse, or holds other ids than the vocabulary; two
            columns would have one argument.
        ColumnError: The example lacks a column.

    Example:
        >>> from reciperec_layers.towers import IdTower
        >>> column_forms(IdTower([7, 9], 4), ["user_id"])
        {'user_id': TensorSpec(shape=(None,), dtype=tf.int64, name='user_id')}
    """
    vocabulary = _vocabulary(tower) if len(names) == 1 else None
    if example is not None:
        specs = _of_example(names, example, owner, read)
    elif vocabulary is not None:
        specs = {names[0]: tf.TensorSpec((None,), vocabulary.dtype, names[0])}
    else:
        known = {name: form(name) for name in names}
        specs = {name: spec for name, spec in known.items() if spec is not None}
        specs |= _of_layer(tower, [name for name in names if name not in specs], owner)
    if vocabulary is not None:
        specs = {names[0]: _as_ids(specs[names[0]], vocabulary, owner)}
    arguments = _arguments(names, owner)
    return {name: tf.TensorSpec(spec.shape, spec.dtype, arguments[name]) for name, spec in specs.items()}


def input_dtypes(tower: Tower, names: Sequence[str]) -> dict[str, str]:
    """Returns the dtypes of the columns that a tower reads, as far as it tells them.

    Args:
        tower: The tower of queries.
        names: Columns that it reads.

    Example:
        >>> from reciperec_layers.towers import IdTower
        >>> input_dtypes(IdTower(["ann"], 4), ["user_id"])
        {'user_id': 'string'}
    """
    vocabulary = _vocabulary(tower) if len(names) == 1 else None
    if vocabulary is not None:
        return {names[0]: vocabulary.dtype}
    inputs = _inputs_by_column(tower.layer, names) if isinstance(tower, LayerTower) else {}
    return {name: each.dtype for name, each in inputs.items() if isinstance(each, keras.KerasTensor)}


def _arguments(names: Sequence[str], owner: str) -> dict[str, str]:
    arguments = {name: re.sub(r"[^A-Za-z0-9_]", "_", name) for name in names}
    for name, argument in arguments.items():
        if not re.match("[A-Za-z]", argument) or argument in _RESERVED:
            arguments[name] = f"column_{argument}"
    if len(set(arguments.values())) < len(names):
        problem = "two columns would have the same name in TensorFlow, which knows letters of ASCII, digits and `_`"
        raise ArgumentError(explain(owner, problem, columns=list(names), fix="Rename one in the model's towers"))
    return arguments


def _vocabulary(tower: Any) -> Vocabulary | None:
    if isinstance(tower, LayerTower):
        return _vocabulary(tower.layer)
    vocabulary = getattr(tower, "vocabulary", None) if isinstance(tower, Tower) else None
    return vocabulary if isinstance(vocabulary, Vocabulary) else None


def _as_ids(spec: tf.TensorSpec, vocabulary: Vocabulary, owner: str) -> tf.TensorSpec:
    dtype = tf.as_dtype(vocabulary.dtype)
    if (spec.dtype == tf.string) != (dtype == tf.string) or not (spec.dtype == tf.string or spec.dtype.is_integer):
        problem = f"the tower's ids in column {spec.name!r} are {dtype.name}, those of the example are not"
        fix = "Pass rows as `recommend` takes them"
        raise ArgumentError(explain(owner, problem, dtype=spec.dtype.name, fix=fix))
    return tf.TensorSpec(spec.shape, dtype, spec.name)


def _of_example(names: Sequence[str], example: Any, owner: str, read: Read) -> dict[str, tf.TensorSpec]:
    chosen = query_tensors(example, names, None, f"{owner}: example", read)
    for name, tensor in chosen.items():
        if not isinstance(tensor, (tf.Tensor, tf.Variable)):
            problem = f"column {name!r} of the example is not dense"
            raise ArgumentError(explain(owner, problem, column=type(tensor), fix="Pad it to one length"))
    return {name: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name) for name, tensor in chosen.items()}


def _of_layer(tower: Tower, names: Sequence[str], owner: str) -> dict[str, tf.TensorSpec]:
    inputs = _inputs_by_column(tower.layer, names) if isinstance(tower, LayerTower) else {}
    unknown = [name for name in names if not _is_dense(inputs.get(name))]
    if unknown:
        problem = f"dtype and shape of these columns of the query tower are not known: {', '.join(map(repr, unknown))}"
        fix = "Pass a few rows, as `recommend` takes them, as `example`"
        raise ArgumentError(explain(owner, problem, tower=type(tower).__name__, example=None, fix=fix))
    return {name: tf.TensorSpec((None, *inputs[name].shape[1:]), inputs[name].dtype, name) for name in names}


def _inputs_by_column(layer: Any, names: Sequence[str]) -> dict[str, Any]:
    inputs = inputs_of(layer) or {}
    if isinstance(inputs, dict):
        return inputs
    return dict(zip(names, inputs, strict=True)) if len(inputs) == len(names) else {}


def _is_dense(value: Any) -> bool:
    is_symbolic = isinstance(value, keras.KerasTensor) and len(value.shape) > 0
    return is_symbolic and not (getattr(value, "ragged", False) or getattr(value, "sparse", False))
