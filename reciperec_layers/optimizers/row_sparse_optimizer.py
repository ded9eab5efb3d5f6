"""Row-sparse updates: what every optimizer of this package does with the gradient of an embedding table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.ops import control_flow_util  # nothing public tells that XLA compiles the graph at hand

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.sparse_rows import DistinctRows, sum_repeated_rows


class RowSparseOptimizer(keras.optimizers.Optimizer):
    """Base of the row-sparse optimizers; comes before the Keras optimizer whose rule they follow.

    A gradient that is a `tf.IndexedSlices` stays one from the tape to the variable: repeated rows are summed before
    anything squares or clips them, clipping acts on the summed rows, and `update_rows` reads and writes these rows of
    the variable and of its slots and no others. Every other gradient goes to the Keras optimizer.

    Args:
        learning_rate: Float, `keras.optimizers.schedules.LearningRateSchedule`, or callable without arguments.
        **kwargs: Further arguments of the Keras optimizer.

    Raises:
        ArgumentError: `weight_decay`, `use_ema` or `gradient_accumulation_steps` is set: each changes every row of a
            table. In training: XLA compiles the step (`jit_compile=True`) and a gradient is row-sparse.

    Example:
        >>> class Descent(RowSparseOptimizer, keras.optimizers.SGD):
        ...     def update_rows(self, rows, variable, learning_rate):
        ...         variable.scatter_sub(rows.with_values(learning_rate * rows.values))
        >>> table = keras.Variable([[1.0], [1.0], [1.0]])
        >>> gradient = tf.IndexedSlices(tf.constant([[1.0], [1.0], [1.0]]), tf.constant([2, 0, 2]))
        >>> Descent(0.25).apply([gradient], [table])
        >>> table.numpy().ravel().tolist()
        [0.75, 1.0, 0.5]
    """

    def __init__(self, learning_rate: Any, **kwargs: Any) -> None:
        for name in ("weight_decay", "use_ema", "gradient_accumulation_steps"):
            if value := kwargs.pop(name, None):
                problem = f"`{name}` changes every row of a table at every step, also those that no batch reads"
                fix = f"Leave `{name}` out, or use the optimizer of this name in keras.optimizers"
                raise ArgumentError(explain(type(self).__name__, problem, fix=fix, **{name: value}))
        super().__init__(learning_rate=learning_rate, **kwargs)

    def apply(self, grads: Iterable[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        grads = [self._sum_repeated_rows(grad) if isinstance(grad, tf.IndexedSlices) else grad for grad in grads]
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: tf.Variable, learning_rate: Any) -> None:
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        rows = sum_repeated_rows(gradient)  # rows of several replicas, joined by the all-reduce, repeat again
        rows = rows.with_values(tf.cast(rows.values, variable.dtype))
        self.update_rows(rows, variable, keras.ops.cast(learning_rate, variable.dtype))

    def update_rows(self, rows: DistinctRows, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Updates rows of a variable and of its slots.

        Args:
            rows: Gradient of shape `(n, ...)`, in the dtype of the variable.
            variable: The variable, or its component on one device.
            learning_rate: Scalar, in the dtype of the variable.
        """
        raise NotImplementedError

    def local_slot(self, slots: Sequence[Any], variable: tf.Variable) -> tf.Variable:
        """Returns the slot of a variable, as the component on the variable's device.

        Args:
            slots: One slot per variable, as `add_optimizer_variables` makes them.
            variable: The variable that `update_rows` got.
        """
        slot = slots[self._get_variable_index(variable)].value
        components = tf.distribute.get_strategy().experimental_local_results(slot)
        # Gathering from a mirrored variable, instead of its component, reads all of it.
        return next((component for component in components if component.device == variable.device), slot)

    def _sum_repeated_rows(self, slices: tf.IndexedSlices) -> DistinctRows:
        # Compiled by XLA, tf.unique of its own result, as of an EmbeddingTable's gradient, is wrong without a word.
        if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
            problem = "XLA cannot compile row-sparse updates"
            fix = "Compile the model with jit_compile=False"
            raise ArgumentError(explain(type(self).__name__, problem, fix=fix, jit_compile=True))
        return sum_repeated_rows(slices)

    def _clip_gradients(self, grads: Sequence[Any]) -> list[Any]:
        # All other rows of a gradient are zero: they add nothing to a norm, and clipping leaves them zero.
        tensors = [grad.values if isinstance(grad, DistinctRows) else grad for grad in grads]
        return [
            grad.with_values(clipped) if isinstance(grad, DistinctRows) else clipped
            for grad, clipped in zip(grads, super()._clip_gradients(tensors), strict=True)
        ]
