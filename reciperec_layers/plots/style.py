"""The common style of all plots: size, colors, axes, and labels at the ends of lines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reciperec_layers.errors import ArgumentError, MissingExtraError, explain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's color-blind safe palette, without the yellow, which is too pale on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK = "#333333"
QUIET = "#8C8C8C"
GRID = "#E6E6E6"
TEXT_SIZE = 9
WIDTH, HEIGHT = 6.4, 4.0

_SHARE_OF_HEIGHT = 0.8  # of the figure, taken by the panels
_TITLE_CHARS = 64
_LINE_HEIGHT = 1.25  # relative to the text size


def require_matplotlib(owner: str) -> None:
    """Raises `MissingExtraError` unless matplotlib is installed.

    Args:
        owner: Name of the caller, for messages.

    Raises:
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> require_matplotlib("recall_over_k")
    """
    try:
        import matplotlib  # noqa: F401 - comes with an extra
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        fix = 'Install it with `pip install "reciperec-layers[plots]"`'
        raise MissingExtraError(explain(owner, "matplotlib is needed to draw plots", fix=fix)) from None


def new_figure(owner: str, title: str | None, num_panels: int = 1) -> tuple[Figure, list[Axes]]:
    """Returns a figure and its panels, stacked vertically with a shared x axis.

    Args:
        owner: Name of the caller, for messages.
        title: Text above the first panel, or `None`.
        num_panels: Number of panels, at least 1.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: `title` is not text.

    Example:
        >>> figure, panels = new_figure("recall_over_k", "Soups", num_panels=2)
        >>> len(panels), panels[0].get_title(loc="left")
        (2, 'Soups')
    """
    require_matplotlib(owner)
    from matplotlib.figure import Figure

    if title is not None and not isinstance(title, str):
        fix = 'Pass for example title="Recipes"'
        raise ArgumentError(explain(owner, "`title` must be text or None", title=title, fix=fix))
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained", facecolor="white")
    panels = list(figure.subplots(num_panels, sharex=True, squeeze=False)[:, 0])
    for axes in panels:
        axes.set_facecolor("white")
        axes.set_axisbelow(True)
        axes.grid(False)
        axes.grid(axis="y", color=GRID, linewidth=0.8, linestyle="-")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set(visible=True, color=QUIET, linewidth=0.8)
        axes.tick_params(which="both", length=0, labelsize=TEXT_SIZE, labelcolor=INK)
        axes.tick_params(axis="x", which="major", length=3, color=QUIET)
    if title:
        shown = "\n".join(textwrap.fill(line, _TITLE_CHARS) for line in title.splitlines())
        panels[0].set_title(shown, loc="left", pad=8, fontsize=11, color=INK, parse_math=False)
    return figure, panels


def name_axes(axes: Axes, x: str | None = None, y: str | None = None) -> None:
    """Labels the axes.

    Example:
        >>> _, (axes,) = new_figure("recall_over_k", None)
        >>> name_axes(axes, x="Epoch")
        >>> axes.get_xlabel()
        'Epoch'
    """
    for text, write in ((x, axes.set_xlabel), (y, axes.set_ylabel)):
        if text is not None:
            write(text, fontsize=TEXT_SIZE, color=INK, parse_math=False)


def show_percent(axis: Any) -> None:
    """Formats the ticks of an axis as percentages.

    Example:
        >>> _, (axes,) = new_figure("recall_over_k", None)
        >>> show_percent(axes.yaxis)
        >>> axes.yaxis.get_major_formatter()(0.5)
        '50%'
    """
    axis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")


def add_legend(axes: Axes, **options: Any) -> None:
    """Adds a legend on a translucent background; options are those of `Axes.legend`.

    Example:
        >>> _, (axes,) = new_figure("recall_over_k", None)
        >>> _ = axes.plot([1, 2], label="$1 soups")
        >>> add_legend(axes, loc="best")
        >>> axes.get_legend().get_texts()[0].get_parse_math()
        False
    """
    background = {"frameon": True, "fancybox": False, "facecolor": "white", "edgecolor": "none", "framealpha": 0.85}
    legend = axes.legend(**{"fontsize": TEXT_SIZE, "labelcolor": INK, **background, **options})
    for text in legend.get_texts():
        text.set_parse_math(False)


def color_of(number: int) -> str:
    """Returns the color of a series, by its number from 0; the colors repeat after the last.

    Example:
        >>> color_of(0) == color_of(7)
        True
    """
    return COLORS[number % len(COLORS)]


def line_style_of(number: int) -> str:
    """Returns the line style of a series, by its number from 0; it changes whenever the colors repeat.

    Example:
        >>> line_style_of(0), line_style_of(7)
        ('-', '--')
    """
    return ("-", "--", ":", "-.")[number // len(COLORS) % 4]


def plain_label(text: object, width: int = 28) -> str:
    r"""Returns a short text on one line, with unprintable characters replaced by spaces.

    Args:
        text: Any value.
        width: Maximum number of characters.

    Example:
        >>> plain_label("Soup\x07 of\nthe day"), plain_label("Grandmother's soup", width=12)
        ('Soup of the day', 'Grandmother…')
    """
    shown = " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())
    return shown if len(shown) <= width else shown[: width - 1].rstrip() + "…"


def label_ends(axes: Axes, heights: Sequence[float], texts: Sequence[str], colors: Sequence[str]) -> None:
    """Writes names to the right of lines, at the height where each line ends, moved apart if they would overlap.

    This fixes the limits of the y axis.

    Args:
        axes: The panel, with its lines drawn already.
        heights: Where each line ends, in units of the y axis.
        texts: The names.
        colors: Color of each name.

    Example:
        >>> _, (axes,) = new_figure("recall_over_k", None)
        >>> label_ends(axes, [0.5, 0.5], ["model", "popularity"], COLORS[:2])
        >>> [text.get_text() for text in axes.texts]
        ['model', 'popularity']
    """
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top)
    num_panels = len(axes.figure.axes)
    points = HEIGHT * 72 * _SHARE_OF_HEIGHT / num_panels
    places = (np.asarray(heights, dtype=np.float64) - bottom) / (top - bottom)
    for place, text, color in zip(spread(places, TEXT_SIZE * _LINE_HEIGHT / points), texts, colors, strict=True):
        axes.annotate(
            text,
            (1, place),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=color,
            fontsize=TEXT_SIZE,
            annotation_clip=False,
            parse_math=False,
        )


def spread(places: Any, gap: float) -> np.ndarray:
    """Moves places apart as little as possible (least squares), keeping their order.

    Args:
        places: Numbers, shape `(n,)`.
        gap: Smallest distance between two places.

    Example:
        >>> spread([0.5, 0.5, 2.0], gap=0.5).tolist()
        [0.25, 0.75, 2.0]
    """
    places = np.asarray(places, dtype=np.float64)
    order = np.argsort(places, kind="stable")
    steps = gap * np.arange(len(places))
    # After subtracting the steps this is isotonic regression: neighbours out of order share their mean.
    groups: list[tuple[float, int]] = []
    for value in places[order] - steps:
        mean, count = float(value), 1
        while groups and groups[-1][0] > mean:
            before, num_before = groups.pop()
            mean = (mean * count + before * num_before) / (count + num_before)
            count += num_before
        groups.append((mean, count))
    moved = np.empty(len(places))
    moved[order] = np.repeat([mean for mean, _ in groups], [count for _, count in groups]) + steps
    return moved
