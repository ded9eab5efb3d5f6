"""Embeddings that an index takes, as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.columns.missing_values import without_mask
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, DivergedError, IdError, explain


def to_embeddings(values: Any, argument: str, owner: str) -> tf.Tensor:
    """Converts embeddings to float32 of shape `(n, dim)`.

    Args:
        values: Numbers in an array, tensor, list or data frame.
        argument: Name of the argument; `"queries"` may have no rows.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentTypeError: They are not real numbers.
        IdError: A number is masked.
        ArgumentError: They have the wrong shape.

    Example:
        >>> to_embeddings([[1, 2]], "embeddings", "BruteForceIndex").numpy()
        array([[1., 2.]], dtype=float32)
    """
    fix = "Pass numbers of shape (n, embedding_dim)"
    if hasattr(values, "to_numpy"):
        values = _from_frame(values)
    problem = f"`{argument}` must be numbers"
    try:
        given = tf.convert_to_tensor(without_mask(values, owner, argument))
    except (TypeError, ValueError, tf.errors.OpError) as error:
        if isinstance(error, IdError):
            raise
        raise ArgumentTypeError(explain(owner, problem, fix=fix, **{argument: values})) from error
    if not (given.dtype.is_floating or given.dtype.is_integer or given.dtype.is_bool):
        # TensorFlow would cast a complex number to its real part.
        raise ArgumentTypeError(explain(owner, problem, fix=fix, **{argument: values}))
    tensor = tf.cast(given, tf.float32)
    if tensor.shape.rank != 2 or not tensor.shape[1] or not (tensor.shape[0] or argument == "queries"):
        problem = f"`{argument}` must have rows and columns"
        raise ArgumentError(explain(owner, problem, fix=fix, **{argument: values}))
    return tensor


def _from_frame(values: Any) -> np.ndarray:
    """Returns the numbers of a frame; those of pandas' own dtypes would become objects."""
    dtypes = list(values.dtypes) if hasattr(values, "iloc") and values.ndim == 2 else []
    are_real = dtypes and all(getattr(dtype, "kind", "O") in "iuf" for dtype in dtypes)
    return values.to_numpy(np.float32) if are_real else values.to_numpy()


def check_dim(tensor: tf.Tensor, dim: int, argument: str, owner: str) -> None:
    """Raises `ArgumentError` if embeddings differ in size from the candidates of an index.

    Example:
        >>> check_dim(tf.zeros((1, 2)), 3, "queries", "BruteForceIndex")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: BruteForceIndex: `queries` must have 3 columns, as the candidates ...
    """
    if len(tensor.shape) != 2 or tensor.shape[1] != dim:
        problem = f"`{argument}` must have {dim} columns, as the candidates of the index"
        raise ArgumentError(explain(owner, problem, fix="Use the towers they were made with", **{argument: tensor}))


def check_finite(embeddings: tf.Tensor, owner: str, what: str = "embeddings") -> None:
    """Raises `DivergedError` if an embedding has NaN or infinity.

    Example:
        >>> check_finite(tf.constant([[1.0], [float("nan")]]), "BruteForceIndex")
        Traceback (most recent call last):
        reciperec_layers.errors.DivergedError: BruteForceIndex: 1 of 2 embeddings are not finite. Training may have ...
    """
    is_finite = tf.math.is_finite(embeddings)
    if bool(tf.reduce_all(is_finite)):
        return
    bad = int(tf.math.count_nonzero(~tf.reduce_all(is_finite, axis=1)))
    problem = f"{bad} of {embeddings.shape[0]} {what} are not finite"
    fix = "Training may have diverged: train again with a lower learning rate"
    raise DivergedError(explain(owner, problem, fix=fix))
