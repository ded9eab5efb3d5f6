"""Adagrad, row-sparse."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_number
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.graph.sparse_rows import AllRows, DistinctRows
from reciperec_layers.optimizers.row_sparse_optimizer import RowSparseOptimizer
from reciperec_layers.saving.keras_names import serializable


@serializable
class Adagrad(RowSparseOptimizer, keras.optimizers.Adagrad):
    """Adagrad whose step costs as much as the batch, however large the embedding tables are.

    One step equals that of `keras.optimizers.Adagrad` with the dense gradient, also for rows that occur several times
    in a batch. With gradients `g` summed per row,

        accumulator += g ** 2
        variable -= learning_rate * g / sqrt(accumulator + epsilon)

    for the rows that the batch reads. Other rows stay bit-equal, and so do their accumulators. Gradients that are not
    `tf.IndexedSlices`, such as those of dense layers, are applied by Keras's own code.

    Use `keras.optimizers.Adagrad` for models without tables, or if the whole table must change at every step.

    Args:
        learning_rate: Number >= 0, `keras.optimizers.schedules.LearningRateSchedule`, or callable without arguments;
            defaults to 0.1.
        initial_accumulator_value: Value, >= 0, at which accumulators start; defaults to 0.1.
        epsilon: Number >= 0 under the square root; defaults to 1e-7. Must be positive if accumulators start at 0.
        **kwargs: Arguments of every optimizer of this package, as in Keras unless stated otherwise. `clipnorm`,
            `clipvalue` or `global_clipnorm`: clip summed rows; norms are computed on each replica separately.
            `loss_scale_factor`: factor of the loss. `weight_decay`: before a step, `variable -= variable *
            weight_decay * learning_rate`; in tables only for the rows that the batch reads, so a row decays as often
            as it is read; respects `exclude_from_weight_decay`. `gradient_accumulation_steps`: updates once in this
            many batches, with their mean gradient; until then the rows of these batches are kept, and saved. `name`.

    Raises:
        ArgumentError: A number is out of range, or `initial_accumulator_value` and `epsilon` are both 0. `use_ema` is
            set: it changes every row of a table at every step. In training: the model was compiled with
            `jit_compile=True` and a gradient is row-sparse or gradients are accumulated; or gradients are accumulated
            under a `tf.distribute` strategy.

    Example:
        >>> table = keras.Variable([[1.0], [1.0], [1.0]])
        >>> gradient = tf.IndexedSlices(tf.constant([[1.0], [2.0], [1.0]]), tf.constant([2, 0, 2]))
        >>> Adagrad(0.25, initial_accumulator_value=0.0).apply([gradient], [table])
        >>> table.numpy().ravel().tolist()
        [0.75, 1.0, 0.75]

    Source:
        Duchi, Hazan and Singer, Adaptive Subgradient Methods, JMLR 2011; the diagonal form, as in
        `keras.optimizers.Adagrad`, whose `sqrt(accumulator + epsilon)` differs from TensorFlow's raw operation. The
        default learning rate is 0.1, not Keras's 0.001.
    """

    def __init__(
        self,
        learning_rate: Any = 0.1,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        start = check_adagrad_start("Adagrad", initial_accumulator_value, epsilon)
        super().__init__(learning_rate, **start, **kwargs)

    def row_updates(self, rows: DistinctRows | AllRows, variable: tf.Variable, learning_rate: tf.Tensor) -> tf.Tensor:
        squares = tf.square(rows.values)
        accumulated = self.update_slot(self._accumulators, variable, rows, lambda old: old + squares)
        return learning_rate * rows.values / tf.sqrt(accumulated + self.epsilon)


def check_adagrad_start(owner: str, initial_accumulator_value: Any, epsilon: Any) -> dict[str, float]:
    """Returns the two numbers that keep the divisor of Adagrad positive.

    Raises:
        ArgumentError: One is out of its range, or both are 0.

    Example:
        >>> check_adagrad_start("Adagrad", 0, 0.0)
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Adagrad: `initial_accumulator_value` or `epsilon` must be positive...
    """
    start = check_number(owner, "initial_accumulator_value", initial_accumulator_value, least=0, example=0.1)
    epsilon = check_number(owner, "epsilon", epsilon, least=0, example=1e-7)
    if start == epsilon == 0:
        problem = "`initial_accumulator_value` or `epsilon` must be positive, or a zero gradient divides 0 by 0"
        fix = "Use for example initial_accumulator_value=0.1 and epsilon=1e-7"
        raise ArgumentError(explain(owner, problem, fix=fix, initial_accumulator_value=start, epsilon=epsilon))
    return {"initial_accumulator_value": start, "epsilon": epsilon}
