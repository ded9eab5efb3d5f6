"""Plugins that a saved model needs, found by its config before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reciperec_layers.indexes import INDEXES
from reciperec_layers.indexes.index import INDEXES_PACKAGE
from reciperec_layers.registry import Registry
from reciperec_layers.required_plugins import required_class
from reciperec_layers.towers import TOWERS
from reciperec_layers.towers.tower import TOWERS_PACKAGE

_REGISTRIES: dict[str, Registry[Any]] = {TOWERS_PACKAGE: TOWERS, INDEXES_PACKAGE: INDEXES}


def require_plugins(config: Any) -> None:
    """Loads the entry points of all towers and indexes that a config names.

    Keras imports no third-party module by itself and would say "could not locate class", after half the model is made.

    Raises:
        PluginError: A tower or an index is of a package that is not installed or imported, or is broken; names the
            package.

    Example:
        >>> require_plugins({"registered_name": "reciperec_layers.towers>id", "config": {}})
    """
    for registry, name, inner in _registered_in(config):
        required_class(registry, name, inner.get("distribution"), "the model", "load_model")


def _registered_in(config: Any) -> Iterator[tuple[Registry[Any], str, dict[str, Any]]]:
    if isinstance(config, dict):
        package, _, name = str(config.get("registered_name")).partition(">")
        if package in _REGISTRIES:
            yield _REGISTRIES[package], name, config.get("config") or {}
        for value in config.values():
            yield from _registered_in(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _registered_in(value)
