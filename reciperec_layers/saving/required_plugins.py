"""Registered classes that a file needs, and the package to install if one is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

from reciperec_layers.errors import PluginError, UnknownNameError, explain
from reciperec_layers.registry import Registry, enrolled_registries

_Base = TypeVar("_Base")

# The grammars of names and versions of distributions: https://packaging.python.org/en/latest/specifications/
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VERSION = re.compile(
    r"([0-9]{1,9}!)?[0-9]{1,9}(\.[0-9]{1,9}){0,9}((a|b|rc)[0-9]{1,9})?(\.post[0-9]{1,9})?(\.dev[0-9]{1,9})?"
    r"(\+[A-Za-z0-9]{1,40}([._-][A-Za-z0-9]{1,40}){0,9})?"
)


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
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            package, _, name = str(value.get("registered_name")).partition(">")
            if package in registries:
                inner = value.get("config")
                yield registries[package], name, inner if isinstance(inner, dict) else {}
            waiting.extend(reversed(value.values()))
        elif isinstance(value, (list, tuple)):
            waiting.extend(reversed(value))


def required_class(registry: Registry[_Base], name: str, distribution: Any, what: str, owner: str) -> type[_Base]:
    """Returns the class of a name found in a file.

    Args:
        registry: Registry of the class.
        name: Name of the class.
        distribution: Name and version of the package that provided the class, as the file claims. Anything that
            cannot be a name and a version is ignored, so that a message never tells users to run it.
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
        shown = repr(name if len(name) <= 80 else name[:77] + "...")
        problem = f"{what} needs the {registry.kind} {shown}, which is not registered"
        fix = "Import the module that registers it"
        if _is_distribution(distribution):
            package, version = distribution
            origin = f"of the package {package} {version}, which is not installed"
            problem = f"{what} needs the {registry.kind} {shown} {origin}"
            command = f"pip install {package}=={version}"
            fix = f"The file names that package; install it if you trust it, for example: {command}"
        raise PluginError(explain(owner, problem, fix=fix)) from error


def _is_distribution(claimed: Any) -> bool:
    return (
        isinstance(claimed, (list, tuple))
        and len(claimed) == 2
        and all(isinstance(each, str) for each in claimed)
        and _PACKAGE.fullmatch(claimed[0]) is not None
        and _VERSION.fullmatch(claimed[1]) is not None
    )
