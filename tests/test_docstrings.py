"""Every class and function has a docstring, exported ones with an example, and documented arguments are correct.

pytest runs the examples themselves (`--doctest-modules`).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import griffe
import pytest

import reciperec_layers

# Methods that Keras looks for in a layer without having them in a base class.
KERAS_HOOKS = {"load_assets", "save_assets"}

STATED_DEFAULT = re.compile(
    r"""(?:\b[Dd]efaults\ to | [(,;]\ ?default)\s+
        ( `[^`]+` | "[^"]*" | '[^']*' | [^\s,;)]+? )
        (?= [\s,;)] | \.(?:\s|$) | $ )""",
    re.VERBOSE,
)


def modules() -> Iterator[Any]:
    yield reciperec_layers
    for found in pkgutil.walk_packages(reciperec_layers.__path__, "reciperec_layers."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield importlib.import_module(found.name)


def is_documentable(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


PUBLIC = {
    f"{module.__name__}.{name}": value
    for module in modules()
    for name, value in vars(module).items()
    if not name.startswith("_") and is_documentable(value) and value.__module__ == module.__name__
}
METHODS = {
    f"{path}.{name}": getattr(owner, name)
    for path, owner in PUBLIC.items()
    if inspect.isclass(owner)
    for name, value in vars(owner).items()
    if not name.startswith("_") and (isinstance(value, (classmethod, staticmethod)) or inspect.isfunction(value))
}
EXPORTED = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in modules()
    for name in getattr(module, "__all__", ())
    if is_documentable(getattr(module, name))
}
EXPORTED_IDS = set(map(id, EXPORTED.values()))


def each(objects: dict[str, Any]) -> pytest.MarkDecorator:
    names = [path.removeprefix("reciperec_layers.") for path in objects]
    return pytest.mark.parametrize("value", objects.values(), ids=names)


def signature_of(value: Any) -> dict[str, inspect.Parameter]:
    """Parameters by name, without `self`; those of a class are its constructor's, when the package wrote it."""
    if inspect.isclass(value):
        constructor = value.__init__
        if not getattr(constructor, "__module__", "").startswith("reciperec_layers"):
            return {}
        _, *parameters = inspect.signature(constructor).parameters.values()
    else:
        parameters = list(inspect.signature(value).parameters.values())
    if parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return {stars.get(parameter.kind, "") + parameter.name: parameter for parameter in parameters}


def documented_arguments(value: Any) -> dict[str, str]:
    """Descriptions by argument name, from the sections `Args:` and `Attributes:`."""
    kinds = (griffe.DocstringSectionKind.parameters, griffe.DocstringSectionKind.attributes)
    sections = griffe.Docstring(inspect.getdoc(value) or "").parse("google", warnings=False)
    return {item.name: item.description for section in sections if section.kind in kinds for item in section.value}


def false_defaults(value: Any) -> list[str]:
    """Arguments whose stated default is not the signature's, each with both."""
    parameters = signature_of(value)
    return [
        f"{name}: stated {stated}, is {parameters[name].default!r}"
        for name, description in documented_arguments(value).items()
        for stated in STATED_DEFAULT.findall(description)
        if name in parameters and not is_same(stated.strip("`"), parameters[name].default)
    ]


def is_same(stated: str, default: Any) -> bool:
    try:
        return bool(ast.literal_eval(stated) == default)
    except (SyntaxError, ValueError):
        return stated in {repr(default), str(default), getattr(default, "__name__", "")}


def test_the_walk_finds_the_package():
    assert "reciperec_layers.errors.explain" in PUBLIC
    assert "reciperec_layers.towers.id_tower.IdTower" in PUBLIC
    assert "reciperec_layers.vocabulary.Vocabulary.from_data" in METHODS


@each(PUBLIC)
def test_class_or_function_has_a_docstring(value: Any):
    assert value.__doc__, "has no docstring"


@each(EXPORTED)
def test_exported_name_has_an_example(value: Any):
    if not (inspect.isclass(value) and issubclass(value, Exception)):
        assert ">>> " in value.__doc__, "the docstring has no example (>>>)"


@each(METHODS)
def test_method_has_a_docstring(value: Any):
    module, owner = importlib.import_module(value.__module__), value.__qualname__.partition(".")[0]
    bases = getattr(module, owner).__mro__[1:]
    # What overrides a method, of Keras or of ours, is described where it comes from, or on the class.
    inherited = KERAS_HOOKS.union(*map(vars, bases))
    assert value.__doc__ or value.__name__ in inherited, "has no docstring"


@each(PUBLIC | METHODS)
def test_documented_arguments_are_the_signatures(value: Any):
    documented = list(documented_arguments(value))
    if documented or id(value) in EXPORTED_IDS:
        assert documented == list(signature_of(value))


@each(PUBLIC | METHODS)
def test_stated_defaults_are_the_signatures(value: Any):
    assert false_defaults(value) == []


def test_a_false_default_is_found():
    def spoon(size: int = 3, name: str = "ladle") -> None:
        """Stirs.

        Args:
            size: Size in centimetres, > 0. Defaults to 4.
            name: What it is called (default `"ladle"`).
        """

    assert false_defaults(spoon) == ["size: stated 4, is 3"]
