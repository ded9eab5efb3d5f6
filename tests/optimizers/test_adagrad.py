"""The expected values are those of `keras.optimizers.Adagrad` with dense gradients."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError
from reciperec_layers.optimizers import Adagrad

NUM_ROWS = 9
INDICES = np.array([[3, 1], [3, 3], [5, 1], [1, 3], [0, 8], [3, 0]])
TARGETS = np.linspace(-1, 1, len(INDICES), dtype=np.float32)[:, None]
CLIPPING: list[dict[str, Any]] = [{}, {"clipnorm": 0.7}, {"clipvalue": 0.5}, {"global_clipnorm": 0.7}]
OPTIONS: list[dict[str, Any]] = [
    *CLIPPING,
    {"initial_accumulator_value": 0.0, "epsilon": 1e-3},
    {"loss_scale_factor": 8.0},
    {"loss_scale_factor": 8.0, "global_clipnorm": 0.1},
    {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.3, decay_steps=1, decay_rate=0.5)},
    {"learning_rate": lambda: 0.2},
]


class DenseAdagrad(keras.optimizers.Adagrad):
    """Keras's Adagrad, given the dense gradient of every variable."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        super().apply([tf.convert_to_tensor(grad) for grad in grads], trainable_variables)


@pytest.fixture
def dtype_policy(request: pytest.FixtureRequest) -> Iterator[str]:
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


def slices(indices: list[int], values: Any, num_rows: int = NUM_ROWS) -> tf.IndexedSlices:
    values = tf.constant(values, tf.float32)
    shape = tf.constant([num_rows, *values.shape[1:]], tf.int64)
    return tf.IndexedSlices(values, tf.constant(indices, tf.int64), shape)


def densified(gradient: tf.IndexedSlices) -> tf.Tensor:
    summed = np.zeros(gradient.dense_shape.numpy(), np.float32)
    np.add.at(summed, gradient.indices.numpy(), gradient.values.numpy())
    return tf.constant(summed)


def table_model(optimizer: keras.optimizers.Optimizer, **compile_arguments: Any) -> keras.Model:
    """A compiled model whose table's gradient is row-sparse, with repeats, and whose other gradients are dense."""
    keras.utils.set_random_seed(7)
    layers = [keras.layers.Embedding(NUM_ROWS, 3), keras.layers.Flatten(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((2,), dtype="int32"), *layers])
    model.compile(optimizer, "mse", **compile_arguments)
    return model


def fit(model: keras.Model) -> list[np.ndarray]:
    model.fit(INDICES, TARGETS, batch_size=4, shuffle=False, verbose=0)
    return [variable.numpy() for variable in (*model.weights, *model.optimizer.variables)]


def assert_close(actual: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@settings(max_examples=50)
@given(
    batches=st.lists(st.lists(st.integers(0, NUM_ROWS - 1), max_size=8), min_size=1, max_size=3),
    row_shape=st.sampled_from([(), (3,), (2, 2)]),
    options=st.sampled_from(OPTIONS),
    seed=st.integers(0, 2**32 - 1),
)
def test_steps_equal_dense_steps_of_keras(batches, row_shape, options, seed):
    generator = np.random.default_rng(seed)
    table, kernel = generator.normal(size=(NUM_ROWS, *row_shape)), generator.normal(size=(2, 2))
    options = {"learning_rate": 0.1, **options}
    ours, theirs = Adagrad(**options), keras.optimizers.Adagrad(**options)
    our_variables, their_variables = (
        [keras.Variable(value, dtype="float32") for value in (table, kernel)] for _ in range(2)
    )
    ours.build(our_variables)
    before = [our_variables[0].numpy(), ours.variables[-2].numpy()]
    for indices in batches:
        of_table = slices(indices, generator.normal(size=(len(indices), *row_shape)))
        of_kernel = tf.constant(generator.normal(size=(2, 2)), tf.float32)
        ours.apply([of_table, of_kernel], our_variables)
        theirs.apply([densified(of_table), of_kernel], their_variables)
    after = [our_variables[0].numpy(), ours.variables[-2].numpy()]
    expected = [their_variables[0].numpy(), theirs.variables[-2].numpy()]

    touched = np.isin(np.arange(NUM_ROWS), [index for indices in batches for index in indices])
    assert_close([each[touched] for each in after], [each[touched] for each in expected])
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(now[~touched], was[~touched])
    # The global norm adds up the table in another order; nothing else reaches from the table to other variables.
    rounding = 1e-6 if "global_clipnorm" in options else 0
    for one, other in ((our_variables[1], their_variables[1]), (ours.variables[-1], theirs.variables[-1])):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=rounding)


@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 0.7}], ids=str)
def test_fit_equals_dense_fit_of_keras(options):
    assert_close(fit(table_model(Adagrad(0.1, **options))), fit(table_model(DenseAdagrad(0.1, **options))))


def test_keras_itself_is_wrong_where_rows_repeat():
    """Why `DenseAdagrad` is the reference; when this fails, Keras sums repeats."""
    table = keras.Variable(np.ones((NUM_ROWS, 1)))
    keras.optimizers.Adagrad(0.1).apply([slices([3, 3, 3], [[2.0]] * 3)], [table])
    ours = keras.Variable(np.ones((NUM_ROWS, 1)))
    Adagrad(0.1).apply([slices([3, 3, 3], [[2.0]] * 3)], [ours])
    assert table.numpy()[3] < 0.85
    assert ours.numpy()[3] == pytest.approx(1 - 0.1 * 6 / np.sqrt(36.1), abs=1e-6)


@pytest.mark.parametrize("options", [*CLIPPING, {"loss_scale_factor": 8.0}], ids=str)
def test_no_operation_reads_or_makes_a_whole_table(options):
    num_rows = 1013
    table, optimizer = keras.Variable(np.zeros((num_rows, 2))), Adagrad(0.1, **options)
    optimizer.build([table])

    @tf.function
    def step() -> None:
        optimizer.apply([slices([1, 1, 4], np.ones((3, 2)), num_rows)], [table])

    operations = step.get_concrete_function().graph.get_operations()
    shapes = {each.name: each.shape for operation in operations for each in operation.outputs}
    assert [name for name, shape in shapes.items() if shape.rank and num_rows in shape.as_list()] == []


@pytest.mark.usefixtures("dtype_policy")
@pytest.mark.parametrize("dtype_policy", ["mixed_float16"], indirect=True)
def test_mixed_precision_equals_dense_mixed_precision():
    model = table_model(Adagrad(0.1))
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert_close(fit(model), fit(table_model(DenseAdagrad(0.1))))


def test_loss_scaling_skips_steps_that_are_not_finite():
    table = keras.Variable(np.ones((NUM_ROWS, 1)))
    optimizer = keras.optimizers.LossScaleOptimizer(Adagrad(0.1), initial_scale=4.0)
    optimizer.apply([slices([2, 5], [[1.0], [np.inf]])], [table])
    np.testing.assert_array_equal(table.numpy(), np.ones((NUM_ROWS, 1)))
    optimizer.apply([slices([2, 2], [[1.0], [2.0]])], [table])  # the scale is 2 now
    assert table.numpy()[2] == pytest.approx(1 - 0.1 * 1.5 / np.sqrt(0.1 + 1.5**2), abs=1e-6)


@pytest.mark.parametrize(
    "refused", [{"weight_decay": 0.01}, {"use_ema": True}, {"gradient_accumulation_steps": 2}], ids=str
)
def test_what_changes_every_row_is_refused(refused):
    (name, value), *_ = refused.items()
    with pytest.raises(ArgumentError, match=rf"^Adagrad: `{name}` changes every row.*{name}={value}\. Leave"):
        Adagrad(0.1, **refused)


@pytest.mark.parametrize("given", [{"epsilon": -1.0}, {"initial_accumulator_value": -0.1}], ids=str)
def test_negative_numbers_are_refused(given):
    with pytest.raises(ArgumentError, match=r"^Adagrad: .* must be at least 0"):
        Adagrad(**given)


def test_zero_over_zero_is_refused():
    with pytest.raises(ArgumentError, match="one of them positive"):
        Adagrad(initial_accumulator_value=0.0, epsilon=0.0)
    Adagrad(initial_accumulator_value=0.0, epsilon=1e-7)
    Adagrad(initial_accumulator_value=0.1, epsilon=0.0)


def test_xla_compiles_dense_models():
    def fitted(optimizer: keras.optimizers.Optimizer) -> list[np.ndarray]:
        keras.utils.set_random_seed(7)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizer, "mse", jit_compile=True)
        return fit(model)

    assert_close(fitted(Adagrad(0.1)), fitted(keras.optimizers.Adagrad(0.1)))


def test_xla_is_refused_for_tables():
    with pytest.raises(
        ArgumentError, match=r"^Adagrad: XLA cannot compile.*jit_compile=True\. Compile.*jit_compile=False"
    ):
        fit(table_model(Adagrad(0.1), jit_compile=True))


@pytest.mark.parametrize("options", OPTIONS[:-1], ids=lambda options: "-".join(options) or "defaults")
def test_config_round_trip(options):
    optimizer = Adagrad(**options, name="rows")
    config = keras.saving.serialize_keras_object(optimizer)
    assert config["registered_name"] == "reciperec_layers>Adagrad"
    for again in (keras.saving.deserialize_keras_object(config), keras.optimizers.get(config)):
        assert type(again) is Adagrad
        assert again.get_config() == optimizer.get_config()


@pytest.mark.saving
@pytest.mark.parametrize("dtype_policy", ["float32", "mixed_float16"], indirect=True)
def test_training_goes_on_bit_equal_in_a_new_process(dtype_policy, tmp_path, run_python):
    model = table_model(Adagrad(0.1, global_clipnorm=0.7))
    fit(model)
    model.save(tmp_path / "model.keras")
    expected = fit(model)
    np.savez(tmp_path / "data.npz", indices=INDICES, targets=TARGETS)
    run_python(
        textwrap.dedent(f"""
            import keras, numpy as np
            import reciperec_layers.optimizers

            keras.config.set_dtype_policy({dtype_policy!r})
            model = keras.models.load_model("model.keras")
            data = np.load("data.npz")
            model.fit(data["indices"], data["targets"], batch_size=4, shuffle=False, verbose=0)
            np.savez("after.npz", *[each.numpy() for each in (*model.weights, *model.optimizer.variables)])
        """)
    )
    after = np.load(tmp_path / "after.npz")
    for index, value in enumerate(expected):
        np.testing.assert_array_equal(after[f"arr_{index}"], value)


def test_mirrored_training_equals_one_device(tmp_path, run_python):
    """In a new process, because logical devices are made before TensorFlow starts."""
    run_python(
        textwrap.dedent("""
            import keras, numpy as np, tensorflow as tf
            from reciperec_layers.optimizers import Adagrad

            cpu, *_ = tf.config.list_physical_devices("CPU")
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
            indices = np.random.default_rng(3).integers(0, 9, (32, 2))
            targets = np.linspace(-1, 1, len(indices), dtype="float32")[:, None]

            def train(strategy):
                keras.utils.set_random_seed(7)
                with strategy.scope():
                    layers = [keras.layers.Embedding(12, 3), keras.layers.Flatten(), keras.layers.Dense(1)]
                    model = keras.Sequential([keras.Input((2,), dtype="int32"), *layers])
                    model.compile(Adagrad(0.1), "mse")
                model.fit(indices, targets, batch_size=8, epochs=2, shuffle=False, verbose=0)
                return [each.numpy() for each in (*model.weights, *model.optimizer.variables)]

            expected = train(tf.distribute.get_strategy())
            for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
                for one, other in zip(train(tf.distribute.MirroredStrategy(devices)), expected, strict=True):
                    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6, err_msg=str(devices))
        """)
    )


@pytest.mark.parametrize("learning_rate", [-1, float("nan"), float("inf")])
def test_a_learning_rate_that_leads_away_is_refused(learning_rate):
    with pytest.raises(ArgumentError, match="`learning_rate` must be a finite number >= 0"):
        Adagrad(learning_rate)
