"""A config may name what models are made of, and nothing that opens, downloads, executes or is called later."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reciperec_layers.errors import ModelFileError, PluginError
from reciperec_layers.saving.config_objects import check_objects
from reciperec_layers.testing.config_damage import TRAPS


def double(inputs):
    return 2 * inputs


@pytest.mark.parametrize("name", sorted(set(TRAPS) - {"an unknown class"}))
def test_traps_are_refused_at_any_depth(name):
    for config in (TRAPS[name], {"config": {"layers": [1, [TRAPS[name]]]}}):
        with pytest.raises(ModelFileError, match="load_model: the config names what a model cannot be made of"):
            check_objects(config)


MADE = {
    "activation": lambda: keras.layers.Dense(2, activation="relu", kernel_initializer=keras.initializers.HeNormal(1)),
    "operation": lambda: keras.layers.Activation(keras.ops.softplus),
    "functions": lambda: keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(), kernel_constraint="non_neg"),
    "policy": lambda: keras.layers.Dense(2, dtype="mixed_bfloat16"),
    "array": lambda: keras.layers.Rescaling(np.array([1.0, 2.0])),
    "loss": lambda: keras.losses.MeanSquaredError(),
    "wrapped": lambda: keras.metrics.MeanMetricWrapper(keras.metrics.mean_squared_error),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10)),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)),
    "vocabulary": lambda: keras.layers.StringLookup(vocabulary=["pie"]),
    "nested": lambda: keras.Sequential([keras.Input((3, 2)), keras.layers.GRU(2), keras.layers.Dropout(0.5, seed=1)]),
}


@pytest.mark.parametrize("name", MADE)
def test_what_keras_writes_is_allowed(name):
    config = keras.saving.serialize_keras_object(MADE[name]())
    check_objects(config)
    check_objects({"class_name": "Any", "module": None, "config": {"inner": [config]}})


def test_functional_models_are_allowed():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs) + keras.ops.sum(inputs, axis=1, keepdims=True))
    model.compile("adam", "mse", ["mae"])
    check_objects(keras.saving.serialize_keras_object(model))


def test_functions_of_this_process_are_allowed_where_they_are_registered():
    config = {"module": __name__, "class_name": "function", "config": "double", "registered_name": "double"}
    with pytest.raises(PluginError):
        check_objects(config)
    with keras.saving.custom_object_scope({"double": double}):
        check_objects(config)
        with pytest.raises(ModelFileError, match="`learning_rate` in a file must be a number or a schedule"):
            check_objects({"learning_rate": config})  # training would call it


def test_code_is_allowed_without_safe_mode():
    check_objects(TRAPS["code"], safe_mode=False)
    check_objects(TRAPS["a SavedModel"], safe_mode=False)
    with pytest.raises(ModelFileError):
        check_objects(TRAPS["a download"], safe_mode=False)


def test_depth_is_no_problem():
    config: dict = {}
    for _ in range(100_000):
        config = {"inner": [config]}
    check_objects(config)


def test_what_keras_would_expand_is_refused():
    metric = keras.saving.serialize_keras_object(keras.metrics.AUC())
    metric["config"]["num_thresholds"] = 10**9
    with pytest.raises(ModelFileError, match="the config names what a model cannot be made of"):
        check_objects(metric)
    layer = keras.saving.serialize_keras_object(keras.layers.Dense(2))
    layer["config"]["name"] = "dense" * 1000
    with pytest.raises(ModelFileError, match="a name in the config is too long"):
        check_objects(layer)
