"""Adam, row-sparse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_number
from reciperec_layers.graph.sparse_rows import AllRows, DistinctRows
from reciperec_layers.optimizers.row_sparse_optimizer import RowSparseOptimizer
from reciperec_layers.saving.keras_names import serializable


@serializable
class Adam(RowSparseOptimizer, keras.optimizers.Adam):
    """Lazy Adam, whose step costs as much as the batch, however large the embedding tables are.

    For the rows that the batch reads, one step equals that of `keras.optimizers.Adam` with the dense gradient. With
    gradients `g` summed per row and `t` counting all steps,

        m += (1 - beta_1) * (g - m)
        v += (1 - beta_2) * (g ** 2 - v)
        variable -= learning_rate * sqrt(1 - beta_2 ** t) / (1 - beta_1 ** t) * m / (sqrt(v) + epsilon)

    Other rows stay bit-equal, and so do their moments: Keras's dense rule keeps moving a row after its last batch and
    lets its moments decay; this one waits for the next batch that reads the row. Gradients that are not
    `tf.IndexedSlices`, such as those of dense layers, are applied by Keras's own code.

    Args:
        learning_rate: Number >= 0, `keras.optimizers.schedules.LearningRateSchedule`, or callable without arguments;
            defaults to 0.001.
        beta_1: Decay of the first moment `m`, in [0, 1); defaults to 0.9.
        beta_2: Decay of the second moment `v`, in [0, 1); defaults to 0.999.
        epsilon: Number > 0 added to the square root; defaults to 1e-7.
        amsgrad: Whether to divide by the largest `v` that a row has had; defaults to `False`.
        **kwargs: Arguments of every optimizer of this package, see `Adagrad`.

    Raises:
        ArgumentError: `beta_1`, `beta_2` or `epsilon` is out of range; otherwise see `Adagrad`.

    Example:
        >>> table = keras.Variable([[1.0], [1.0], [1.0]])
        >>> gradient = tf.IndexedSlices(tf.constant([[1.0], [2.0], [1.0]]), tf.constant([2, 0, 2]))
        >>> Adam(0.25).apply([gradient], [table])
        >>> table.numpy().ravel().round(4).tolist()
        [0.75, 1.0, 0.75]

    Source:
        Kingma and Ba, Adam, ICLR 2015, and Reddi, Kale and Kumar, On the Convergence of Adam and Beyond, ICLR 2018, as
        in `keras.optimizers.Adam`; lazy like `LazyAdam` of TensorFlow Addons.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1=check_number("Adam", "beta_1", beta_1, least=0, below=1, example=0.9),
            beta_2=check_number("Adam", "beta_2", beta_2, least=0, below=1, example=0.999),
            epsilon=check_number("Adam", "epsilon", epsilon, above=0, example=1e-7),
            amsgrad=amsgrad,
            **kwargs,
        )

    def row_updates(self, rows: DistinctRows | AllRows, variable: tf.Variable, learning_rate: tf.Tensor) -> tf.Tensor:
        def moment(slots: Sequence[Any], values: tf.Tensor, beta: float) -> tf.Tensor:
            return self.update_slot(slots, variable, rows, lambda old: old + (values - old) * (1 - beta))

        first = moment(self._momentums, rows.values, self.beta_1)
        second = moment(self._velocities, tf.square(rows.values), self.beta_2)
        if self.amsgrad:
            second = self.update_slot(self._velocity_hats, variable, rows, lambda old: tf.maximum(old, second))
        step = keras.ops.cast(self.iterations + 1, learning_rate.dtype)
        first_bias, second_bias = (1 - tf.pow(tf.cast(beta, step.dtype), step) for beta in (self.beta_1, self.beta_2))
        return first * (learning_rate * tf.sqrt(second_bias) / first_bias) / (tf.sqrt(second) + self.epsilon)
