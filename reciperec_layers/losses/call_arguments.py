"""Arguments of a loss's call: checked in Python if the shape is known, else in the graph with the same message."""

from __future__ import annotations

from typing import Any, TypeAlias

import tensorflow as tf

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain

_CAST = {"float32": tf.float32, "integers": tf.int32}
_REDUCTIONS = ("mean", "none", "sum")
Length: TypeAlias = int | tf.Tensor  # a tensor if the graph does not know it yet


def checked_tensor(
    owner: str, name: str, value: Any, dtype: str, axes: str, shape: tuple[Length, ...]
) -> tf.Tensor | None:
    """Converts an optional argument to a tensor after checking its dtype and shape.

    Nothing is broadcast: sample weights of shape `(q, 1)` would silently give a loss of shape `(q, q)`.

    Args:
        owner: Name of the caller, for messages.
        name: Name of the argument.
        value: Tensor, array, list, or `None`, which stays `None`.
        dtype: As for `check_dtype`; numbers are cast to `"float32"`, `"integers"` to int32.
        axes: The shape in words, for messages.
        shape: The shape.

    Raises:
        ArgumentTypeError: The dtype is wrong.
        ArgumentError: The shape is wrong.

    Example:
        >>> checked_tensor("Loss", "sample_weight", [1, 2], "float32", "(num_queries,)", (2,)).numpy()
        array([1., 2.], dtype=float32)
    """
    if value is None:
        return None
    tensor = tf.convert_to_tensor(value)
    check_dtype(owner, name, tensor, dtype)
    tensor = with_shape(owner, name, tensor, axes, shape)
    return tf.cast(tensor, _CAST[dtype]) if dtype in _CAST else tensor


def check_dtype(owner: str, name: str, tensor: tf.Tensor, dtype: str) -> None:
    """Raises `ArgumentTypeError` if a tensor is not of the dtype requested.

    That is `"bool"`, `"ids"` (integers or strings), `"integers"`, or `"float32"`, which accepts all real numbers.

    Example:
        >>> check_dtype("Loss", "score_mask", tf.ones([2, 2]), "bool")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentTypeError: Loss: `score_mask` must be bool. Received: score_mask=...
    """
    found = tensor.dtype
    fits = {
        "bool": found == tf.bool,
        "ids": found.is_integer or found == tf.string,
        "integers": found.is_integer,
        "float32": found.is_floating or found.is_integer,
    }
    if not fits[dtype]:
        problem = f"`{name}` must be {'integers or strings' if dtype == 'ids' else dtype}"
        raise ArgumentTypeError(explain(owner, problem, fix="Convert it first", **{name: tensor}))


def with_shape(owner: str, name: str, tensor: tf.Tensor, axes: str, shape: tuple[Length, ...]) -> tf.Tensor:
    """Returns a tensor of this shape; if the graph does not know its shape yet, an assertion checks it at run time.

    Raises:
        ArgumentError: The shape is wrong.

    Example:
        >>> with_shape("Loss", "sample_weight", tf.ones([2, 1]), "(num_queries,)", (2,))
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Loss: `sample_weight` must have the shape (num_queries,) = (2,)...
    """
    known = tf.TensorShape([length if isinstance(length, int) else None for length in shape])
    problem, fix = f"`{name}` must have the shape {axes}", "Pass it in that shape"
    if not tensor.shape.is_compatible_with(known):
        raise ArgumentError(explain(owner, f"{problem} = {tuple(known)}", fix=fix, **{name: tensor}))
    if tensor.shape.is_fully_defined() and known.is_fully_defined():
        return tensor
    # The raw operation: `tf.debugging` takes ten times as many nodes, which slows down small batches.
    message = explain(owner, problem, fix=fix)
    unknown = [axis for axis, length in enumerate(tensor.shape) if length is None or not isinstance(shape[axis], int)]
    fits = [tf.raw_ops.Assert(condition=tf.shape(tensor)[axis] == shape[axis], data=[message]) for axis in unknown]
    with tf.control_dependencies(fits):
        return tf.identity(tensor)


def check_embeddings(owner: str, queries: tf.Tensor, candidates: tf.Tensor) -> None:
    """Raises an error unless embeddings of queries and candidates are floats of rank 2 and of one size.

    Args:
        owner: Name of the caller, for messages.
        queries: Shape `(num_queries, embedding_dim)`.
        candidates: Shape `(num_candidates, embedding_dim)`.

    Raises:
        ArgumentTypeError: They are not floats.
        ArgumentError: The shapes do not fit.

    Example:
        >>> check_embeddings("Loss", tf.ones([2, 4]), tf.ones([9, 3]))
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Loss: embeddings must have the shapes (num_queries, embedding_dim)...
    """
    received = {"query_embeddings": queries, "candidate_embeddings": candidates}
    for name, tensor in received.items():
        if not tensor.dtype.is_floating:
            fix = "Convert them, for example by keras.ops.cast(embeddings, 'float32')"
            raise ArgumentTypeError(explain(owner, f"`{name}` must be floats", fix=fix, **{name: tensor}))
    if queries.shape.rank != 2 or candidates.shape.rank != 2 or queries.shape[1] != candidates.shape[1]:
        problem = "embeddings must have the shapes (num_queries, embedding_dim) and (num_candidates, embedding_dim)"
        raise ArgumentError(explain(owner, problem, fix="Give both towers the same embedding_dim", **received))


def check_reduction(owner: str, reduction: Any) -> None:
    """Raises `ArgumentError` unless a reduction is `"sum"`, `"mean"` or `"none"`.

    Example:
        >>> check_reduction("Loss", "max")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Loss: `reduction` must be one of ('mean', 'none', 'sum')...
    """
    if not isinstance(reduction, str) or reduction not in _REDUCTIONS:
        problem = f"`reduction` must be one of {_REDUCTIONS}"
        raise ArgumentError(explain(owner, problem, reduction=reduction, fix='Use for example "sum"'))
