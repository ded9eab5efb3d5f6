"""Variables in bfloat16 and float16: computed in float32, rounded once a step. The rules are written out in NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.optimizers import SGD, Adagrad, Adam, LossScaleOptimizer, RowwiseAdagrad

HALF = pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
ROWS = [4, 1]


def adam(gradient, slots, step, rate, amsgrad=False):
    slots["m"] += np.float32(0.1) * (gradient - slots["m"])
    slots["v"] += np.float32(0.001) * (gradient**2 - slots["v"])
    slots["most"] = np.maximum(slots["most"], slots["v"])
    second = slots["most"] if amsgrad else slots["v"]
    rate = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    return rate * slots["m"] / (np.sqrt(second) + 1e-7)


def adagrad(gradient, slots, step, rate):
    slots["sums"] += gradient**2
    return rate * gradient / np.sqrt(slots["sums"] + 0.1 + 1e-7)


def rowwise_adagrad(gradient, slots, step, rate):
    slots["sums"] += (gradient**2).mean(axis=1, keepdims=True)
    return rate * gradient / np.sqrt(slots["sums"] + 0.1 + 1e-7)


def momentum(gradient, slots, step, rate, nesterov=False):
    slots["m"] = np.float32(0.9) * slots["m"] - rate * gradient
    return rate * gradient - np.float32(0.9) * slots["m"] if nesterov else -slots["m"]


RULES = {
    "Adam": (lambda: Adam(0.01), adam, 0.01),
    "amsgrad": (lambda: Adam(0.01, amsgrad=True), lambda *args: adam(*args, amsgrad=True), 0.01),
    "Adagrad": (lambda: Adagrad(0.01), adagrad, 0.01),
    "RowwiseAdagrad": (lambda: RowwiseAdagrad(0.01), rowwise_adagrad, 0.01),
    "SGD": (lambda: SGD(0.01), lambda gradient, slots, step, rate: rate * gradient, 0.01),
    "momentum": (lambda: SGD(0.01, momentum=0.9), momentum, 0.01),
    "nesterov": (lambda: SGD(0.01, momentum=0.9, nesterov=True), lambda *args: momentum(*args, nesterov=True), 0.01),
    "decay": (lambda: Adam(0.01, weight_decay=0.5), adam, 0.01),
}


def rounded(values, dtype):
    return values.astype(tf.as_dtype(dtype).as_numpy_dtype).astype(np.float32)


@HALF
@pytest.mark.parametrize("sparse", [True, False], ids=["rows", "dense"])
@pytest.mark.parametrize("name", RULES)
def test_steps_are_those_of_float32_rounded(name, sparse, dtype):
    make, rule, rate = RULES[name]
    generator = np.random.default_rng(3)
    expected = rounded(generator.normal(size=(6, 3)).astype(np.float32), dtype)
    slots = {key: np.zeros((6, 3), np.float32) for key in ("m", "v", "most", "sums")}
    table, optimizer = keras.Variable(expected, dtype=dtype), make()
    for step in range(1, 6):
        gradient = np.zeros((6, 3), np.float32)
        gradient[ROWS] = rounded(generator.normal(size=(2, 3)).astype(np.float32), dtype)
        decayed = expected * (1 - np.float32(rate * 0.5)) if name == "decay" else expected
        after = rounded(decayed - rule(gradient, slots, step, np.float32(rate)), dtype)
        expected = np.where(np.isin(np.arange(6), ROWS)[:, np.newaxis], after, expected) if sparse else after
        values = tf.cast(gradient, dtype)
        optimizer.apply([tf.IndexedSlices(tf.gather(values, ROWS), tf.constant(ROWS)) if sparse else values], [table])
    ulp = 2.0 ** (-8 if dtype == "bfloat16" else -11)
    np.testing.assert_allclose(keras.ops.cast(table, "float32").numpy(), expected, rtol=2 * ulp, atol=ulp / 10)


@HALF
def test_the_first_step_of_adam_moves_by_the_rate(dtype):
    table, kernel, scale = (keras.Variable(np.ones(shape), dtype=dtype) for shape in [(3, 2), (2, 2), ()])
    rows = tf.IndexedSlices(tf.ones((1, 2), dtype), tf.constant([1]))
    Adam(0.25).apply([rows, tf.ones((2, 2), dtype), tf.ones((), dtype)], [table, kernel, scale])
    as_float = [keras.ops.cast(each, "float32").numpy() for each in (table, kernel, scale)]
    np.testing.assert_array_equal(as_float[0], [[1, 1], [0.75, 0.75], [1, 1]])
    np.testing.assert_array_equal(as_float[1], np.full((2, 2), 0.75))
    assert as_float[2] == 0.75


def test_small_squares_are_not_lost_in_float16():
    """1e-4 squared is below the smallest number of float16, and so is Adam's epsilon next to it."""
    table, gradient = keras.Variable(np.ones((2, 1)), dtype="float16"), tf.constant([[1e-4], [1e-4]], tf.float16)
    optimizer = Adam(0.01)
    for _ in range(10):
        optimizer.apply([gradient], [table])
    np.testing.assert_allclose(table.numpy(), 0.9, atol=0.003)


@HALF
@pytest.mark.parametrize("options", [{"global_clipnorm": 1.0}, {"clipnorm": 1.0}], ids=str)
def test_a_norm_that_overflows_half_precision_is_clipped(dtype, options):
    table, values = keras.Variable(np.zeros((3, 2)), dtype=dtype), tf.constant([[300.0, 400.0]])
    SGD(1.0, **options).apply([tf.IndexedSlices(tf.cast(values, dtype), tf.constant([1]))], [table])
    np.testing.assert_allclose(keras.ops.cast(table, "float32").numpy()[1], [-0.6, -0.8], rtol=0.01)


@HALF
def test_repeats_and_pending_gradients_are_summed_in_float32(dtype):
    """bfloat16 counts no further than 256."""
    table = keras.Variable(np.zeros((3, 1)), dtype=dtype)
    optimizer = SGD(2**-9, gradient_accumulation_steps=2)
    for _ in range(2):
        optimizer.apply([tf.IndexedSlices(tf.ones((512, 1), dtype), tf.ones(512, tf.int32))], [table])
    np.testing.assert_array_equal(keras.ops.cast(table, "float32").numpy().ravel(), [0, -1, 0])


@HALF
@pytest.mark.parametrize("optimizer", [Adam, lambda rate: LossScaleOptimizer(Adam(rate), initial_scale=8.0)])
def test_a_model_in_half_precision_learns(dtype, optimizer):
    query, candidate = (
        rl.IdTower([7, 9], 2, feature=feature, dtype=dtype, seed=seed)
        for seed, feature in enumerate(["user_id", "recipe_id"])
    )
    model = rl.RetrievalModel(query, candidate, {"recipe_id": [7, 9]}, dtype=dtype)
    model.compile(optimizer(0.2))
    history = model.fit({"user_id": [7, 9], "recipe_id": [9, 7]}, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0] / 2


@pytest.mark.saving
def test_the_state_is_saved(tmp_path):
    towers = [rl.IdTower([7, 9], 2, feature=name, dtype="bfloat16", seed=1) for name in ("user_id", "recipe_id")]
    model = rl.RetrievalModel(*towers, {"recipe_id": [7, 9]})
    model.compile(Adam(0.02))
    model.fit({"user_id": [7, 9], "recipe_id": [9, 7]}, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for after, expected in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(after.numpy(), expected.numpy())
