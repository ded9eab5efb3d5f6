"""Registered classes that a file needs, and the package to install if one is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from reciperec_layers.errors import PluginError, UnknownNameError, explain
from reciperec_layers.registry import Registry, enrolled_registries

_Base = TypeVar("_Base")


def require_plugins(config: Any) -> None:
    """Loads the entry point of every registered class that a config names, from any registry.

    Keras does not import third-party modules by itself, and would fail with "could not locate class" halfway.

    Raises:
        PluginError: A class is broken, or its package is not installed or imported; the message names the package.

    Example:
        >>> require_plugins({"registered_name": "reciperec_layers.towers>id", "config": {}})
    """
    for registry, name, inner in _registered_in(config, enrolled_registries()):
        required_class(registry, name, inner.get("distribution"), "the model", "load_model")


def _registered_in(
    config: Any, registries: dict[str, Registry[Any]]
) -> Iterator[tuple[Registry[Any], str, dict[str, Any]]]:
    if isinstance(config, dict):
        package, _, name = str(config.get("registered_name")).partition(">")
        if package in registries:
            yield registries[package], name, config.get("config") or {}
        for value in config.values():
            yield from _registered_in(value, registries)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _registered_in(value, registries)


def required_class(
    registry: Registry[_Base], name: str, distribution: Sequence[str] | None, what: str, owner: str
) -> type[_Base]:
    """Returns the class of a name found in a file.

    Args:
        registry: Registry of the class.
        name: Name of the class.
        distribution: Name and version of the package that provided the class, if the file has them.
        what: What the file contains, for messages.
        owner: Name of the caller, for messages.

    Raises:
        PluginError: The class is broken, or its package is not installed or imported; the message names the package.

    Example:
        >>> numbers = Registry("number", base=int, group="example.numbers")
        >>> required_class(numbers, "even", ("evens", "1.2"), "the sum", "load")
        Traceback (most recent call last):
        reciperec_layers.errors.PluginError: load: the sum needs the number 'even' of the package evens 1.2, which ...
    """
    try:
        return registry.get(name)
    except UnknownNameError as error:
        problem = f"{what} needs the {registry.kind} {name!r}, which is not registered"
        fix = "Import the module that registers it"
        if distribution:
            package, version = distribution
            origin = f"of the package {package} {version}, which is not installed"
            problem = f"{what} needs the {registry.kind} {name!r} {origin}"
            fix = f"Install it, for example by: pip install {package}=={version}"
        raise PluginError(explain(owner, problem, fix=fix)) from error
