"""What the tests of optimizers share: each optimizer beside its dense reference, gradients, and random state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from reciperec_layers import optimizers

NUM_ROWS = 9
SLOTS = ("momentums", "_momentums", "_velocities", "_velocity_hats", "_accumulators")


class NumpyRowwiseAdagrad(keras.optimizers.Optimizer):
    """Row-wise Adagrad of dense gradients in NumPy; what is not the rule itself is Keras's. Runs eagerly."""

    def __init__(self, learning_rate=0.1, initial_accumulator_value=0.1, epsilon=1e-7, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.start, self.epsilon = initial_accumulator_value, epsilon

    def build(self, variables):
        if not self.built:
            super().build(variables)
            start = keras.initializers.Constant(self.start)
            self._accumulators = [self.add_variable(each.shape[:1], start) for each in variables]

    def update_step(self, gradient, variable, learning_rate):
        accumulator = self._accumulators[self._get_variable_index(variable)]
        squares = gradient.numpy().astype(np.float64) ** 2
        accumulated = accumulator.numpy() + squares.reshape(*squares.shape[:1], -1).mean(axis=-1).reshape(
            accumulator.shape
        )
        accumulator.assign(accumulated)
        divisor = np.sqrt(accumulated + self.epsilon).reshape(accumulator.shape + (1,) * (squares.ndim - 1))
        variable.assign(variable.numpy() - float(learning_rate) * gradient.numpy() / divisor)


REFERENCES: dict[type, type] = {
    optimizers.SGD: keras.optimizers.SGD,
    optimizers.Adagrad: keras.optimizers.Adagrad,
    optimizers.RowwiseAdagrad: NumpyRowwiseAdagrad,
    optimizers.Adam: keras.optimizers.Adam,
}
OWN_OPTIONS: dict[type, list[dict[str, Any]]] = {
    optimizers.SGD: [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    optimizers.Adagrad: [{"initial_accumulator_value": 0.0, "epsilon": 1e-3}],
    optimizers.RowwiseAdagrad: [{"initial_accumulator_value": 0.0, "epsilon": 1e-3}],
    optimizers.Adam: [{"amsgrad": True}, {"beta_1": 0.5, "beta_2": 0.8, "epsilon": 1e-3}],
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"clipnorm": 0.7},
    {"clipvalue": 0.5},
    {"global_clipnorm": 0.7},
    {"loss_scale_factor": 8.0},
    {"loss_scale_factor": 8.0, "global_clipnorm": 0.1},
    {"weight_decay": 0.3},
    {"weight_decay": 0.3, "clipnorm": 0.7},
    {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.3, decay_steps=1, decay_rate=0.5)},
]
each_optimizer = pytest.mark.parametrize("cls", REFERENCES, ids=lambda cls: cls.__name__)


def options_of(cls: type) -> list[dict[str, Any]]:
    """Options of every optimizer, and those of this one with and without weight decay."""
    own = OWN_OPTIONS[cls]
    return [*OPTIONS, *own, *({**each, "weight_decay": 0.3} for each in own)]


def name_of(options: dict[str, Any]) -> str:
    return "-".join(f"{name}_{value if np.isscalar(value) else 'made'}" for name, value in options.items()) or "plain"


def slices(indices: Sequence[int], values: Any, num_rows: int = NUM_ROWS) -> tf.IndexedSlices:
    values = tf.constant(values, tf.float32)
    shape = tf.constant([num_rows, *values.shape[1:]], tf.int64)
    return tf.IndexedSlices(values, tf.constant(indices, tf.int64), shape)


def densified(gradient: tf.IndexedSlices) -> tf.Tensor:
    summed = np.zeros(gradient.dense_shape.numpy(), np.float32)
    np.add.at(summed, gradient.indices.numpy(), gradient.values.numpy())
    return tf.constant(summed)


def slots(optimizer: Any) -> list[Any]:
    """Slots of all variables, kind by kind."""
    return [slot for name in SLOTS for slot in getattr(optimizer, name, [])]


def state(optimizer: Any, variables: Sequence[Any]) -> list[np.ndarray]:
    return [each.numpy() for each in (*variables, *slots(optimizer))]


def pair(cls: type, shapes: Sequence[tuple[int, ...]], seed: int, **options: Any) -> tuple[tuple[Any, list[Any]], ...]:
    """An optimizer with variables and its reference with equal ones, in the same random state."""
    options = {"learning_rate": 0.1, **options}
    sides = []
    for make in (cls, REFERENCES[cls]):
        generator = np.random.default_rng(seed)
        variables = [keras.Variable(generator.normal(size=shape), dtype="float32") for shape in shapes]
        optimizer = make(**options)
        optimizer.build(variables)
        optimizer._iterations.assign(6 * int(generator.integers(3)))
        for slot in slots(optimizer):
            slot.assign(generator.uniform(0.1, 1, slot.shape))
        sides.append((optimizer, variables))
    return tuple(sides)


def assert_rows_follow(
    before: list[np.ndarray], after: list[np.ndarray], expected: list[np.ndarray], touched: np.ndarray
) -> None:
    """Asserts that rows of tables and their slots are as expected where touched, and bit-equal elsewhere."""
    for was, now, should_be in zip(before, after, expected, strict=True):
        if was.shape[:1] == touched.shape:
            np.testing.assert_allclose(now[touched], should_be[touched], rtol=1e-6, atol=1e-6)
            np.testing.assert_array_equal(now[~touched], was[~touched])
        else:
            np.testing.assert_allclose(now, should_be, rtol=1e-6, atol=1e-6)


def is_touched(batches: Sequence[Sequence[int]]) -> np.ndarray:
    return np.isin(np.arange(NUM_ROWS), [index for indices in batches for index in indices])
