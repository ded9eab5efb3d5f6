"""Row-sparse updates: what every optimizer of this package does with the gradient of an embedding table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, explain


class DistinctRows(tf.IndexedSlices):
    """Rows of a gradient in which no index repeats.

    Keras and TensorFlow take it for the `tf.IndexedSlices` that it is; the type says that nothing is left to sum.
    Made by `sum_repeated_rows`.
    """

    def __truediv__(self, divisor: Any) -> DistinctRows:
        # Keras divides gradients by `loss_scale_factor` with `/`, which IndexedSlices lacks.
        return self.with_values(self.values / divisor)

    def with_values(self, values: tf.Tensor) -> DistinctRows:
        """Returns the same rows with other values of the same shape."""
        return DistinctRows(values, self.indices, self.dense_shape)


def sum_repeated_rows(slices: tf.IndexedSlices) -> DistinctRows:
    """Returns a gradient with the slices of each row added up, one slice a row.

    Args:
        slices: Values of shape `(n, ...)` for the rows `indices` of shape `(n,)`, which may repeat in any order.

    Returns:
        `m <= n` rows, in the order in which they first occur.

    Example:
        >>> import tensorflow as tf
        >>> rows = sum_repeated_rows(tf.IndexedSlices(tf.constant([[1.0], [2.0], [4.0]]), tf.constant([7, 3, 7])))
        >>> rows.indices.numpy().tolist(), rows.values.numpy().tolist()
        ([7, 3], [[5.0], [2.0]])
    """
    if isinstance(slices, DistinctRows):
        return slices
    indices, positions = tf.unique(slices.indices)
    values = tf.math.unsorted_segment_sum(slices.values, positions, tf.size(indices))
    return DistinctRows(values, indices, slices.dense_shape)


class RowSparseOptimizer(keras.optimizers.Optimizer):
    """Base of the row-sparse optimizers, to be put before the Keras optimizer whose dense update they share.

    Gradients that are `tf.IndexedSlices` stay so from the tape to the variable: repeated rows are summed before anything
    else sees them, clipping acts on the rows alone, and `update_rows` reads and writes no other row of the variable
    or of the slots. All other gradients go to the Keras optimizer.

    A subclass implements `update_rows`, and finds its slots by `local_slot`.

    Args:
        learning_rate: Float, `keras.optimizers.schedules.LearningRateSchedule` or callable.
        **kwargs: Arguments of the Keras optimizer.

    Raises:
        ArgumentError: `weight_decay`, `use_ema` or `gradient_accumulation_steps` is given: each changes rows that the
            batch does not touch.
    """

    def __init__(self, learning_rate: Any, **kwargs: Any) -> None:
        for name in ("weight_decay", "use_ema", "gradient_accumulation_steps"):
            if kwargs.get(name):
                raise ArgumentError(
                    explain(
                        type(self).__name__,
                        f"`{name}` reads and writes every row of a table at every step, and this optimizer leaves "
                        "the rows that a batch does not touch as they are",
                        fix=f"Leave `{name}` out, or use the optimizer of keras.optimizers with the same name",
                        **{name: kwargs[name]},
                    )
                )
        super().__init__(learning_rate=learning_rate, **kwargs)

    def apply(self, grads: Iterable[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Updates the variables by their gradients; see `keras.optimizers.Optimizer.apply`."""
        grads = [sum_repeated_rows(grad) if isinstance(grad, tf.IndexedSlices) else grad for grad in grads]
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: tf.Variable, learning_rate: Any) -> None:
        """Updates one variable; called by Keras for each component of a distributed one."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        rows = sum_repeated_rows(gradient)  # Replicas touch the same rows, so an all-reduced gradient repeats them.
        rows = rows.with_values(tf.cast(rows.values, variable.dtype))
        self.update_rows(rows, variable, keras.ops.cast(learning_rate, variable.dtype))

    def update_rows(self, rows: DistinctRows, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Updates the rows of a variable and of its slots, and reads no others.

        Args:
            rows: Gradient of shape `(n, ...)` of the rows, in the dtype of the variable.
            variable: The variable, or its component on one device.
            learning_rate: Scalar, in the dtype of the variable.
        """
        raise NotImplementedError

    def local_slot(self, slots: Sequence[Any], variable: tf.Variable) -> tf.Variable:
        """Returns the slot of a variable, as the component on the variable's device.

        Gathering from a mirrored variable as a whole reads all of it.
        """
        slot = slots[self._get_variable_index(variable)].value
        components = self._distribution_strategy.experimental_local_results(slot)
        return next(component for component in components if component.device == variable.device)

    def _clip_gradients(self, grads: Sequence[Any]) -> list[Any]:
        # The other rows of the gradient are zero: they add nothing to a norm, and clipping leaves them zero.
        values = [grad.values if isinstance(grad, DistinctRows) else grad for grad in grads]
        return [
            grad.with_values(clipped) if isinstance(grad, DistinctRows) else clipped
            for grad, clipped in zip(grads, super()._clip_gradients(values), strict=True)
        ]
