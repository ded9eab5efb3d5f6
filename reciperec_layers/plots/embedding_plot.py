"""embedding_map: candidates in the plane in which their embeddings differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reciperec_layers.arguments import check_integer
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.plots.label_places import choose_sides, spread_out
from reciperec_layers.plots.style import COLORS, HEIGHT, INK, QUIET, WIDTH, name_axes, new_figure, plain_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OWNER = "embedding_map"
_LABEL_TEXT_SIZE = 7.5
_LABEL_CHARS = 24
_CHAR_WIDTH = 0.63  # relative to the text size, roughly
_USUAL_LABEL = (90.0, 12.0)  # typographic points
_MARGIN = 0.06


def embedding_map(
    embeddings: pd.DataFrame,
    names: Mapping[Any, Any] | Sequence[Any] | pd.Series | None = None,
    highlight: int = 20,
    *,
    title: str | None = None,
) -> Figure:
    """Plots candidates by the first two principal components of their embeddings, and labels some that lie far apart.

    Distances are to scale, as far as two components show them; the axis labels state the share of the variance that
    each explains. The sign of a component is chosen so that its largest loading is positive.

    Args:
        embeddings: Data frame with one row per candidate, indexed by id, as `RetrievalModel.candidate_embeddings`
            returns it; at least two rows and columns.
        names: Labels: a mapping from ids (or a Series whose index has the name of the ids; an id without a label is
            its own label), or a sequence in the order of the rows; by default the ids.
        highlight: How many candidates to label, at least 0; fewer if there are not that many different points.
        title: Text above the plot.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: `embeddings` is not a data frame of finite numbers, has too few rows or columns, or all its rows
            are equal; `names` has another length; `highlight` is negative.

    Example:
        >>> corners = [[0.0, 0.0], [4.0, 0.0], [4.0, 2.0], [0.0, 2.0]]
        >>> frame = pd.DataFrame(corners, index=["pie", "roll", "ramen", "stew"])
        >>> figure = embedding_map(frame, highlight=2)
        >>> figure.axes[0].get_xlabel()
        'First component, 80% of the variance'
        >>> sorted(text.get_text() for text in figure.axes[0].texts)
        ['pie', 'ramen']
    """
    values = _values(embeddings)
    highlight = check_integer(_OWNER, "highlight", highlight, least=0, example=20)
    texts = _texts(embeddings.index, names)
    points, shares = _two_components(values)
    figure, (axes,) = new_figure(_OWNER, title)
    width, height = 72 * (WIDTH - 0.4), 72 * (HEIGHT - (0.7 if title else 0.4))
    # Typographic points from the lower left corner, estimated before matplotlib lays out the panel.
    extent = np.ptp(points, axis=0)
    scale = (1 - 2 * _MARGIN) * min(width / max(extent[0], 1e-300), height / max(extent[1], 1e-300))
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    on_panel = (points - middle) * scale + (width / 2, height / 2)
    area, alpha = np.clip(6000 / len(points), 1.5, 20), np.clip(60 / np.sqrt(len(points)), 0.15, 0.55)
    axes.scatter(
        points[:, 0], points[:, 1], s=float(area), color=COLORS[5], alpha=float(alpha), linewidths=0, rasterized=True
    )
    chosen = spread_out(on_panel, highlight, _USUAL_LABEL)
    axes.scatter(points[chosen, 0], points[chosen, 1], s=18, color=COLORS[0], linewidths=0, zorder=3)
    _write(axes, points[chosen], on_panel[chosen], [texts(row) for row in chosen], width, height)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(_MARGIN)
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["left"].set(visible=True, color=QUIET, linewidth=0.8)
    name_axes(
        axes,
        x=f"First component, {shares[0]:.0%} of the variance",
        y=f"Second component, {shares[1]:.0%} of the variance",
    )
    return figure


def _write(axes: Any, points: np.ndarray, on_panel: np.ndarray, texts: list[str], width: float, height: float) -> None:
    from matplotlib.patheffects import withStroke

    sizes = [(_CHAR_WIDTH * _LABEL_TEXT_SIZE * len(text), 1.2 * _LABEL_TEXT_SIZE) for text in texts]
    sides = choose_sides(on_panel, sizes, width, height)
    for point, text, side in zip(points, texts, sides, strict=True):
        axes.annotate(
            text,
            point,
            xytext=side.offset,
            textcoords="offset points",
            ha=side.horizontal,
            va=side.vertical,
            fontsize=_LABEL_TEXT_SIZE,
            color=INK,
            parse_math=False,
            path_effects=[withStroke(linewidth=2, foreground="white")],
            zorder=4,
        )


def _values(embeddings: Any) -> np.ndarray:
    fix = "Pass model.candidate_embeddings()"
    if not isinstance(embeddings, pd.DataFrame):
        problem = "`embeddings` must be a data frame with one row per candidate"
        raise ArgumentError(explain(_OWNER, problem, embeddings=embeddings, fix=fix))
    try:
        values = embeddings.to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        values = np.full((2, 2), np.nan)
    if min(embeddings.shape) < 2 or not np.isfinite(values).all():
        problem = "`embeddings` must have at least two rows and columns of finite numbers"
        raise ArgumentError(explain(_OWNER, problem, embeddings=embeddings, fix=fix))
    return values


def _two_components(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns coordinates, shape `(n, 2)`, and the share of the variance of each component, shape `(2,)`."""
    largest = np.abs(values).max()
    centred = values / (largest or 1.0)  # squares of very large or small numbers would overflow or underflow
    centred -= centred.mean(axis=0)
    left, singular, loadings = np.linalg.svd(centred, full_matrices=False)
    if singular[0] <= 1e-12 * np.sqrt(values.size):
        fix = "Train the model first"
        problem = "all embeddings are equal, so there is nothing to plot"
        raise ArgumentError(explain(_OWNER, problem, embeddings=values, fix=fix))
    rows = np.arange(2)
    signs = np.sign(loadings[rows, np.abs(loadings[:2]).argmax(axis=1)])
    points = left[:, :2] * singular[:2] * signs * largest
    return points, singular[:2] ** 2 / np.sum(singular**2)


def _texts(ids: pd.Index, names: Any) -> Any:
    """Returns a function from a row to its label."""
    if isinstance(names, pd.Series) and names.index.name is not None and names.index.name == ids.name:
        names = names.to_dict()
    if names is None:
        names = {}
    if isinstance(names, Mapping):
        return lambda row: plain_label(names.get(ids[row], ids[row]), _LABEL_CHARS)
    listed = None if isinstance(names, (str, bytes)) or not hasattr(names, "__len__") else list(names)
    if listed is None or len(listed) != len(ids):
        problem = f"`names` must be a mapping from ids, or have one name for each of {len(ids)} rows"
        fix = "Pass for example a dict from ids to names"
        raise ArgumentError(explain(_OWNER, problem, names=names, fix=fix))
    return lambda row: plain_label(listed[row], _LABEL_CHARS)
