"""recommendation_spread: whether a few candidates get most of the recommendations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reciperec_layers.arguments import check_integer
from reciperec_layers.columns.id_arrays import is_text, to_id_array
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.plots.series import series_by_name
from reciperec_layers.plots.style import (
    QUIET,
    add_legend,
    color_of,
    line_style_of,
    name_axes,
    new_figure,
    plain_label,
    show_percent,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OWNER = "recommendation_spread"


def recommendation_spread(recommended: Mapping[str, Any], num_candidates: int, *, title: str | None = None) -> Figure:
    """Plots the share of all recommendations that goes to the most recommended candidates.

    Candidates are sorted by how often they are recommended, separately for each recommender. A line far above the
    diagonal means that a few candidates get most of the recommendations; it ends in a dot at the share of the
    catalogue that is recommended at all, which the legend states.

    Args:
        recommended: Mapping from the name of a recommender to the ids that it recommends, of any shape, as
            `RetrievalModel.recommend` and `Popularity.recommend` return them; -1 and `""`, the ids of empty places,
            do not count.
        num_candidates: Size of the corpus, at least the number of distinct candidates recommended.
        title: Text above the plot.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: A recommender recommends nothing, or more candidates than `num_candidates`.
        IdError: An id is missing, or is neither an integer nor text.

    Example:
        >>> figure = recommendation_spread({"model": [[7, 9], [7, -1]]}, num_candidates=4)
        >>> figure.axes[0].lines[0].get_ydata()
        array([0.        , 0.66666667, 1.        ])
    """
    num_candidates = check_integer(_OWNER, "num_candidates", num_candidates, example=1000)
    named = series_by_name(_OWNER, "recommended", recommended, '{"model": model.recommend(queries)[1]}')
    counts = {name: _counts(name, ids, num_candidates) for name, ids in named.items()}
    figure, (axes,) = new_figure(_OWNER, title)
    for number, (name, values) in enumerate(counts.items()):
        x = np.arange(len(values) + 1) / num_candidates
        y = np.append(0.0, np.cumsum(values) / values.sum())
        covered = len(values) / num_candidates
        label = f"{plain_label(name)}: {_percent(covered)} of the catalogue recommended"
        color, style = color_of(number), line_style_of(number)
        axes.plot(x, y, color=color, linestyle=style, linewidth=2, label=label, clip_on=False, zorder=3)
        axes.plot(covered, 1.0, "o", color=color, markersize=5, clip_on=False, zorder=4)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":", label="all candidates equally often")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(np.linspace(0, 1, 6))
        show_percent(axis)
    name_axes(axes, x="Candidates, the most recommended first", y="Share of recommendations")
    add_legend(axes, loc="lower right")
    return figure


def _counts(name: str, ids: Any, num_candidates: int) -> np.ndarray:
    """Returns how often each candidate is recommended, in descending order."""
    flat = to_id_array(ids, f"{_OWNER}: {name!r}").ravel()
    flat = flat[flat != ("" if is_text(flat) else -1)]
    if not flat.size:
        fix = "Pass ids that `recommend` returns"
        raise ArgumentError(explain(_OWNER, f"{name!r} recommends nothing", recommended=ids, fix=fix))
    counts = np.sort(np.bincount(pd.factorize(flat)[0]))[::-1]
    if len(counts) > num_candidates:
        problem = f"{name!r} recommends {len(counts)} candidates, more than there are"
        fix = "Pass the size of the corpus, len(model.corpus)"
        raise ArgumentError(explain(_OWNER, problem, num_candidates=num_candidates, fix=fix))
    return counts


def _percent(share: float) -> str:
    if 0 < share < 0.001:
        return "less than 0.1%"
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
