"""Options of layers, as a config holds them."""

from __future__ import annotations

from typing import Any

import keras


def resolved_options(**options: Any) -> dict[str, Any]:
    """Returns options in which names and configs of activations, initializers and regularizers are objects.

    Args:
        **options: Values by the name of the argument.

    Example:
        >>> resolved_options(units=2, preactivation="relu")["preactivation"] is keras.activations.relu
        True
    """
    return {name: _resolved(_module_of(name), value) for name, value in options.items()}


def serialized_options(options: dict[str, Any]) -> dict[str, Any]:
    """Returns options in which activations, initializers and regularizers are serialized.

    Args:
        options: Values by the name of the argument.

    Example:
        >>> options = {"units": 2, "preactivation": keras.activations.relu}
        >>> serialized_options(options)
        {'units': 2, 'preactivation': 'relu'}
    """
    return {name: _serialized(_module_of(name), value) for name, value in options.items()}


def _resolved(module: Any, value: Any) -> Any:
    return value if module is None else module.get(value)


def _serialized(module: Any, value: Any) -> Any:
    return value if module is None or value is None else module.serialize(value)


def _module_of(name: str) -> Any:
    """Returns the module of Keras whose objects an argument takes, or `None`."""
    modules = {
        "activation": keras.activations,
        "initializer": keras.initializers,
        "regularizer": keras.regularizers,
    }
    return next((module for kind, module in modules.items() if name.endswith(kind)), None)
