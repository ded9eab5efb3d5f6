"""Checks of arguments that many classes take."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Literal, overload

import numpy as np

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain

_OF_EVERY_LAYER = ("activity_regularizer", "autocast", "dtype", "trainable")
# Places of results that stand for no candidate: 67 million, which take about a gigabyte.
MAX_EMPTY_PLACES = 2**26
_MAX_INT32 = 2**31 - 1
_NOT_NUMBERS = (bool, np.timedelta64)  # Python and NumPy derive them from their integers


@overload
def check_integer(
    owner: str,
    argument: str,
    value: Any,
    *,
    least: int = 1,
    most: int | None = None,
    optional: Literal[False] = False,
    example: Any = None,
) -> int: ...


@overload
def check_integer(
    owner: str,
    argument: str,
    value: Any,
    *,
    least: int = 1,
    most: int | None = None,
    optional: Literal[True],
    example: Any = None,
) -> int | None: ...


def check_integer(
    owner: str,
    argument: str,
    value: Any,
    *,
    least: int = 1,
    most: int | None = None,
    optional: bool = False,
    example: Any = None,
) -> int | None:
    """Returns a Python or NumPy integer as an `int`.

    Args:
        owner: Name of the caller, for messages.
        argument: Name of the argument.
        value: The value received. `True`, floats, arrays and text are refused.
        least: Smallest value that is accepted.
        most: Largest value that is accepted, or `None`.
        optional: Whether `None` is accepted, and returned.
        example: Value that the message suggests; by default `least`.

    Raises:
        ArgumentError: The value is not an integer, or out of range.

    Example:
        >>> check_integer("MLP", "output_dim", np.int8(3))
        3
        >>> check_integer("IdTower", "embedding_dim", 0, example=32)
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: IdTower: `embedding_dim` must be a positive integer. Received: ...
    """
    if value is None and optional:
        return None
    if isinstance(value, (int, np.integer)) and not isinstance(value, _NOT_NUMBERS):
        number = int(value)
        if number >= least and (most is None or number <= most):
            return number
    if most is not None:
        expected = f"an integer in {least} .. {most}"
    else:
        expected = "a positive integer" if least == 1 else f"an integer >= {least}"
    raise _refusal(owner, argument, value, expected, optional, least if example is None else example)


def check_k(owner: str, k: Any, num_candidates: int | None = None, num_queries: int = 1) -> int:
    """Returns how many results each query gets. More than there are candidates is padded, but not without bound.

    Args:
        owner: Name of the caller, for messages.
        k: The value received.
        num_candidates: How many candidates there are, or `None` where that is not known.
        num_queries: How many queries get k results.

    Raises:
        ArgumentError: It is not a positive integer that fits into int32, or more than 2**26 places of the results would
            be empty.

    Example:
        >>> check_k("recommend", 12, num_candidates=10)
        12
        >>> check_k("recommend", 10**12, num_candidates=10)
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: recommend: there are 10 candidates, so that 99999999...
    """
    k = check_integer(owner, "k", k, example=10)
    if num_candidates is None:
        return check_integer(owner, "k", k, most=_MAX_INT32, example=10)  # graphs have it as int32
    num_empty = (k - num_candidates) * max(num_queries, 1)
    if num_empty > MAX_EMPTY_PLACES or k > _MAX_INT32:
        problem = (
            f"there are {num_candidates} candidates, so that {num_empty} places of the results would be empty; "
            f"at most {MAX_EMPTY_PLACES} may be"
        )
        raise ArgumentError(explain(owner, problem, k=k, fix=f"Use k={num_candidates}, which gives every candidate"))
    return k


def check_flag(owner: str, argument: str, value: Any) -> bool:
    """Returns a Python or NumPy boolean as a `bool`.

    Args:
        owner: Name of the caller, for messages.
        argument: Name of the argument.
        value: The value received. Anything else is refused: text such as "no" would count as true.

    Raises:
        ArgumentError: The value is no boolean.

    Example:
        >>> check_flag("RetrievalModel", "normalize", np.True_)
        True
        >>> check_flag("RetrievalModel", "normalize", "no")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: RetrievalModel: `normalize` must be True or False. Received: ...
    """
    if not isinstance(value, (bool, np.bool_)):
        problem = f"`{argument}` must be True or False"
        raise ArgumentError(explain(owner, problem, fix=f"Use for example {argument}=True", **{argument: value}))
    return bool(value)


def check_number(
    owner: str,
    argument: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    example: float,
) -> float:
    """Returns a finite Python or NumPy number as a `float`.

    Args:
        owner: Name of the caller, for messages.
        argument: Name of the argument.
        value: The value received. `True`, NaN, infinity, arrays and text are refused.
        above: Lower bound, excluded, or `None`.
        least: Lower bound, included, or `None`.
        below: Upper bound, excluded, or `None`.
        most: Upper bound, included, or `None`.
        example: Value that the message suggests.

    Raises:
        ArgumentError: The value is not a finite number, or out of range.

    Example:
        >>> check_number("MLP", "dropout", np.float16(0.5), least=0, below=1, example=0.1)
        0.5
        >>> check_number("MLP", "dropout", 1, least=0, below=1, example=0.1)
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: MLP: `dropout` must be a number in [0, 1). Received: dropout=1. ...
    """
    number = _as_float(value)
    fits = (
        math.isfinite(number)
        and (above is None or number > above)
        and (least is None or number >= least)
        and (below is None or number < below)
        and (most is None or number <= most)
    )
    if fits:
        return number
    given = {
        sign: bound for sign, bound in ((">", above), (">=", least), ("<", below), ("<=", most)) if bound is not None
    }
    if len(given) == 2:
        lower, upper = given.values()
        expected = f"a number in {'(' if '>' in given else '['}{lower}, {upper}{')' if '<' in given else ']'}"
    else:
        expected = " ".join(["a finite number", *(f"{sign} {bound}" for sign, bound in given.items())])
    raise _refusal(owner, argument, value, expected, False, example)


def check_ascending(owner: str, argument: str, value: Any, *, example: Any) -> tuple[Any, ...]:
    """Returns finite numbers, each larger than the one before it, as Python numbers; there may be none.

    Args:
        owner: Name of the caller, for messages.
        argument: Name of the argument.
        value: The value received: a list, tuple or array.
        example: Value that the message suggests.

    Raises:
        ArgumentError: It is anything else.

    Example:
        >>> check_ascending("Number", "edges", np.array([1.5, 2.0]), example=[1.5])
        (1.5, 2.0)
        >>> check_ascending("Number", "edges", [2, 1], example=[1.5])
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Number: `edges` must be ascending finite numbers. Received: ...
    """
    if isinstance(value, (list, tuple, np.ndarray)):
        numbers = tuple(value.tolist() if isinstance(value, np.ndarray) else value)
        is_finite = all(math.isfinite(_as_float(each)) for each in numbers)
        if is_finite and all(one < other for one, other in pairwise(numbers)):
            return numbers
    raise _refusal(owner, argument, value, "ascending finite numbers", False, example)


def _as_float(value: Any) -> float:
    """Returns a number as a `float`, and NaN for what is not one."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, _NOT_NUMBERS)
    try:
        return float(value) if is_number else math.nan
    except OverflowError:  # an integer of more than 308 digits
        return math.inf


def _refusal(owner: str, argument: str, value: Any, expected: str, optional: bool, example: Any) -> ArgumentError:
    problem = f"`{argument}` must be {expected}{' or None' if optional else ''}"
    fix = f"Use for example {argument}={example}"
    return ArgumentError(explain(owner, problem, fix=fix, **{argument: value}))


def closest_name(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Returns a sentence for messages that names what a misspelt name is closest to; nothing where nothing is close.

    Args:
        name: The name received.
        known: Names that there are.
        cutoff: How alike they must be, as for `difflib.get_close_matches`.

    Example:
        >>> closest_name("epoch", ["batch_size", "epochs"]), closest_name("x", ["epochs"])
        ("The closest is 'epochs'. ", '')
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"The closest is {close[0]!r}. " if close else ""


def refuse_unknown(cls: type, kwargs: dict[str, Any]) -> None:
    """Raises `ArgumentTypeError` for keyword arguments that neither the layer nor Keras accepts.

    Example:
        >>> class Doubled:
        ...     def __init__(self, factor=2, **kwargs): ...
        >>> refuse_unknown(Doubled, {"faktor": 3})
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentTypeError: Doubled: there are no arguments 'faktor'. The closest is 'factor'.
        Accepted: factor, ...
    """
    unknown = sorted(kwargs.keys() - set(_OF_EVERY_LAYER))
    if unknown:
        own = [name for name in inspect.signature(cls).parameters if name not in ("args", "kwargs")]
        problem = f"there are no arguments {', '.join(map(repr, unknown))}"
        from_data = getattr(cls, "from_data", None)  # which gives what it does not know to the constructor
        of_data = (
            [] if from_data is None else [name for name in inspect.signature(from_data).parameters if name not in own]
        )
        close = difflib.get_close_matches(unknown[0], [*own, *of_data], n=1)
        of = ", of from_data" if close and close[0] in of_data else ""
        closest = f"The closest is {close[0]!r}{of}. " if close else ""
        fix = f"{closest}Accepted: {', '.join([*own, *(name for name in _OF_EVERY_LAYER if name not in own)])}"
        raise ArgumentTypeError(explain(cls.__name__, problem, fix=fix))
