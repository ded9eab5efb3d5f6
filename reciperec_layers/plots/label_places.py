"""Which points of an embedding map are labelled, and on which side of its point each label goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Side:
    """Where a label goes: its alignment, and its distance from the point in typographic points.

    Args:
        horizontal: `"left"`, `"center"` or `"right"`: which part of the label is at the point.
        vertical: `"bottom"`, `"center"` or `"top"`, likewise.
        offset: Shift to the right and up.

    Example:
        >>> SIDES[0].horizontal
        'left'
    """

    horizontal: str
    vertical: str
    offset: tuple[float, float]

    def box(self, point: np.ndarray, size: tuple[float, float]) -> np.ndarray:
        """Returns left, bottom, right and top of a label of the given width and height, shape `(4,)`."""
        left, bottom = point + self.offset
        left -= {"left": 0.0, "center": 0.5, "right": 1.0}[self.horizontal] * size[0]
        bottom -= {"bottom": 0.0, "center": 0.5, "top": 1.0}[self.vertical] * size[1]
        return np.array([left, bottom, left + size[0], bottom + size[1]])


SIDES = (
    Side("left", "center", (5, 0)),
    Side("right", "center", (-5, 0)),
    Side("center", "bottom", (0, 4)),
    Side("center", "top", (0, -4)),
    Side("left", "bottom", (3, 3)),
    Side("left", "top", (3, -3)),
    Side("right", "bottom", (-3, 3)),
    Side("right", "top", (-3, -3)),
)

_DOT = 3.0  # half the width of a dot
_OUTSIDE = 10.0  # cost of leaving the panel, relative to covering another label


def spread_out(points: Any, number: int, size: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """Chooses points far apart: first the one farthest from the mean, then always the one farthest from all chosen.

    Args:
        points: Numbers of shape `(n, 2)`.
        number: How many to choose; fewer if there are not that many different points.
        size: Width and height of a label. Distances are the larger of both coordinate differences, in units of
            labels, so that labels of points at least 1 apart need not overlap.

    Returns:
        Rows of the chosen points, int64 of shape `(number,)`.

    Example:
        >>> spread_out([[0, 0], [0.1, 0], [3, 0], [0, 1], [0, 1]], 3).tolist()
        [2, 0, 3]
        >>> spread_out([[0, 0], [1, 0], [0, 0]], 3).tolist()
        [1, 0]
    """
    scaled = np.asarray(points, dtype=np.float64) / size
    distance = np.abs(scaled - scaled.mean(axis=0)).max(axis=1)
    nearest = np.full(len(scaled), np.inf)
    chosen: list[int] = []
    while len(chosen) < number and nearest.max(initial=0.0) > 0:
        row = int(np.argmax(nearest if chosen else distance))
        chosen.append(row)
        np.minimum(nearest, np.abs(scaled - scaled[row]).max(axis=1), out=nearest)
    return np.array(chosen, dtype=np.int64)


def choose_sides(points: np.ndarray, sizes: Sequence[tuple[float, float]], width: float, height: float) -> list[Side]:
    """Returns the side for each label that covers the least of other labels and dots, and stays in the panel.

    Args:
        points: Positions of the dots in typographic points from the lower left corner, shape `(n, 2)`.
        sizes: Width and height of each label.
        width: Width of the panel.
        height: Height of the panel.

    Example:
        >>> points = np.array([[50.0, 50.0], [60.0, 50.0]])
        >>> [side.horizontal for side in choose_sides(points, [(30, 10), (30, 10)], 100, 100)]
        ['right', 'left']
    """
    dots = np.concatenate([points - _DOT, points + _DOT], axis=1)
    placed = np.empty((0, 4))
    sides = []
    for point, size in zip(points, sizes, strict=True):
        boxes = [side.box(point, size) for side in SIDES]
        costs = [_covered(box, placed) + _covered(box, dots) + _OUTSIDE * _outside(box, width, height) for box in boxes]
        best = int(np.argmin(costs))
        sides.append(SIDES[best])
        placed = np.append(placed, boxes[best][np.newaxis], axis=0)
    return sides


def _covered(box: np.ndarray, others: np.ndarray) -> float:
    """Returns the area that a box shares with others."""
    common = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.prod(np.maximum(common, 0), axis=1).sum())


def _outside(box: np.ndarray, width: float, height: float) -> float:
    panel = np.array([[0.0, 0.0, width, height]])
    return float(np.prod(box[2:] - box[:2])) - _covered(box, panel)
