"""Adagrad with one accumulator per row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.graph.sparse_rows import AllRows, DistinctRows
from reciperec_layers.optimizers.adagrad import check_adagrad_start
from reciperec_layers.optimizers.row_sparse_optimizer import RowSparseOptimizer
from reciperec_layers.saving.keras_names import serializable


@serializable
class RowwiseAdagrad(RowSparseOptimizer):
    """Adagrad that keeps one number per row of a table, where Adagrad keeps a row of numbers.

    Its memory is that of the tables divided by their width, and its step costs as much as the batch. With gradients
    `g` summed per row,

        accumulator += mean(g ** 2)
        variable -= learning_rate * g / sqrt(accumulator + epsilon)

    for the rows that the batch reads, with the mean over each row. Other rows stay bit-equal, and so do their
    accumulators. The rule is the same for every variable, whether its gradient is sparse or dense: rows are those of
    the first axis, also for the kernels of dense layers. If a row is a single number, as in a bias, this is `Adagrad`.

    Args:
        learning_rate: Number >= 0, `keras.optimizers.schedules.LearningRateSchedule`, or callable without arguments;
            defaults to 0.1.
        initial_accumulator_value: Value, >= 0, at which accumulators start; defaults to 0.1.
        epsilon: Number >= 0 under the square root; defaults to 1e-7. Must be positive if accumulators start at 0.
        **kwargs: Arguments of every optimizer of this package, see `Adagrad`.

    Raises:
        ArgumentError: See `Adagrad`.

    Example:
        >>> table = keras.Variable([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
        >>> gradient = tf.IndexedSlices(tf.constant([[7.0, 1.0]]), tf.constant([2]))
        >>> optimizer = RowwiseAdagrad(0.25, initial_accumulator_value=0.0)
        >>> optimizer.apply([gradient], [table])
        >>> print(table.numpy())
        [[1.   1.  ]
         [1.   1.  ]
         [0.65 0.95]]

    Source:
        `RWSAdagrad` of DLRM (Naumov et al., Deep Learning Recommendation Model, 2019) and `exact_rowwise_adagrad` of
        FBGEMM. They divide by `sqrt(accumulator) + epsilon`; here epsilon is under the root, as in `Adagrad`. Their
        accumulators start at 0, here at 0.1 as in Keras's Adagrad.
    """

    _nearest_in_keras = "Adagrad"

    def __init__(
        self,
        learning_rate: Any = 0.1,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        start = check_adagrad_start("RowwiseAdagrad", initial_accumulator_value, epsilon)
        self.initial_accumulator_value, self.epsilon = start["initial_accumulator_value"], start["epsilon"]

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self._accumulators = [self._add_accumulator(variable) for variable in variables]

    def row_updates(self, rows: DistinctRows | AllRows, variable: tf.Variable, learning_rate: tf.Tensor) -> tf.Tensor:
        squares = _mean_squares(rows.values)
        accumulated = self.update_slot(self._accumulators, variable, rows, lambda old: old + squares)
        return self._steps(rows.values, accumulated, learning_rate)

    def _updates_whole(self, variable: Any) -> bool:
        return True  # there is no such optimizer in Keras

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }

    def _steps(self, gradient: tf.Tensor, accumulated: tf.Tensor, learning_rate: tf.Tensor) -> tf.Tensor:
        scales = learning_rate / tf.sqrt(accumulated + self.epsilon)
        return gradient * tf.reshape(scales, tf.concat([tf.shape(scales), [1] * (gradient.shape.rank - 1)], axis=0))

    def _add_accumulator(self, variable: Any) -> Any:
        if self._overwrite_variable_with_gradient(variable):
            return None
        with tf.distribute.get_strategy().extended.colocate_vars_with(getattr(variable, "value", variable)):
            return self.add_variable(
                shape=tuple(variable.shape[:1]),
                initializer=keras.initializers.Constant(self.initial_accumulator_value),
                dtype=variable.dtype,
                name=f"{getattr(variable, 'path', variable.name).replace('/', '_')}_accumulator",
            )


def _mean_squares(gradient: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(gradient), axis=list(range(1, gradient.shape.rank)))
