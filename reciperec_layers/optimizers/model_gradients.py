"""Gradients of a model, in the form that the optimizers of this package take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import control_flow_util  # no public function tells whether XLA compiles the graph

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.graph.sparse_rows import sum_repeated_rows, wide


def refuse_xla(owner: str, what: str) -> None:
    """Raises `ArgumentError` while XLA compiles the current graph.

    Example:
        >>> @tf.function(jit_compile=True, autograph=False)
        ... def step():
        ...     refuse_xla("Adam", "row-sparse updates")
        >>> step()
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Adam: XLA cannot compile row-sparse updates. ...
    """
    if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        fix = "Compile the model with jit_compile=False"
        raise ArgumentError(explain(owner, f"XLA cannot compile {what}", fix=fix, jit_compile=True))


def with_rows_summed(owner: str, gradients: Iterable[Any]) -> list[Any]:
    """Returns gradients in which no row repeats, in float32 or wider, so that neither sums nor norms overflow.

    Raises:
        ArgumentError: XLA compiles the step. Under XLA a second `tf.unique`, as for the gradient of an EmbeddingTable,
            is silently wrong.

    Example:
        >>> twice = tf.IndexedSlices(tf.constant([1.0, 2.0]), tf.constant([7, 7]))
        >>> with_rows_summed("Adam", [None, twice])[1].values.numpy().tolist()
        [3.0]
    """
    gradients = [_widened(gradient) for gradient in gradients]
    if any(isinstance(gradient, tf.IndexedSlices) for gradient in gradients):
        refuse_xla(owner, "row-sparse updates")
    return [
        sum_repeated_rows(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient for gradient in gradients
    ]


def _widened(gradient: Any) -> Any:
    if isinstance(gradient, tf.IndexedSlices) and not tf.is_tensor(gradient.values):  # lists, as tests write them
        parts = tf.convert_to_tensor(gradient.values), tf.convert_to_tensor(gradient.indices)
        gradient = tf.IndexedSlices(*parts, gradient.dense_shape)
    if gradient is None or gradient.dtype == wide(gradient.dtype):
        return gradient
    if isinstance(gradient, tf.IndexedSlices):
        values = tf.cast(gradient.values, wide(gradient.dtype))
        return type(gradient)(values, gradient.indices, gradient.dense_shape)
    return tf.cast(gradient, wide(gradient.dtype))
