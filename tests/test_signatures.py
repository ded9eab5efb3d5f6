"""The public signatures are those of `signatures.txt`: a change is made on purpose, and is seen in the diff.

After such a change renew the file by `python -m tests.test_signatures`, which takes the package beside it.

Paths are those under which users reach a name; in which module it is defined does not matter.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import reciperec_layers

FILE = Path(__file__).with_name("signatures.txt")
PACKAGE = "reciperec_layers"


def is_ours(value: Any) -> bool:
    return f"{getattr(value, '__module__', '')}.".startswith(f"{PACKAGE}.")


def public_names(module: ModuleType) -> list[str]:
    """What `__all__` has, otherwise what the module defines."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return list(getattr(module, "__all__", [name for name in own if not name.startswith("_")]))


def public(module: ModuleType, path: str = "rl") -> Iterator[tuple[str, Any]]:
    """Paths and values, those of subpackages first."""
    values = {f"{path}.{name}": getattr(module, name) for name in public_names(module)}
    for name, value in values.items():
        if isinstance(value, ModuleType):
            yield from public(value, name)
    yield from ((name, value) for name, value in values.items() if not isinstance(value, ModuleType))


def shown_default(default: Any) -> str:
    if inspect.isclass(default) or inspect.isroutine(default):
        return str(default.__name__)
    return re.sub(r" at 0x[0-9a-f]+", "", repr(default))


class Shown:
    """Has a default's text as its repr."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def shown(function: Any, skipped: int = 0) -> str:
    """Names, kinds and defaults; no annotations, which have the paths of modules."""
    parameters = [
        parameter.replace(
            annotation=parameter.empty,
            default=parameter.empty
            if parameter.default is parameter.empty
            else Shown(shown_default(parameter.default)),
        )
        for parameter in inspect.signature(function).parameters.values()
    ]
    return str(inspect.Signature(parameters[skipped:]))


def of_class(path: str, cls: type) -> Iterator[str]:
    """The constructor, methods and properties that the package defines, in the class or in a base of it."""
    owners = [owner for owner in cls.__mro__ if is_ours(owner)]
    # Not of the class: a layer of Keras has a `__new__` that takes everything.
    constructor = next((vars(owner)["__init__"] for owner in owners if "__init__" in vars(owner)), None)
    yield f"class {path}{'' if constructor is None else shown(constructor, 1)}"
    for name in {name for owner in owners for name in vars(owner) if not name.startswith("_")}:
        value = inspect.getattr_static(cls, name)
        if isinstance(value, property):
            yield f"{path}.{name}: property{'' if value.fset is None else ', settable'}"
        elif isinstance(value, classmethod):
            yield f"{path}.{name}{shown(value.__func__, 1)}: classmethod"
        elif isinstance(value, staticmethod):
            yield f"{path}.{name}{shown(value.__func__)}: staticmethod"
        elif inspect.isfunction(value):
            yield f"{path}.{name}{shown(value, 1)}"


def signatures() -> list[str]:
    lines: list[str] = []
    paths: dict[int, str] = {}
    for path, value in public(reciperec_layers):
        is_callable = inspect.isclass(value) or inspect.isroutine(value)
        if is_callable and id(value) in paths:
            lines.append(f"{path} = {paths[id(value)]}")
        elif inspect.isclass(value):
            lines += of_class(path, value)
        elif is_callable:
            lines.append(f"{path}{shown(value)}")
        else:
            lines.append(f"{path}: {type(value).__name__}")
        paths[id(value)] = path
    return sorted(lines, key=lambda line: line.removeprefix("class "))


def test_public_signatures_are_those_of_the_file():
    before, now = FILE.read_text(encoding="utf-8").splitlines(), signatures()
    diff = "\n".join(difflib.unified_diff(before, now, FILE.name, "the package", lineterm="", n=0))
    assert not diff, f"public signatures are others:\n{diff}\nIf on purpose: python -m tests.test_signatures"


def test_the_walk_reaches_what_users_reach():
    lines = signatures()
    assert len(lines) == len(set(lines))
    assert "rl.RetrievalModel = rl.models.RetrievalModel" in lines
    assert "rl.models.RetrievalModel.similar(candidate_ids, k=10)" in lines  # from a base
    assert any(line.startswith("rl.indexes.BruteForceIndex.search(") for line in lines)
    assert any(line.startswith("class rl.errors.IdError") for line in lines)  # of a module without `__all__`
    assert not [line for line in lines if " at 0x" in line or f"{PACKAGE}." in line]


if __name__ == "__main__":
    FILE.write_text("\n".join(signatures()) + "\n", encoding="utf-8")
