"""Arguments of `fit`, `evaluate` and `predict` by name, checked before anything is computed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

import keras

from reciperec_layers.arguments import check_integer, check_number, closest_name
from reciperec_layers.errors import ArgumentTypeError, explain

# Those that count something: the smallest number that each may be, and one that a message suggests.
_COUNTS = {
    "batch_size": (1, 1024),
    "epochs": (0, 10),
    "initial_epoch": (0, 0),
    "steps_per_epoch": (1, 100),
    "steps": (1, 100),
    "validation_steps": (1, 100),
    "validation_batch_size": (1, 1024),
}
_BEFORE = ("self", "x", "y")


def named_arguments(
    method: Literal["fit", "evaluate", "predict"],
    args: Sequence[Any],
    options: Mapping[str, Any],
    owner: str,
    also: Iterable[str] = (),
) -> dict[str, Any]:
    """Returns the arguments of a method of `keras.Model` behind the data; a count that is `None` is left out.

    Args:
        method: Name of the method.
        args: Positional arguments behind `x` and `y`.
        options: Arguments by name.
        owner: Name of the caller, for messages.
        also: Further names that the caller takes, for messages.

    Raises:
        ArgumentTypeError: There is no such argument, or it is given twice, or callbacks are none.
        ArgumentError: A count is not an integer, or too small, or a share is none.

    Example:
        >>> named_arguments("fit", (64, 3), {"verbose": 0, "steps_per_epoch": None}, "RetrievalModel.fit")
        {'batch_size': 64, 'epochs': 3, 'verbose': 0}
        >>> named_arguments("fit", (), {"epoch": 3}, "RetrievalModel.fit")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentTypeError: RetrievalModel.fit: there is no argument 'epoch'. The closest is ...
    """
    names = _names(method)
    if len(args) > len(names):
        problem = f"it takes at most {len(names)} arguments behind the data"
        raise ArgumentTypeError(explain(owner, problem, arguments=len(args), fix="Pass them by name"))
    by_place = dict(zip(names, args, strict=False))
    if twice := [name for name in by_place if name in options]:
        fix = "Pass it once, by name"
        raise ArgumentTypeError(explain(owner, f"`{twice[0]}` is given twice", fix=fix))
    # Keras's `fit` tells `evaluate` by underlined names what it keeps.
    unknown = [name for name in options if name not in names and not name.startswith("_")]
    if unknown:
        accepted = [*names, *also]
        fix = f"{closest_name(unknown[0], accepted)}Accepted: {', '.join(accepted)}"
        raise ArgumentTypeError(explain(owner, f"there is no argument {unknown[0]!r}", fix=fix))
    named = {**by_place, **options}
    for name, (least, example) in _COUNTS.items():
        if name in named and named[name] is None:
            del named[name]
        elif name in named:
            named[name] = check_integer(owner, name, named[name], least=least, example=example)
    if named.get("validation_split") is not None:
        check_number(owner, "validation_split", named["validation_split"], least=0, below=1, example=0.1)
    if isinstance(callbacks := named.get("callbacks"), str):
        fix = "Pass for example [keras.callbacks.EarlyStopping()]"
        raise ArgumentTypeError(explain(owner, "`callbacks` must be callbacks of Keras", callbacks=callbacks, fix=fix))
    return named


@cache  # `predict` may be called for each request
def _names(method: str) -> list[str]:
    parameters = inspect.signature(getattr(keras.Model, method)).parameters.values()
    return [each.name for each in parameters if each.name not in _BEFORE and each.kind != each.VAR_KEYWORD]
