"""recall_over_k: the share of held-out rows that are found, by number of recommendations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from reciperec_layers.arguments import check_integer
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.plots.series import series_by_name
from reciperec_layers.plots.style import (
    color_of,
    label_ends,
    line_style_of,
    name_axes,
    new_figure,
    plain_label,
    show_percent,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OWNER = "recall_over_k"
_LARGEST_LINEAR = 10
_ROOM_FOR_TICK = 1.4  # smallest ratio of the last two ticks on a logarithmic axis


def recall_over_k(ranks: Mapping[str, Any], max_k: int = 100, *, title: str | None = None) -> Figure:
    """Plots the share of held-out rows whose candidate is among the k best, for k from 1.

    The k axis is logarithmic if `max_k` is above 10, since people mostly see the first places.

    Args:
        ranks: Mapping from the name of a recommender to the ranks of the held-out candidates, integers >= 1 of shape
            `(n,)`, as `RetrievalModel.held_out_ranks` and `Popularity.held_out_ranks` return them. Recommenders may
            have different rows.
        max_k: The largest k, at least 1.
        title: Text above the plot.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: There are no ranks, a rank is not an integer >= 1, or `max_k` is below 1.

    Example:
        >>> figure = recall_over_k({"model": [1, 3, 2**63 - 1], "popularity": [2, 9, 40]}, max_k=10)
        >>> figure.axes[0].lines[0].get_ydata()[:3]
        array([0.33333333, 0.33333333, 0.66666667])
    """
    max_k = check_integer(_OWNER, "max_k", max_k, example=100)
    named = series_by_name(_OWNER, "ranks", ranks, '{"model": model.held_out_ranks(test)}')
    by_name = {name: _sorted_ranks(name, values) for name, values in named.items()}
    figure, (axes,) = new_figure(_OWNER, title)
    ks = np.arange(1, int(max_k) + 1)
    ends = []
    for number, values in enumerate(by_name.values()):
        shares = np.searchsorted(values, ks, side="right") / len(values)
        marker = "o" if len(ks) == 1 else None
        axes.plot(ks, shares, color=color_of(number), linestyle=line_style_of(number), linewidth=2, marker=marker)
        ends.append(shares[-1])
    if max_k > _LARGEST_LINEAR:
        axes.set_xscale("log")
    ticks = _ticks(int(max_k))
    axes.set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(1 if max_k > 1 else 0, max(max_k, 2))
    axes.set_ylim(0, max(1.05 * max(ends), 0.01))
    show_percent(axes.yaxis)
    name_axes(axes, x="Number of recommendations, k", y="Held-out rows found among the k best")
    label_ends(axes, ends, [plain_label(name) for name in by_name], [color_of(number) for number in range(len(ends))])
    return figure


def _sorted_ranks(name: str, values: Any) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError:  # lists of several lengths
        array = np.empty(0, dtype=object)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu" or array.min() < 1:
        problem = f"ranks must be integers >= 1 of shape (n,), at least one; those of {name!r} are not"
        fix = "Pass what held_out_ranks returns"
        raise ArgumentError(explain(_OWNER, problem, ranks=values, fix=fix))
    return np.sort(array)


def _ticks(max_k: int) -> list[int]:
    """Returns 1, 2, 5, 10 and so on, or every k if they are few; `max_k` is always the last."""
    if max_k <= _LARGEST_LINEAR:
        return list(range(1, max_k + 1))
    ticks = [step * 10**power for power in range(len(str(max_k))) for step in (1, 2, 5)]
    ticks = [tick for tick in ticks if tick * _ROOM_FOR_TICK <= max_k]
    return [*ticks, max_k]
