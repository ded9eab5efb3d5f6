"""Pooling of bags: the rows that an example reads, combined into one vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain
from reciperec_layers.graph.graph_errors import check

COMBINERS = ("mean", "sum", "sqrtn")


def pool_bags(look_up: Callable[[tf.Tensor], tf.Tensor], indices: Any, weights: Any, combiner: str) -> Any:
    """Returns the rows of each bag, combined along the last axis of the indices.

    Args:
        look_up: Function from dense indices to their rows, of shape `(*indices.shape, embedding_dim)`.
        indices: Dense `(..., n)`, ragged, or sparse of rank 2, where the order of the entries does not matter.
        weights: Weights of the same structure, as returned by `aligned`, or `None` for ones.
        combiner: One of `COMBINERS`.

    Returns:
        Tensor of shape `(..., embedding_dim)` in the rows' dtype, ragged if the indices have more than one ragged axis
        or dense axes inside it. Zeros for an empty bag, and where the combiner would divide by zero.

    Example:
        >>> rows = tf.constant([[1.0], [2.0], [4.0]])
        >>> pool_bags(lambda chosen: tf.gather(rows, chosen), tf.ragged.constant([[0, 2], []]), None, "mean").numpy()
        array([[2.5],
               [0. ]], dtype=float32)
    """
    if isinstance(indices, tf.RaggedTensor):
        values, factors = indices.values, None if weights is None else weights.values
        if isinstance(values, tf.RaggedTensor) or values.shape.rank > 1:
            return indices.with_values(pool_bags(look_up, values, factors, combiner))
        total = _total_by_bag(indices.value_rowids(), indices.nrows())
    elif isinstance(indices, tf.SparseTensor):
        values, factors = indices.values, None if weights is None else weights.values
        total = _total_by_bag(indices.indices[:, 0], indices.dense_shape[0])
    else:
        values, factors = indices, weights
        total = _total_of_axis
    return _combine(look_up(values), factors, combiner, total)


def aligned(owner: str, indices: Any, weights: Any) -> Any:
    """Returns weights after checking that there is one per index.

    Args:
        owner: Name of the caller, for messages.
        indices: Dense, ragged or sparse tensor.
        weights: Numbers of the same shape: ragged with equal row splits, sparse with equal indices.

    Raises:
        ArgumentTypeError: Weights are not numbers.
        ArgumentError: Their structure differs from that of the indices. If only values can tell, a graph raises it
            when it runs, as `graph_errors.check` does.

    Example:
        >>> aligned("EmbeddingTable", tf.ragged.constant([[0, 2], []]), tf.ragged.constant([[1.0], [1.0]]))
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: EmbeddingTable: `weights` must have ... of the indices. Received: ...
    """
    if not isinstance(weights, (tf.RaggedTensor, tf.SparseTensor)):
        weights = tf.convert_to_tensor(weights)
    if not (weights.dtype.is_floating or weights.dtype.is_integer or weights.dtype.is_bool):
        fix = "Cast them to float32"
        raise ArgumentTypeError(explain(owner, "`weights` must be numbers", fix=fix, weights=weights))
    problem = "`weights` must have the shape, row splits or sparse indices of the indices"
    message = explain(owner, problem, fix="Give one weight per index", indices=indices, weights=weights)
    theirs, ours = _structure(indices), _structure(weights)
    if len(theirs) != len(ours) or not indices.shape.is_compatible_with(weights.shape):
        raise ArgumentError(message)
    if len(theirs) == 1 and indices.shape.is_fully_defined() and weights.shape.is_fully_defined():
        return weights
    pairs = list(zip(theirs, ours, strict=True))
    equal = tf.reduce_all([tf.reduce_all(tf.shape(a) == tf.shape(b)) & tf.reduce_all(a == b) for a, b in pairs])
    with tf.control_dependencies([check(equal, ArgumentError, lambda: tf.constant(message))]):
        return tf.nest.map_structure(tf.identity, weights, expand_composites=True)


def _structure(tensor: Any) -> tuple[tf.Tensor, ...]:
    """Returns the structure of a tensor without its values; its length differs between kinds of tensors."""
    if isinstance(tensor, tf.SparseTensor):
        return tensor.indices, tensor.dense_shape, tf.shape(tensor.values)
    if isinstance(tensor, tf.RaggedTensor):
        splits = (tf.cast(each, tf.int64) for each in tensor.nested_row_splits)
        return *splits, tf.shape(tensor.flat_values)
    return (tf.shape(tensor),)


def _total_of_axis(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(values, axis=-2)


def _total_by_bag(bags: tf.Tensor, num_bags: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda values: tf.math.unsorted_segment_sum(values, bags, num_bags)


def _combine(rows: tf.Tensor, weights: Any, combiner: str, total: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Combines rows `(..., n, dim)` over their bags, which `total` sums over."""
    if weights is None:
        weights, weighted = tf.ones([*_dims(rows)[:-1], 1], rows.dtype), rows
    else:
        weights = tf.cast(weights, rows.dtype)[..., tf.newaxis]
        weighted = rows * weights
    sums = total(weighted)
    if combiner == "sum":
        return sums
    if combiner == "mean":
        return tf.math.divide_no_nan(sums, total(weights))
    squares = total(tf.square(weights))
    # Without the inner `where` the root's gradient at 0 is 0 * inf, which is NaN under XLA.
    return sums * tf.where(squares > 0, tf.math.rsqrt(tf.where(squares > 0, squares, 1)), 0)


def _dims(tensor: tf.Tensor) -> list[Any]:
    """Returns the lengths of the axes, as Python integers where they are known."""
    dynamic = tf.shape(tensor)
    return [dynamic[axis] if length is None else length for axis, length in enumerate(tensor.shape)]
