"""Tensors with a gradient of their own, which TensorFlow forgets together with their graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import tensorflow as tf
from tensorflow.python.eager import record  # no public function records an operation with a gradient of its own

Gradient: TypeAlias = Callable[[tf.Tensor], Sequence[tf.Tensor | None]]


def with_own_gradient(compute: Callable[..., tuple[tf.Tensor, Gradient]], *inputs: tf.Tensor) -> tf.Tensor:
    """Returns a tensor whose gradient a function computes: `tf.custom_gradient`, for one output and no variables.

    In each graph that is traced, `tf.custom_gradient` registers one more function with TensorFlow, which holds the
    graph and its variables for ever. This one is held by the graph alone. In a graph that is read from a file, without
    Python functions, gradients are those of the operations of `compute`.

    Args:
        compute: Function of the inputs that returns the tensor, and the function from the gradient with respect to it
            to those with respect to the inputs, `None` for an input that is not differentiated.
        *inputs: Tensors.

    Example:
        >>> def clipped(values):
        ...     return values, lambda upstream: [tf.clip_by_value(upstream, -1.0, 1.0)]
        >>> values = tf.constant([2.0, 3.0])
        >>> with tf.GradientTape() as tape:
        ...     tape.watch(values)
        ...     loss = tf.reduce_sum(9 * with_own_gradient(clipped, values))
        >>> tape.gradient(loss, values).numpy().tolist()
        [1.0, 1.0]
    """
    sources = [tf.convert_to_tensor(tensor) for tensor in inputs]
    computed, gradient = compute(*sources)
    with record.stop_recording():
        if tf.executing_eagerly():
            output = tf.identity(computed)  # what is recorded must not be an input
        else:
            # For a tape outside of the graph, which sees operations: one from the inputs to the output.
            of_operation = {"IdentityN": lambda _, upstream, *__: [None, *gradient(upstream)]}
            with tf.compat.v1.get_default_graph()._override_gradient_function(of_operation):
                output = tf.identity_n([computed, *sources])[0]
    record.record_operation("OwnGradient", [output], sources, lambda upstream: list(gradient(upstream)))
    return output
