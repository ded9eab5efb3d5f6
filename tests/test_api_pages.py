"""Every exported name is on a page of docs/api, and every public method of `RetrievalModel` is on its page."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import Any

import griffe
import keras
import pytest

import reciperec_layers as rl

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted((REPOSITORY / "docs" / "api").glob("*.md"))
DIRECTIVE = re.compile(r"^::: (\S+)\n((?:    .*\n|\n)*)", re.MULTILINE)
FILTER = re.compile(r"^ +- (\"!.*\")$", re.MULTILINE)
# Methods that Keras calls, and users do not. Whatever else a filter leaves out is missing.
KERAS_HOOKS = {
    "build",
    "call",
    "compile_from_config",
    "from_config",
    "get_compile_config",
    "get_config",
    "get_metrics_result",
    "load_assets",
    "make_test_function",
    "make_train_function",
    "save_assets",
    "test_step",
    "train_step",
}


def filters_of(options: str) -> list[str]:
    """Patterns of names that a directive leaves out."""
    return [ast.literal_eval(found).removeprefix("!") for found in FILTER.findall(options)]


def is_shown(name: str, options: str) -> bool:
    return not any(re.search(pattern, name) for pattern in filters_of(options))


DIRECTIVES = {target: options for page in PAGES for target, options in DIRECTIVE.findall(page.read_text("utf-8"))}


def load(path: str) -> Any:
    """The object at a dotted path."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        owner, _, name = path.rpartition(".")
        return getattr(importlib.import_module(owner), name)


@cache
def documented() -> dict[int, str]:
    """By the identity of an object the directive that shows it."""
    shown = {}
    for target, options in DIRECTIVES.items():
        value = load(target)
        shown[id(value)] = target
        if hasattr(value, "__path__") or hasattr(value, "__file__"):
            exported = getattr(value, "__all__", None) or [name for name in vars(value) if name[0] != "_"]
            shown |= {id(getattr(value, name)): target for name in exported if is_shown(name, options)}
    return shown


def is_module(path: str) -> bool:
    owner, _, name = path.rpartition(".")
    return inspect.ismodule(getattr(importlib.import_module(owner), name))


MODULES = [
    "reciperec_layers",
    *(found.name for found in pkgutil.walk_packages(rl.__path__, "reciperec_layers.") if ".cli" not in found.name),
]
EXPORTED = [
    f"{module}.{name}"
    for module in MODULES
    for name in getattr(importlib.import_module(module), "__all__", ())
    if name != "__version__"
]
# Below `tfrs` modules are names of TFRS's, and the page shows what is in them.
EXPORTED = [path for path in EXPORTED if not (path.startswith("reciperec_layers.tfrs.") and is_module(path))]


def test_the_walk_finds_exported_names():
    assert {"reciperec_layers.IdTower", "reciperec_layers.metrics.NDCG", "reciperec_layers.models.Corpus"} <= set(
        EXPORTED
    )


@pytest.mark.parametrize("path", EXPORTED)
def test_exported_name_is_on_a_page(path: str):
    owner, _, name = path.rpartition(".")
    assert id(getattr(importlib.import_module(owner), name)) in documented()


def test_every_public_method_of_the_model_is_on_its_page():
    target = "reciperec_layers.models.RetrievalModel"
    options = DIRECTIVES[target]
    assert "inherited_members: true" in options
    own = [cls for cls in rl.RetrievalModel.__mro__ if cls.__module__.startswith("reciperec_layers.")]
    public = {name for cls in own for name, value in vars(cls).items() if name[0] != "_" and is_method(value)}
    assert {"append_candidates", "compile", "fit", "load_weights", "recommend", "set_index"} <= public
    # mkdocstrings reads the same: what Griffe finds without running the code, if it has a docstring.
    members = griffe.load("reciperec_layers", search_paths=[str(REPOSITORY)], resolve_aliases=True)[
        target.removeprefix("reciperec_layers.")
    ].all_members
    shown = {name for name, member in members.items() if member.has_docstring and is_shown(name, options)}
    assert public - shown == public & KERAS_HOOKS


def is_method(value: Any) -> bool:
    return callable(value) or isinstance(value, (classmethod, property, staticmethod))


def test_hooks_are_those_of_keras():
    assert all(hasattr(keras.Model, name) for name in KERAS_HOOKS - {"load_assets", "save_assets"})
