"""Objects that a config from a file may name: those of which Keras models are made, and nothing that is called later.

Keras creates any class and finds any function that it exports, so that a file could name one that downloads, opens a
file or switches the safe mode off.
"""

from __future__ import annotations

import re
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import keras

from reciperec_layers.errors import ModelFileError, PluginError, describe_value, explain

_CLASSES = (
    keras.Operation,  # layers and models, too
    keras.Initializer,
    keras.Regularizer,
    keras.constraints.Constraint,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.random.SeedGenerator,
    keras.DTypePolicy,
)
# Modules whose classes, with bases of their own, only describe.
_DESCRIPTIONS = ("keras.dtype_policies", "keras.optimizers", "keras.quantizers")
# Layers that read what a path of their config names, or code.
_OPENS_FILES = ("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper")
# Modules of functions that only compute.
_FUNCTIONS = ("activations", "constraints", "initializers", "losses", "metrics", "ops", "regularizers")
_NOT_COMPUTING = ("deserialize", "get", "serialize")
_PLAIN_DTYPES = re.compile(r"bool|string|bfloat16|(u?int|float|complex)[0-9]{1,3}")
_MAX_NAME_CHARS = 1000
_MAX_METRIC_NUMBER = 10**6  # such as the thresholds, which a metric of Keras lists in Python
_FIX = "Use a file whose origin you trust, as written by model.save"
_REGISTER = '@rl.towers.register("..."), @rl.serializable or @keras.saving.register_keras_serializable()'


def check_objects(config: Any, owner: str = "load_model", safe_mode: bool = True) -> None:
    """Checks every object that a config names, before one of them is created.

    Classes and functions that are registered in this process are its own. Of Keras there may be classes of layers,
    optimizers, losses and so on, and functions that compute with tensors.

    Args:
        config: A config, with its nested ones.
        owner: Name of the caller, for messages.
        safe_mode: Whether Python code is refused, as by `keras.models.load_model`.

    Raises:
        ModelFileError: It names something else.
        PluginError: It names a class or function of a user's own that is not registered.

    Example:
        >>> check_objects({"class_name": "Dense", "module": "keras.layers", "config": {"units": 1}})
        >>> check_objects({"class_name": "get_file", "module": "keras.utils", "config": {}})
        Traceback (most recent call last):
        reciperec_layers.errors.ModelFileError: load_model: the config names what a model cannot be made of. ...
    """
    for inner in _dicts(config):
        if isinstance(inner.get("learning_rate"), dict) and not _is_schedule(inner["learning_rate"]):
            problem = "`learning_rate` in a file must be a number or a schedule"
            raise ModelFileError(explain(owner, problem, learning_rate=inner["learning_rate"], fix=_FIX))
        if isinstance(inner.get("name"), str) and len(inner["name"]) > _MAX_NAME_CHARS:  # TensorFlow repeats names
            raise ModelFileError(explain(owner, "a name in the config is too long", name=inner["name"], fix=_FIX))
        if (missing := _not_registered(inner)) is not None:
            fix = f"Decorate it with {_REGISTER} and import its module, or pass custom_objects={{...}}"
            raise PluginError(explain(owner, f"the model needs the {missing}, which is not registered", fix=fix))
        if "class_name" in inner and "config" in inner and not _is_allowed(inner, safe_mode):
            received = {name: inner.get(name) for name in ("module", "class_name", "config")}
            raise ModelFileError(
                explain(owner, "the config names what a model cannot be made of", fix=_FIX, **received)
            )


def warn_of_unregistered(model: Any, owner: str) -> None:
    """Warns of the first class or function in a model that is not registered, without which no file of it loads.

    Args:
        model: A Keras model.
        owner: Name of the caller, for messages.

    Example:
        >>> warn_of_unregistered(keras.Sequential([keras.layers.Dense(1)]), "save")
    """
    for inner in _dicts(keras.saving.serialize_keras_object(model)):
        if (missing := _not_registered(inner)) is not None:
            problem = f"the {missing} is not registered, so that the file loads only with custom_objects={{...}}"
            warnings.warn(
                explain(owner, problem, fix=f"Decorate it with {_REGISTER}"), stacklevel=4
            )  # whoever calls RetrievalModel.save
            return


def _dicts(config: Any) -> Iterator[dict[str, Any]]:
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)


def _is_allowed(config: dict[str, Any], safe_mode: bool) -> bool:
    class_name, inner, module = config["class_name"], config.get("config"), str(config.get("module"))
    if class_name == "__lambda__":
        return not safe_mode
    if class_name in ("__numpy__", "__tensor__"):  # a dtype of text may say how long it is
        return isinstance(inner, dict) and _PLAIN_DTYPES.fullmatch(str(inner.get("dtype"))) is not None
    if _registered(config) is not None:
        return True
    if module == "builtins":
        return class_name == "function" and _is_builtin(inner)
    package, *folders = module.split(".")
    if package != "keras":
        # Without a module Keras looks into lists of its own. It imports packages that belong to it.
        return module == "None" or (package.startswith("keras_") and module in sys.modules)
    found, folder = _of_keras(config), folders[0] if folders else None
    if isinstance(found, type):
        inner = inner if isinstance(inner, dict) else {}
        if issubclass(found, keras.metrics.Metric):
            return all(not isinstance(each, int) or each <= _MAX_METRIC_NUMBER for each in inner.values())
        # Lookups may take the path of a file instead of a vocabulary.
        opens = found.__name__ in _OPENS_FILES or isinstance(inner.get("vocabulary"), str)
        return (issubclass(found, _CLASSES) or module in _DESCRIPTIONS) and not (safe_mode and opens)
    return isinstance(found, types.FunctionType) and folder in _FUNCTIONS and found.__name__ not in _NOT_COMPUTING


def _not_registered(config: dict[str, Any]) -> str | None:
    """Returns what a config names of a user's own, for messages, if Keras would not find it, else `None`."""
    class_name, module = config.get("class_name"), config.get("module", "")
    if "config" not in config or not (isinstance(class_name, str) and isinstance(config.get("registered_name"), str)):
        return None
    if _registered(config) is not None:
        return None
    if class_name == "function" and module == "builtins":
        name = config["config"]
        return None if _is_builtin(name) else f"function {describe_value(name)}"
    if module is None:  # so does Keras write classes that it does not know
        return f"class {describe_value(class_name)}"
    if not isinstance(module, str) or module.partition(".")[0] in ("", "builtins", "keras"):
        return None
    is_of_keras = module.startswith("keras_") and module in sys.modules
    return None if is_of_keras else f"class {describe_value(class_name)} of the module {describe_value(module)}"


def _is_builtin(name: Any) -> bool:
    """Whether Keras finds a function that computes under a name alone."""
    if name in _NOT_COMPUTING or not isinstance(name, str):
        return False
    ours = any(known.endswith(f">{name}") for known in keras.saving.get_custom_objects())
    return ours or any(hasattr(getattr(keras, folder), name) for folder in _FUNCTIONS)


def _is_schedule(config: dict[str, Any]) -> bool:
    found = _registered(config) or _of_keras(config)
    return isinstance(found, type) and issubclass(found, keras.optimizers.schedules.LearningRateSchedule)


def _registered(config: dict[str, Any]) -> Any:
    """Returns the object of this process that Keras would take, or `None`."""
    is_function = config.get("class_name") == "function"
    name = config.get("config") if is_function else config.get("registered_name", config.get("class_name"))
    return keras.saving.get_registered_object(name) if isinstance(name, str) else None


def _of_keras(config: dict[str, Any]) -> Any:
    """Returns the object of Keras under the name in a config, or `None`."""
    name = config.get("config") if config.get("class_name") == "function" else config.get("class_name")
    path = f"{config.get('module')}.{name}".split(".")  # a name may have dots
    found: Any = keras if path[0] == "keras" else None
    for part in path[1:]:
        found = getattr(found, part, None)
    return found
