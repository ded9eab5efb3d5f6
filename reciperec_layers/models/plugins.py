"""Plugins that a saved model needs, found by its config before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reciperec_layers.errors import PluginError, UnknownNameError, explain
from reciperec_layers.towers import TOWERS
from reciperec_layers.towers.tower import TOWERS_PACKAGE


def require_plugins(config: Any) -> None:
    """Loads the entry points of all towers that a config names.

    Keras imports no third-party module by itself and would say "could not locate class", after half the model is made.

    Raises:
        PluginError: A tower is of a package that is not installed or imported, or is broken; names the package.

    Example:
        >>> require_plugins({"registered_name": "reciperec_layers.towers>id", "config": {}})
    """
    for name, inner in _towers_in(config):
        try:
            TOWERS.get(name)
        except UnknownNameError as error:
            distribution = inner.get("distribution")
            problem = f"the model needs the tower {name!r}, which is not registered"
            fix = "Import the module that registers it"
            if distribution:
                package = f"{distribution[0]} {distribution[1]}"
                problem = f"the model needs the tower {name!r} of the package {package}, which is not installed"
                fix = f"Install it, for example by: pip install {distribution[0]}=={distribution[1]}"
            raise PluginError(explain("load_model", problem, fix=fix)) from error


def _towers_in(config: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(config, dict):
        registered = config.get("registered_name")
        if isinstance(registered, str) and registered.startswith(f"{TOWERS_PACKAGE}>"):
            yield registered.partition(">")[2], config.get("config") or {}
        for value in config.values():
            yield from _towers_in(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _towers_in(value)
