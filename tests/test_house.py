"""Rules of the house: what a name says is what it is."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest

import reciperec_layers

SAY_NOTHING = {"checks", "common", "helpers", "misc", "utils"}
MODULES = [
    reciperec_layers.__name__,
    *(
        found.name
        for found in pkgutil.walk_packages(reciperec_layers.__path__, f"{reciperec_layers.__name__}.")
        if not found.name.endswith(".__main__")
    ),
]
PACKAGES = [name for name in MODULES if hasattr(importlib.import_module(name), "__path__")]


def test_the_walk_finds_the_package():
    assert {"reciperec_layers", "reciperec_layers.indexes", "reciperec_layers.cli"} <= set(PACKAGES)
    assert "reciperec_layers.indexes.auditing" in set(MODULES) - set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_nothing_shadows_a_module(name: str):
    package = importlib.import_module(name)
    for found in pkgutil.iter_modules(package.__path__):
        if found.name != "__main__":
            module = importlib.import_module(f"{name}.{found.name}")
            assert getattr(package, found.name) is module, f"{name}.{found.name} is not the module"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_named_after_what_is_in_it(name: str):
    assert name.rpartition(".")[2] not in SAY_NOTHING


@pytest.mark.parametrize("name", MODULES)
def test_what_is_exported_is_sorted_and_there(name: str):
    module: ModuleType = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    # Constants, then classes, then the rest, as ruff sorts them.
    assert list(exported) == sorted(exported, key=lambda each: (not each.isupper(), not each[0].isupper(), each))
    assert len(set(exported)) == len(exported)
    assert all(hasattr(module, each) for each in exported)
