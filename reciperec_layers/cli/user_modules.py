"""Modules that a user names on the command line, imported so that what they register is known by name."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable

from reciperec_layers.errors import ArgumentError, PluginError, explain


def import_modules(names: Iterable[str] | None) -> None:
    """Imports modules by name, with the working folder on Python's path, as `python -m` has it.

    Args:
        names: Names as in an `import` statement, or `None`.

    Raises:
        ArgumentError: A name is not that of a module, or there is no such module.
        PluginError: A module fails while it is imported.

    Example:
        >>> import_modules(["json"])
    """
    names = list(names or ())
    if names and "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in names:
        if name.endswith(".py") or not all(part.isidentifier() for part in name.split(".")):
            fix = "Use for example --import my_towers, without a folder and without .py"
            raise ArgumentError(explain("--import", "the name of a Python module is needed", name=name, fix=fix))
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and error.name in _parents(name):
                fix = f"Check the name, and that {name.replace('.', '/')}.py is in the working folder or installed"
                raise ArgumentError(explain("--import", f"there is no module {name!r}", fix=fix)) from error
            problem = f"the module {name!r} failed with {type(error).__name__}: {' '.join(str(error).split())}"
            raise PluginError(explain("--import", problem, fix="Correct it; --debug shows where it failed")) from error


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: length + 1]) for length in range(len(parts))]
