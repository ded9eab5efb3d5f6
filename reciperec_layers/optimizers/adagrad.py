from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from reciperec_layers.optimizers.sparse_rows import DistinctRows, RowSparseOptimizer

@keras.saving.register_keras_serializable(package="reciperec_layers")
class Adagrad(RowSparseOptimizer, keras.optimizers.Adagrad):
    def __init__(self, learning_rate=0.1, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(learning_rate, initial_accumulator_value=initial_accumulator_value, epsilon=epsilon, **kwargs)

    def update_rows(self, rows: DistinctRows, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        accumulator = self.local_slot(self._accumulators, variable)
        accumulated = tf.gather(accumulator, rows.indices) + tf.square(rows.values)
        accumulator.scatter_update(tf.IndexedSlices(accumulated, rows.indices))
        steps = learning_rate * rows.values / tf.sqrt(accumulated + self.epsilon)
        variable.scatter_sub(tf.IndexedSlices(steps, rows.indices))
