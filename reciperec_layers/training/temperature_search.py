"""Search for the temperature of a loss."""

from __future__ import annotations

import math
from collections.abc import Callable

START = 0.2
# The temperatures that may be tried are START * 2 ** (k / 2).
_LEAST, _MOST = -7, 7


def search_temperature(quality: Callable[[float], float]) -> float:
    """Returns the best temperature: from .2 up or down by a factor of 2 while it gets better, then by one of 1.4.

    Args:
        quality: Of a temperature, higher is better. Called once for each that is tried, three times at least.

    Returns:
        A temperature between .018 and 2.3.

    Example:
        >>> search_temperature(lambda temperature: -abs(temperature - 0.07))
        0.071
    """
    found: dict[int, float] = {}

    def quality_at(k: int) -> float:
        if k not in found:
            found[k] = quality(_temperature(k))
        return found[k]

    best = 0
    for size in (2, 1):
        for step in (-size, size):
            centre = best
            while _LEAST <= best + step <= _MOST and quality_at(best + step) > quality_at(best):
                best += step
            if best != centre:
                break  # the other way leads back
    return _temperature(best)


def next_lower(temperature: float) -> float | None:
    """Returns the next lower of the temperatures that `search_temperature` tries, or `None` below the lowest.

    Args:
        temperature: One that it has returned.

    Example:
        >>> next_lower(0.2), next_lower(0.018)
        (0.14, None)
    """
    k = round(2 * math.log2(temperature / START)) - 1
    return None if k < _LEAST else _temperature(k)


def _temperature(k: int) -> float:
    return float(f"{START * 2 ** (k / 2):.2g}")
