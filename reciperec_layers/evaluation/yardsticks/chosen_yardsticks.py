"""The `yardsticks=` argument of comparisons, as yardsticks."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, Literal

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain
from reciperec_layers.evaluation.yardsticks.als import ALS
from reciperec_layers.evaluation.yardsticks.ease import EASE
from reciperec_layers.evaluation.yardsticks.item_knn import ItemKNN
from reciperec_layers.evaluation.yardsticks.yardstick import Yardstick

# What users name, or mean by "all".
Yardsticks = Literal["all"] | Sequence[str | Yardstick] | None

# An untuned yardstick is easily beaten, so what is named is tuned.
_BY_NAME: dict[str, Callable[[], Yardstick]] = {
    "item_knn": lambda: ItemKNN(k="auto", shrink="auto"),
    "ease": lambda: EASE(l2="auto"),
    "als": lambda: ALS(factors=64, regularization="auto", alpha="auto"),
}
_FIX = f'Use "all", or a list of names ({", ".join(_BY_NAME)}) and of Yardstick objects'


def chosen_yardsticks(yardsticks: Any, owner: str) -> list[Yardstick]:
    """Returns the yardsticks that an argument asks for. By name their options are `"auto"`.

    Args:
        yardsticks: `"all"`, or names and `Yardstick` objects, or `None` for none.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentTypeError: The value is something else.
        ArgumentError: A name is not known, or two yardsticks are called the same.

    Example:
        >>> chosen_yardsticks(["ease", ItemKNN(k=20)], "compare")
        [EASE(l2='auto', max_candidates=16384), ItemKNN(k=20, shrink=100.0)]
    """
    if yardsticks is None:
        return []
    if isinstance(yardsticks, str) and yardsticks == "all":
        return [make() for make in _BY_NAME.values()]
    if isinstance(yardsticks, str) or not isinstance(yardsticks, Sequence):
        problem = '`yardsticks` must be "all" or a list'
        raise ArgumentTypeError(explain(owner, problem, yardsticks=yardsticks, fix=_FIX))
    found = [_one(each, owner) for each in yardsticks]
    names = [each.name for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ArgumentError(explain(owner, f"two yardsticks are called {twice!r}", fix="Compare one at a time"))
    return found


def _one(value: Any, owner: str) -> Yardstick:
    if isinstance(value, Yardstick):
        return value
    if not isinstance(value, str):
        raise ArgumentTypeError(explain(owner, "a yardstick must be a name or a Yardstick", received=value, fix=_FIX))
    if value not in _BY_NAME:
        close = difflib.get_close_matches(value, _BY_NAME, 1)
        fix = f"Did you mean {close[0]!r}? {_FIX}" if close else _FIX
        raise ArgumentError(explain(owner, "no yardstick has this name", name=value, fix=fix))
    return _BY_NAME[value]()
