"""Options that several commands share: declared once in a dataclass, which a command takes as one argument."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def with_groups(command: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a command for typer in which each argument that is a dataclass is replaced by options of its fields.

    Args:
        command: A function with annotated arguments. Those of a dataclass get one that is made of the options.

    Example:
        >>> @dataclasses.dataclass
        ... class Size:
        ...     rows: int = 3
        >>> def show(name: str, size: Size) -> str:
        ...     return name * size.rows
        >>> with_groups(show)(name="a", rows=2), list(inspect.signature(with_groups(show)).parameters)
        ('aa', ['name', 'rows'])
    """
    signature = inspect.signature(command, eval_str=True)
    groups = {name: each.annotation for name, each in signature.parameters.items() if _is_group(each.annotation)}
    shown: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        shown += _of_fields(groups[name]) if name in groups else [parameter.replace(kind=_KEYWORD)]

    @functools.wraps(command)
    def called(**given: Any) -> Any:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in dataclasses.fields(group)})
            for name, group in groups.items()
        }
        return command(**given, **made)

    called.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in shown}
    return called


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


def _of_fields(group: Any) -> list[inspect.Parameter]:
    types = get_type_hints(group, include_extras=True)
    required = inspect.Parameter.empty
    return [
        inspect.Parameter(
            field.name,
            _KEYWORD,
            default=required if field.default is dataclasses.MISSING else field.default,
            annotation=types[field.name],
        )
        for field in dataclasses.fields(group)
    ]
