"""Loss scaling: ours and Keras's around our optimizers equal Keras's around dense ones."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError
from reciperec_layers.optimizers import SGD, Adagrad, LossScaleOptimizer
from tests.optimizers.cases import NUM_ROWS, densified, slices
from tests.optimizers.table_models import assert_close, compiled, dense, fit

WRAPPERS = pytest.mark.parametrize(
    "wrapper", [LossScaleOptimizer, keras.optimizers.LossScaleOptimizer], ids=["ours", "of_keras"]
)
STEPS = [[[1.0], [2.0]], [[np.inf], [1.0]], [[1.0], [3.0]], [[2.0], [np.nan]], *[[[0.5], [0.25]]] * 3]


@pytest.fixture
def mixed_float16():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.usefixtures("mixed_float16")
def test_mixed_precision_equals_dense_mixed_precision():
    expected = fit(compiled(dense(keras.optimizers.Adagrad)(0.1)))
    by_keras = compiled(Adagrad(0.1))
    assert type(by_keras.optimizer) is keras.optimizers.LossScaleOptimizer
    assert_close(fit(by_keras), expected)
    assert_close(fit(compiled(LossScaleOptimizer(Adagrad(0.1)))), expected)


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("options", [{}, {"gradient_accumulation_steps": 2}], ids=str)
@WRAPPERS
def test_steps_and_scales_equal_those_of_keras(wrapper, options, in_graph):
    """Steps that are not finite are left out, and the scale halves there and grows after two that are."""
    ours, theirs = (
        make(rule(0.1, **options), initial_scale=4.0, dynamic_growth_steps=2)
        for make, rule in ((wrapper, Adagrad), (keras.optimizers.LossScaleOptimizer, keras.optimizers.Adagrad))
    )
    tables = [keras.Variable(np.ones((NUM_ROWS, 1)), dtype="float32") for _ in range(2)]
    for optimizer, table in zip((ours, theirs), tables, strict=True):
        optimizer.build([table])

    def step(values):
        ours.apply([tf.IndexedSlices(values, tf.constant([2, 5], tf.int64), [NUM_ROWS, 1])], [tables[0]])

    step = tf.function(step) if in_graph else step
    for values in STEPS:
        step(tf.constant(values))
        theirs.apply([densified(slices([2, 5], values))], [tables[1]])
        np.testing.assert_allclose(tables[0].numpy(), tables[1].numpy(), rtol=1e-6)
        assert float(ours.dynamic_scale) == float(theirs.dynamic_scale)
        assert int(ours.step_counter) == int(theirs.step_counter)
        assert int(ours.iterations) == int(theirs.iterations)


def test_it_also_wraps_optimizers_of_keras():
    optimizer, table = LossScaleOptimizer(keras.optimizers.Adagrad(0.1), initial_scale=2.0), keras.Variable([[1.0]] * 9)
    optimizer.apply([slices([3, 3], [[2.0], [4.0]])], [table])
    assert table.numpy()[3] == pytest.approx(1 - 0.1 * 3 / np.sqrt(9.1), abs=1e-6)


def test_xla_is_refused():
    with pytest.raises(ArgumentError, match="^LossScaleOptimizer: XLA cannot compile row-sparse updates"):
        fit(compiled(LossScaleOptimizer(SGD(0.1)), jit_compile=True))


def two_towers(**options) -> rl.RetrievalModel:
    towers = [rl.IdTower([7, 9], 2, feature=feature) for feature in ("user_id", "recipe_id")]
    return rl.RetrievalModel(*towers, candidate_id="recipe_id", **options)


@pytest.mark.parametrize(
    ("policy", "optimizer", "arguments", "expected"),
    [
        ("mixed_float16", SGD, {}, LossScaleOptimizer),
        ("mixed_float16", SGD, {"auto_scale_loss": False}, SGD),
        ("mixed_float16", keras.optimizers.SGD, {}, keras.optimizers.LossScaleOptimizer),
        ("mixed_float16", lambda: LossScaleOptimizer(SGD(), initial_scale=2.0), {}, LossScaleOptimizer),
        ("mixed_bfloat16", SGD, {}, SGD),
        (None, SGD, {}, SGD),
    ],
    ids=["wrapped", "told_not_to", "of_keras", "wrapped_before", "no_need", "float32"],
)
def test_retrieval_models_wrap_what_their_own_policy_asks_for(policy, optimizer, arguments, expected):
    model = two_towers(dtype=policy)
    model.compile(optimizer(), **arguments)
    assert type(model.optimizer) is expected
    again = two_towers(dtype=policy)
    again.compile_from_config(model.get_compile_config())
    assert type(again.optimizer) is expected
    assert again.optimizer.get_config() == model.optimizer.get_config()


@pytest.mark.usefixtures("mixed_float16")
def test_retrieval_models_train_in_mixed_precision():
    model = two_towers()
    model.compile(SGD(0.1))
    before = model.get_weights()
    model.fit({"user_id": [7, 9], "recipe_id": [9, 7]}, verbose=0)
    assert model.optimizer.iterations.numpy() == 1
    assert any((one != other).any() for one, other in zip(before, model.get_weights(), strict=True))
