"""Adagrad, row-sparse."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.optimizers.row_sparse_optimizer import RowSparseOptimizer
from reciperec_layers.serialization import serializable
from reciperec_layers.sparse_rows import DistinctRows


@serializable
class Adagrad(RowSparseOptimizer, keras.optimizers.Adagrad):
    """Adagrad whose step costs what the batch costs, however large the embedding tables are.

    One step equals that of `keras.optimizers.Adagrad` with the dense gradient, also for rows that occur several times
    in a batch. With gradients `g` summed per row,

        accumulator += g ** 2
        variable -= learning_rate * g / sqrt(accumulator + epsilon)

    for the rows that the batch reads. Other rows stay bit-equal, and so do their accumulators. Gradients that are no
    `tf.IndexedSlices`, such as those of dense layers, are applied by Keras's own code.

    `keras.optimizers.Adagrad` serves models without tables, and where a whole table must change at every step.

    Args:
        learning_rate: Float, `keras.optimizers.schedules.LearningRateSchedule`, or callable without arguments;
            defaults to 0.1.
        initial_accumulator_value: Value, >= 0, at which accumulators start; defaults to 0.1.
        epsilon: Number >= 0 under the square root; defaults to 1e-7. Positive where accumulators start at 0.
        **kwargs: `name`, and of Keras's optimizers `clipnorm`, `clipvalue`, `global_clipnorm` and
            `loss_scale_factor`. Norms are taken over all variables' summed rows, on each replica by itself, as Keras
            does.

    Raises:
        ArgumentError: `learning_rate` is negative or not finite. `initial_accumulator_value` or `epsilon` is negative,
            or both are 0. `weight_decay`, `use_ema`
            or `gradient_accumulation_steps` is set: each changes every row of a table at every step. In training:
            the model was compiled with `jit_compile=True` and a gradient is row-sparse.

    Example:
        >>> table = keras.Variable([[1.0], [1.0], [1.0]])
        >>> gradient = tf.IndexedSlices(tf.constant([[1.0], [2.0], [1.0]]), tf.constant([2, 0, 2]))
        >>> Adagrad(0.25, initial_accumulator_value=0.0).apply([gradient], [table])
        >>> table.numpy().ravel().tolist()
        [0.75, 1.0, 0.75]

    Source:
        Duchi, Hazan and Singer, Adaptive Subgradient Methods, JMLR 2011; the diagonal form, as in
        `keras.optimizers.Adagrad`, whose `sqrt(accumulator + epsilon)` differs from TensorFlow's raw operation. The
        default learning rate is 0.1, where Keras has 0.001.
    """

    def __init__(
        self,
        learning_rate: Any = 0.1,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        if isinstance(learning_rate, (int, float)) and not 0 <= learning_rate < math.inf:
            problem = "`learning_rate` must be a finite number >= 0"
            raise ArgumentError(explain("Adagrad", problem, learning_rate=learning_rate, fix="Use for example 0.1"))
        super().__init__(
            learning_rate,
            initial_accumulator_value=initial_accumulator_value,
            epsilon=epsilon,
            **kwargs,
        )
        if min(initial_accumulator_value, epsilon) < 0 or initial_accumulator_value == epsilon == 0:
            raise ArgumentError(
                explain(
                    "Adagrad",
                    "`initial_accumulator_value` and `epsilon` must be at least 0, and one of them positive",
                    fix="Use for example initial_accumulator_value=0.1 and epsilon=1e-7",
                    initial_accumulator_value=initial_accumulator_value,
                    epsilon=epsilon,
                )
            )

    def update_rows(self, rows: DistinctRows, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        accumulator = self.local_slot(self._accumulators, variable)
        accumulated = tf.gather(accumulator, rows.indices) + tf.square(rows.values)
        accumulator.scatter_update(rows.with_values(accumulated))
        variable.scatter_sub(rows.with_values(learning_rate * rows.values / tf.sqrt(accumulated + self.epsilon)))
