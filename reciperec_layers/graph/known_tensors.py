"""Tensors whose values are known while a graph is traced, such as the ids of all candidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

Computed = TypeVar("Computed")


def computed_once(function: Callable[[Any], Computed], tensor: Any) -> Computed:
    """Returns what a function gives for a tensor, computed while tracing where the tensor is known by then.

    What it gives is then known as well, and no step of the graph computes it.

    Args:
        function: Of the tensor alone: nothing that it reads may change between two steps.
        tensor: Whose values are known in eager code, and in graphs if it was made outside.

    Example:
        >>> ids, traced = tf.constant([7, 9]), []
        >>> double = tf.function(lambda: traced.append(computed_once(lambda ids: 2 * ids, ids)))
        >>> double()
        >>> traced[0].numpy().tolist()
        [14, 18]
    """
    if isinstance(tensor, tf.Tensor) and not tf.is_symbolic_tensor(tensor):
        with tf.init_scope():
            return function(tensor)
    return function(tensor)


def known_values(tensor: Any) -> np.ndarray | None:
    """Returns the values of a tensor of a graph if they are known while it is traced, else `None`.

    Args:
        tensor: Known if it was made outside of the graph, also after it was reshaped.

    Example:
        >>> rows, found = tf.range(1000), []
        >>> shape = tf.function(lambda: found.append(known_values(tf.identity(rows)).shape))
        >>> shape()
        >>> found
        [(1000,)]
    """
    tensor = origin_of(tensor)
    if tf.is_symbolic_tensor(tensor):
        return tf.get_static_value(tensor)
    return tensor.numpy() if isinstance(tensor, tf.Tensor) and tensor.dtype != tf.resource else None


def origin_of(tensor: Any) -> Any:
    """Returns the tensor whose values another one has: before its shape was changed, and before a graph took it.

    Args:
        tensor: Of a graph, or not.

    Example:
        >>> rows, found = tf.range(1000), []
        >>> tf.function(lambda: found.append(origin_of(tf.reshape(rows, [10, 100]))))()
        >>> found[0] is rows
        True
    """
    while tf.is_symbolic_tensor(tensor):
        if tensor.op.type in ("Identity", "Reshape"):
            before = [tensor.op.inputs[0]]
        else:  # a placeholder may stand for something outside of the graph
            before = [each for each, inside in getattr(tensor.graph, "captures", ()) if inside is tensor]
        if not before:
            break
        tensor = before[0]
    return tensor
