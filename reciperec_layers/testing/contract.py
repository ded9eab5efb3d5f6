"""Contract suites for serializable classes and towers, each run by one line of a test."""

from __future__ import annotations

import inspect
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.columns.tensors import to_tensor
from reciperec_layers.saving.keras_names import register_name

_Make = Callable[[], Any]
_Check = Callable[[], object]


def check_serializable(
    make: _Make, inputs: Any = None, *, larger: _Make | None = None, skip: Mapping[str, str] | None = None
) -> None:
    """Checks that a class survives saving and loading with plain `keras.models.load_model`.

    The checks, by name:

    - `config_is_json`: the serialized config is JSON.
    - `config_has_all`: the config has every named argument of the constructor.
    - `config_round_trip`: an object created from the config has an equal config.
    - `config_size`: with `larger`, the config does not grow with the vocabulary.
    - `symbolic`: symbolic and eager calls agree in shape and dtype.
    - `clone`: an object created from the config gives equal outputs once it has the weights.
    - `functional`, `subclassed`, `alone`, `sequential`: saved in a model of this kind, or on its own, and loaded, it
      gives bit-equal outputs. `alone` needs a single argument, `sequential` a single tensor.

    The checks from `symbolic` on are for layers and need `inputs`.

    Args:
        make: Returns a new object. Give its arguments values other than the defaults; otherwise a lost argument goes
            unnoticed.
        inputs: Arguments of the layer's call: an array or tensor, a dict of them by column, or a tuple of several
            positional arguments. The first axis is the batch, with at least 2 rows.
        larger: Returns an object like that of `make` with a much larger vocabulary.
        skip: Checks that do not apply, by name, each with its reason.

    Raises:
        AssertionError: A check fails; names the class and the check.
        ValueError: `skip` names an unknown check.

    Example:
        >>> from reciperec_layers.layers import MLP
        >>> check_serializable(lambda: MLP(3, 2, hidden_units=(4,), seed=1), np.ones((2, 3)))
    """
    run_checks({**config_checks(make, larger), **layer_checks(make, inputs)}, make, skip)


def check_tower(
    make: _Make, inputs: Any, *, larger: _Make | None = None, skip: Mapping[str, str] | None = None
) -> None:
    """Checks that a tower fulfils the contract of towers.

    The checks are those of `check_serializable`, and:

    - `output`: the output is floating-point, of shape `(batch, ..., embedding_dim)`.
    - `neighbours`: a row's embedding does not depend on the other rows of the batch.
    - `training`: every trainable weight has a gradient, and a step changes the output.
    - `mixed_precision`: under a mixed policy outputs have the compute dtype and weights stay float32.

    Args:
        make: Returns a new tower, as for `check_serializable`.
        inputs: As for `check_serializable`.
        larger: As for `check_serializable`.
        skip: As for `check_serializable`.

    Raises:
        AssertionError: A check fails; names the class and the check.
        ValueError: `skip` names an unknown check.

    Example:
        >>> from reciperec_layers.towers import IdTower
        >>> check_tower(
        ...     lambda: IdTower([7, 9], 4, num_oov_indices=2, normalize=True),
        ...     np.array([9, 7, 5]),
        ...     larger=lambda: IdTower(np.arange(1000), 4, num_oov_indices=2, normalize=True),
        ... )
    """
    tensors = _to_tensors(inputs)
    towers = {
        "output": lambda: _check_output(make(), tensors),
        "neighbours": lambda: check_neighbours(make(), tensors),
        "training": lambda: check_training(make(), tensors),
        "mixed_precision": lambda: check_mixed_precision(make, tensors),
    }
    run_checks({**config_checks(make, larger), **layer_checks(make, inputs), **towers}, make, skip)


def run_checks(checks: dict[str, _Check], make: _Make, skip: Mapping[str, str] | None) -> None:
    """Runs checks by name; an `AssertionError` names the class and the check.

    Args:
        checks: Checks by name; each raises if it fails.
        make: Returns an object, whose class messages name.
        skip: Checks that do not apply, by name, each with its reason.

    Raises:
        ValueError: `skip` names an unknown check.

    Example:
        >>> run_checks({"positive": lambda: None}, int, skip=None)
    """
    unknown = set(skip or ()) - checks.keys()
    if unknown:
        raise ValueError(f"No check is called {sorted(unknown)}. The checks of this call are: {', '.join(checks)}.")
    for name, check in checks.items():
        if name in (skip or ()):
            continue
        try:
            check()
        except Exception as error:
            owner = type(make()).__name__
            raise AssertionError(f"{owner} fails the check {name!r}: {type(error).__name__}: {error}") from error


def config_checks(make: _Make, larger: _Make | None) -> dict[str, _Check]:
    """Returns the checks of configs, by name, as `check_serializable` has them."""
    checks: dict[str, _Check] = {
        "config_is_json": lambda: _config_text(make()),
        "config_has_all": lambda: _check_config_has_all(make()),
        "config_round_trip": lambda: _check_config_round_trip(make()),
    }
    if larger is not None:
        checks["config_size"] = lambda: _check_config_size(make(), larger())
    return checks


def layer_checks(make: _Make, inputs: Any) -> dict[str, _Check]:
    """Returns the checks of symbolic calls and of saving, by name, as `check_serializable` has them."""
    if inputs is None:
        return {}
    tensors = _to_tensors(inputs)
    checks: dict[str, _Check] = {
        "symbolic": lambda: _check_symbolic(make(), tensors),
        "clone": lambda: _check_clone(make(), tensors),
        "functional": lambda: _check_saved(_functional(make(), tensors), tensors),
        "subclassed": lambda: _check_saved(_Subclassed(make()), tensors),
    }
    if not isinstance(tensors, tuple):
        checks["alone"] = lambda: _check_saved(make(), tensors)
    if isinstance(tensors, tf.Tensor):
        checks["sequential"] = lambda: _check_saved(keras.Sequential([make()]), tensors)
    return checks


def _config_text(item: Any) -> str:
    return json.dumps(keras.saving.serialize_keras_object(item))


def _check_config_has_all(item: Any) -> None:
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(type(item)).parameters.values()
    missing = {parameter.name for parameter in parameters if parameter.kind in named} - item.get_config().keys()
    assert not missing, f"get_config lacks the arguments {sorted(missing)}"


def _check_config_round_trip(item: Any) -> None:
    remade = {
        "from_config(get_config())": type(item).from_config(item.get_config()),
        "deserialize_keras_object": keras.saving.deserialize_keras_object(json.loads(_config_text(item))),
    }
    for way, again in remade.items():
        assert type(again) is type(item), f"{way} returns a {type(again).__name__}"
        before, after = (_of_config(each) for each in (item, again))
        assert after == before, f"{way} changes the config from {before} to {after}"


def _of_config(item: Any) -> str:
    return json.dumps(keras.saving.serialize_keras_object(item.get_config()))


def _check_config_size(item: Any, larger: Any) -> None:
    sizes = [len(_of_config(each)) for each in (item, larger)]
    # Sizes and automatic names may have more digits.
    assert sizes[1] <= sizes[0] + 64, f"the config grows with the vocabulary, from {sizes[0]} to {sizes[1]} characters"


def _check_symbolic(layer: Any, inputs: Any) -> None:
    symbolic = _call(layer, _symbolic(inputs))
    eager = _call(layer, inputs)
    shape, dtype = tuple(eager.shape), keras.backend.standardize_dtype(eager.dtype)
    fits = len(symbolic.shape) == len(shape) and all(a in (None, b) for a, b in zip(symbolic.shape, shape, strict=True))
    assert fits, f"the symbolic shape is {tuple(symbolic.shape)}, the eager one {shape}"
    assert symbolic.dtype == dtype, f"the symbolic dtype is {symbolic.dtype}, the eager one {dtype}"


def _check_clone(layer: Any, inputs: Any) -> None:
    expected = _values(_call(layer, inputs))
    clone = type(layer).from_config(layer.get_config())
    _call(clone, inputs)
    clone.set_weights(layer.get_weights())
    np.testing.assert_array_equal(_values(_call(clone, inputs)), expected)


def _check_saved(model: Any, inputs: Any) -> None:
    expected = _values(model(inputs))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Keras builds a subclassed model by calling it with floats, which id layers refuse; they do not need it.
        warnings.filterwarnings("ignore", "Model '.*' had a build config", UserWarning)
        path = Path(folder) / "model.keras"
        keras.saving.save_model(model, path)
        loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(_values(loaded(inputs)), expected)


def _check_output(tower: Any, inputs: Any) -> None:
    output = _call(tower, inputs)
    wanted = (len(keras.tree.flatten(inputs)[0]), tower.embedding_dim)
    ends = (output.shape[0], output.shape[-1])
    assert ends == wanted, f"the first and last axis of the output are {ends}, but must be {wanted}"
    assert output.dtype.is_floating, f"the dtype of the output is {output.dtype.name}, not a floating-point type"


def check_neighbours(tower: Any, inputs: Any) -> None:
    """Raises `AssertionError` if a row depends on the others."""
    together = _values(_call(tower, inputs))
    for row in range(len(together)):
        alone = _values(_call(tower, keras.tree.map_structure(lambda each, row=row: each[row : row + 1], inputs)))
        # Matrix products of different shapes differ in their last bits.
        message = f"row {row} changes when it is alone in the batch"
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-5, atol=1e-6, err_msg=message)


def check_training(tower: Any, inputs: Any) -> None:
    """Raises `AssertionError` if a trainable weight has no gradient, or a step changes nothing."""
    before = _values(_call(tower, inputs))
    with tf.GradientTape() as tape:
        output = _call(tower, inputs, training=True)
        loss = tf.reduce_sum(tf.square(output - tf.range(1.0, 1.0 + output.shape[-1])))
    weights = tower.trainable_weights
    gradients = tape.gradient(loss, weights)
    without = [weight.path for weight, gradient in zip(weights, gradients, strict=True) if gradient is None]
    assert weights, "there are no trainable weights"
    assert not without, f"these weights have no gradient: {without}"
    keras.optimizers.SGD(0.1).apply(gradients, weights)
    assert not np.array_equal(_values(_call(tower, inputs)), before), "a training step changes nothing"


def check_mixed_precision(make: _Make, inputs: Any) -> None:
    """Raises `AssertionError` if under a mixed policy the output has another dtype, or weights are not float32."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        tower = make()
        output = _call(tower, inputs)
        _call(tower, _symbolic(inputs))
    finally:
        keras.config.set_dtype_policy(policy)
    assert output.dtype == tf.bfloat16, f"under mixed_bfloat16 the output is {output.dtype.name}"
    dtypes = {weight.dtype for weight in tower.trainable_weights}
    assert dtypes <= {"float32"}, f"under mixed_bfloat16 the weights are {sorted(dtypes)}"


def _to_tensors(inputs: Any) -> Any:
    return keras.tree.map_structure(lambda each: to_tensor(each, "contract", "inputs"), inputs)


def _symbolic(inputs: Any) -> Any:
    if isinstance(inputs, dict):
        return {name: keras.Input(each.shape[1:], dtype=each.dtype.name, name=name) for name, each in inputs.items()}
    return keras.tree.map_structure(lambda each: keras.Input(each.shape[1:], dtype=each.dtype.name), inputs)


def _call(layer: Any, inputs: Any, **options: Any) -> Any:
    return layer(*inputs, **options) if isinstance(inputs, tuple) else layer(inputs, **options)


def _values(output: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(output)


def _functional(layer: Any, inputs: Any) -> keras.Model:
    symbolic = _symbolic(inputs)
    return keras.Model(symbolic, _call(layer, symbolic))


class _Subclassed(keras.Model):
    """A subclassed model around one layer, as users write it."""

    def __init__(self, inner: Any, **options: Any) -> None:
        super().__init__(**options)
        self.inner = inner

    def call(self, inputs: Any) -> Any:
        return _call(self.inner, inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "inner": keras.saving.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> _Subclassed:
        return cls(**{**config, "inner": keras.saving.deserialize_keras_object(config["inner"])})


register_name(_Subclassed, "Subclassed", "reciperec_layers.testing")
