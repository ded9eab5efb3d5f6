"""What is refused, and what a config carries."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reciperec_layers.errors import ArgumentError
from reciperec_layers.optimizers import SGD, Adagrad, Adam, LossScaleOptimizer, RowwiseAdagrad
from tests.optimizers.cases import REFERENCES, each_optimizer, name_of, options_of

NAN, INF = float("nan"), float("inf")
OF_ALL = {
    "learning_rate": (-0.1, NAN, INF, True, "0.1", None),
    "weight_decay": (-0.1, NAN, INF, "0.1"),
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm", "loss_scale_factor"), (0, -1.0, NAN, INF)),
    "gradient_accumulation_steps": (0, 1, -2, 2.0, True),
}
OF_ONE = [
    *((SGD, "momentum", value) for value in (-0.1, 1.0, NAN)),
    *((cls, name, -0.1) for cls in (Adagrad, RowwiseAdagrad) for name in ("initial_accumulator_value", "epsilon")),
    *((Adam, name, value) for name in ("beta_1", "beta_2") for value in (-0.1, 1.0, NAN)),
    *((Adam, "epsilon", value) for value in (0.0, -1e-7, INF)),
]


@each_optimizer
@pytest.mark.parametrize("name", OF_ALL)
def test_bad_values_of_every_optimizer_are_refused(cls, name):
    for value in OF_ALL[name]:
        with pytest.raises(ArgumentError, match=rf"^{cls.__name__}: `{name}` must be .* Received: {name}="):
            cls(**{name: value})


@pytest.mark.parametrize(("cls", "name", "value"), OF_ONE)
def test_bad_values_of_one_optimizer_are_refused(cls, name, value):
    with pytest.raises(ArgumentError, match=rf"^{cls.__name__}: `{name}` must be a .*number .* Received: {name}="):
        cls(**{name: value})


@each_optimizer
def test_a_moving_average_is_refused(cls):
    of_keras = keras.optimizers.Adagrad if cls is RowwiseAdagrad else REFERENCES[cls]
    said = rf"`use_ema` changes every row.*use_ema=True\. Leave .*, or use keras\.optimizers\.{of_keras.__name__}\.$"
    with pytest.raises(ArgumentError, match=f"^{cls.__name__}: {said}"):
        cls(use_ema=True)


@pytest.mark.parametrize("cls", [Adagrad, RowwiseAdagrad])
def test_zero_over_zero_is_refused(cls):
    with pytest.raises(ArgumentError, match="must be positive"):
        cls(initial_accumulator_value=0.0, epsilon=0.0)
    cls(initial_accumulator_value=0.0, epsilon=1e-7)
    cls(initial_accumulator_value=0.1, epsilon=0.0)


@each_optimizer
def test_integers_and_numbers_of_numpy_are_taken(cls):
    assert float(cls(1).learning_rate) == 1.0
    assert cls(np.float64(0.5), weight_decay=np.float32(0.25)).get_config()["weight_decay"] == 0.25


@each_optimizer
def test_config_round_trip(cls):
    for options in [*options_of(cls), {"gradient_accumulation_steps": 4}]:
        optimizer = cls(**options, name="rows")
        config = keras.saving.serialize_keras_object(optimizer)
        assert config["registered_name"] == f"reciperec_layers>{cls.__name__}"
        for make in (keras.saving.deserialize_keras_object, keras.optimizers.get):
            again = make(config)
            assert type(again) is cls, name_of(options)
            assert again.get_config() == optimizer.get_config()


@each_optimizer
def test_defaults_are_those_of_keras(cls):
    """But for the rate of Adagrad, where Keras has 0.001, and for the names."""
    if cls is not RowwiseAdagrad:
        ours, theirs = cls().get_config(), REFERENCES[cls]().get_config()
        differences = {name for name in theirs if ours[name] != theirs[name]}
        assert differences <= {"name", *(["learning_rate"] if cls is Adagrad else [])}


@pytest.mark.parametrize("inner", ["adam", None, Adagrad])
def test_loss_scaling_takes_only_optimizers(inner):
    with pytest.raises(
        ArgumentError, match="^LossScaleOptimizer: `inner_optimizer` must be a Keras optimizer. Received"
    ):
        LossScaleOptimizer(inner)


@pytest.mark.parametrize("scale", [0, -1.0, NAN, INF, True, "8", None])
def test_bad_scales_are_refused(scale):
    with pytest.raises(
        ArgumentError, match="^LossScaleOptimizer: `initial_scale` must be a finite number > 0. Received"
    ):
        LossScaleOptimizer(Adagrad(), initial_scale=scale)


def test_loss_scaling_round_trip():
    optimizer = LossScaleOptimizer(Adam(0.1, amsgrad=True), initial_scale=8.0, dynamic_growth_steps=3, name="scaled")
    again = keras.optimizers.get(keras.optimizers.serialize(optimizer))
    assert type(again) is LossScaleOptimizer
    assert type(again.inner_optimizer) is Adam
    assert again.get_config() == optimizer.get_config()
