"""Options of layers, as a config holds them."""

from __future__ import annotations

from typing import Any

import keras


def serialized_options(options: dict[str, Any]) -> dict[str, Any]:
    """Returns options in which activations, initializers and regularizers are serialized.

    Args:
        options: Values by the name of the argument.

    Example:
        >>> options = {"units": 2, "preactivation": keras.activations.relu}
        >>> serialized_options(options)
        {'units': 2, 'preactivation': 'relu'}
    """
    return {name: _serialized(name, value) for name, value in options.items()}


def _serialized(name: str, value: Any) -> Any:
    if name.endswith("activation"):
        return keras.activations.serialize(value)
    if name.endswith("initializer"):
        return keras.initializers.serialize(value)
    if name.endswith("regularizer"):
        return None if value is None else keras.regularizers.serialize(value)
    return value
