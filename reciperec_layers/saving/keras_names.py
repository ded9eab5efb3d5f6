"""Names under which Keras finds classes, and configs that nest serialized objects."""

from __future__ import annotations

from typing import Any, TypeVar

import keras

from reciperec_layers.errors import RegistrationError, explain
from reciperec_layers.saving.config_objects import check_objects
from reciperec_layers.saving.required_plugins import require_plugins

_PACKAGE = "reciperec_layers"
_Class = TypeVar("_Class", bound=type)


def serializable(cls: _Class) -> _Class:
    """Registers a class under `reciperec_layers>ClassName`, the name that saved files carry.

    Keras's own `register_keras_serializable` lets a second class take a name silently; this raises an error.

    Args:
        cls: The class.

    Raises:
        RegistrationError: Another class has the name.

    Example:
        >>> @serializable
        ... class Doubled(keras.layers.Layer):
        ...     def call(self, inputs):
        ...         return 2 * inputs
        >>> keras.saving.get_registered_name(Doubled)
        'reciperec_layers>Doubled'
    """
    return register_name(cls, cls.__name__, _PACKAGE)


def register_name(cls: _Class, name: str, package: str) -> _Class:
    """Registers a class with Keras under `package>name`, unless another class has that name.

    A class may replace one of the same module and qualified name, since notebooks run cells again.

    Args:
        cls: The class.
        name: Its name in saved files.
        package: What stands before the name, such as the name of a distribution.

    Raises:
        RegistrationError: Another class has the name.

    Example:
        >>> class Halved(keras.layers.Layer):
        ...     def call(self, inputs):
        ...         return inputs / 2
        >>> register_name(Halved, "halved", "shop").__name__
        'Halved'
        >>> register_name(keras.layers.Dense, "halved", "shop")
        Traceback (most recent call last):
        reciperec_layers.errors.RegistrationError: serializable: `shop>halved` is the name of another class...
    """
    full_name = f"{package}>{name}"
    known = keras.saving.get_registered_object(full_name)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        problem = f"`{full_name}` is the name of another class"
        fix = "Give the new class another name; saved files carry the name"
        raise RegistrationError(explain("serializable", problem, known=known, new=cls, fix=fix))
    keras.saving.register_keras_serializable(package=package, name=name)(cls)
    return cls


def deserialize_nested(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a config with its nested Keras objects deserialized, for `from_config`.

    The plugins that they need are looked for first. Values that are objects already, as in
    `from_config(get_config())`, stay as they are.

    Args:
        config: What `get_config` returned, serialized or not.

    Raises:
        PluginError: A registered class is broken, or belongs to a package that is not installed.
        ModelFileError: It names objects that no model is made of.

    Example:
        >>> inner = keras.saving.serialize_keras_object(keras.layers.Dense(2))
        >>> deserialize_nested({"units": 4, "inner": inner})["inner"].units
        2
    """
    require_plugins(config)
    return {name: _deserialize(value) for name, value in config.items()}


def _deserialize(value: Any) -> Any:
    if isinstance(value, dict) and "class_name" in value and "config" in value:
        check_objects(value)
        return keras.saving.deserialize_keras_object(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_deserialize(item) for item in value)
    if isinstance(value, dict):
        return {name: _deserialize(item) for name, item in value.items()}
    return value
