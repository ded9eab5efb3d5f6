"""SGD with momentum, row-sparse."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_number
from reciperec_layers.graph.sparse_rows import AllRows, DistinctRows
from reciperec_layers.optimizers.row_sparse_optimizer import RowSparseOptimizer
from reciperec_layers.saving.keras_names import serializable


@serializable
class SGD(RowSparseOptimizer, keras.optimizers.SGD):
    """Gradient descent with momentum, whose step costs as much as the batch, however large the tables are.

    For the rows that the batch reads, one step equals that of `keras.optimizers.SGD` with the dense gradient. With
    gradients `g` summed per row,

        momentum_row = momentum * momentum_row - learning_rate * g
        variable += momentum_row                                        # or, with nesterov=True:
        variable += momentum * momentum_row - learning_rate * g

    Other rows stay bit-equal, and so do their momentums: Keras's dense rule keeps moving a row after its last batch;
    this one waits for the next batch that reads the row. Gradients that are not `tf.IndexedSlices` are applied by
    Keras's own code.

    Args:
        learning_rate: Number >= 0, `keras.optimizers.schedules.LearningRateSchedule`, or callable without arguments;
            defaults to 0.01.
        momentum: Number in [0, 1); with 0, the default, there are no slots.
        nesterov: Whether to use Nesterov momentum; defaults to `False`.
        **kwargs: Arguments of every optimizer of this package, see `Adagrad`.

    Raises:
        ArgumentError: `momentum` is out of range; otherwise see `Adagrad`.

    Example:
        >>> table = keras.Variable([[1.0], [1.0], [1.0]])
        >>> gradient = tf.IndexedSlices(tf.constant([[1.0], [2.0], [1.0]]), tf.constant([2, 0, 2]))
        >>> optimizer = SGD(0.25, momentum=0.5)
        >>> for step in range(2):
        ...     optimizer.apply([gradient], [table])
        >>> table.numpy().ravel().tolist()
        [-0.25, 1.0, -0.25]

    Source:
        `keras.optimizers.SGD`; Sutskever et al., On the Importance of Initialization and Momentum, ICML 2013. Momentums
        of rows that no batch reads do not decay.
    """

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any) -> None:
        momentum = check_number("SGD", "momentum", momentum, least=0, below=1, example=0.9)
        super().__init__(learning_rate, momentum=momentum, nesterov=nesterov, **kwargs)

    def row_updates(self, rows: DistinctRows | AllRows, variable: tf.Variable, learning_rate: tf.Tensor) -> tf.Tensor:
        step = learning_rate * rows.values
        if not self.momentum:
            return step
        momentums = self.update_slot(self.momentums, variable, rows, lambda old: self.momentum * old - step)
        return step - self.momentum * momentums if self.nesterov else -momentums
