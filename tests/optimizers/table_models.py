"""Keras models whose table's gradient is row-sparse, with repeats, and whose other gradients are dense."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.optimizers.cases import NUM_ROWS

INDICES = np.array([[3, 1], [3, 3], [5, 1], [1, 3], [0, 8], [3, 0]])
TARGETS = np.linspace(-1, 1, len(INDICES), dtype=np.float32)[:, None]


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.dense = keras.layers.Embedding(NUM_ROWS, 3), keras.layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.dense(keras.ops.sum(self.table(inputs), axis=1))


def sequential() -> keras.Model:
    layers = [keras.layers.Embedding(NUM_ROWS, 3), keras.layers.Flatten(), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((2,), dtype="int32"), *layers])


def functional() -> keras.Model:
    inputs, table = keras.Input((2,), dtype="int32"), keras.layers.Embedding(NUM_ROWS, 3)
    read_twice = keras.layers.Add()([table(inputs[:, 0]), table(inputs[:, 1])])
    return keras.Model(inputs, keras.layers.Dense(1)(read_twice))


def dense(cls: type) -> type:
    """An optimizer class that gets the dense gradient of every variable."""

    class Dense(cls):
        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            super().apply([tf.convert_to_tensor(grad) for grad in grads], trainable_variables)

    return Dense


def compiled(optimizer: Any, make: Any = sequential, **compile_arguments: Any) -> keras.Model:
    keras.utils.set_random_seed(7)
    model = make()
    model.compile(optimizer, "mse", **compile_arguments)
    return model


def fit(model: keras.Model, batch_size: int = 4) -> list[np.ndarray]:
    model.fit(INDICES, TARGETS, batch_size=batch_size, shuffle=False, verbose=0)
    return [variable.numpy() for variable in (*model.weights, *model.optimizer.variables)]


def assert_close(actual: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
