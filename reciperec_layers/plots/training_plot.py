"""training_curves: losses and metrics over epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.plots.style import (
    QUIET,
    add_legend,
    color_of,
    label_ends,
    name_axes,
    new_figure,
    plain_label,
    show_percent,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OWNER = "training_curves"
_VALIDATION = "val_"
_STYLES = {
    False: {"linestyle": "-"},
    True: {"linestyle": "--", "markerfacecolor": "white"},
}
_NO_METRICS = ("learning_rate", "lr", "num_")
_SHARES = ("accuracy", "recall", "precision", "hit_rate")
_MOST_MARKED_EPOCHS = 30

Series = dict[str, tuple[np.ndarray, np.ndarray]]


def training_curves(history: Any, *, title: str | None = None) -> Figure:
    """Plots what `fit` returns: losses in one panel, other metrics in a second, over epochs counted from 1.

    Training values are solid lines, validation values dashed ones with hollow dots, in one color per metric. Values
    that are not finite are left out, and so are the learning rate, counts (`num_...`), and a regularization loss that
    is 0 throughout together with the total loss, which then equals the loss.

    Args:
        history: A Keras `History`, or its dict from names to one value per epoch. If validation was not run after
            each epoch, the dict needs NaN for the epochs in between, unless the number of values tells them apart.
        title: Text above the plot.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: There is nothing to plot, or the number of values does not match the number of epochs.

    Example:
        >>> history = {"loss": [3.0, 2.0], "val_loss": [3.5, 3.0], "val_recall@10": [0.1, 0.2]}
        >>> figure = training_curves(history)
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['Loss', 'Metrics']
    """
    series = _series(history)
    names = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in series))
    losses = [name for name in names if name.endswith("loss")]
    metrics = [name for name in names if not name.endswith("loss")]
    panels = [(label, shown) for label, shown in (("Loss", losses), ("Metrics", metrics)) if shown]
    figure, all_axes = new_figure(_OWNER, title, len(panels))
    for axes, (label, shown) in zip(all_axes, panels, strict=True):
        _draw(axes, series, shown)
        name_axes(axes, y=label)
    if metrics and all(any(word in name for word in _SHARES) for name in metrics):
        show_percent(all_axes[-1].yaxis)
    _show_epochs(all_axes[-1], series)
    name_axes(all_axes[-1], x="Epoch")
    kinds = {name.startswith(_VALIDATION) for name in series}
    if True in kinds:
        _explain_styles(all_axes[0], kinds, max(len(epochs) for epochs, _ in series.values()))
    return figure


def _draw(axes: Axes, series: Series, names: list[str]) -> None:
    ends = []
    for number, name in enumerate(names):
        color = color_of(number)
        for is_validation in (True, False):
            key = _VALIDATION * is_validation + name
            if key not in series:
                continue
            epochs, values = series[key]
            axes.plot(epochs, values, color=color, **_style(is_validation, len(epochs)))
            end = values[-1]
        ends.append(end)
    labels = [plain_label(_in_words(name)) for name in names]
    label_ends(axes, ends, labels, [color_of(number) for number in range(len(names))])


def _show_epochs(axes: Axes, series: Series) -> None:
    from matplotlib.ticker import MaxNLocator

    first = min(epochs[0] for epochs, _ in series.values())
    last = max(epochs[-1] for epochs, _ in series.values())
    room = 0.5 if first == last else min(0.02 * (last - first), 0.5)
    axes.set_xlim(first - room, last + room)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _explain_styles(axes: Axes, kinds: set[bool], num_epochs: int) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=QUIET, **_style(is_validation, num_epochs)) for is_validation in sorted(kinds)]
    texts = ["validation" if is_validation else "training" for is_validation in sorted(kinds)]
    add_legend(axes, handles=lines, labels=texts, loc="best", ncols=2, handlelength=3)


def _style(is_validation: bool, num_epochs: int) -> dict[str, Any]:
    marker = "o" if num_epochs <= _MOST_MARKED_EPOCHS else None
    return {"linewidth": 1.8, "marker": marker, "markersize": 3.5, **_STYLES[is_validation]}


def _series(history: Any) -> Series:
    """Returns the epochs and finite values to plot, by name."""
    by_name = getattr(history, "history", history)
    if not isinstance(by_name, Mapping) or not by_name:
        fix = "Pass what `fit` returns"
        problem = "`history` must be a Keras History or its dict, after at least one epoch"
        raise ArgumentError(explain(_OWNER, problem, history=history, fix=fix))
    named = {str(name): _values(str(name), values) for name, values in by_name.items()}
    num_epochs = max(map(len, named.values()))
    known = list(getattr(history, "epoch", []))
    epochs = 1 + np.asarray(known if len(known) == num_epochs else range(num_epochs), dtype=np.int64)
    series = {}
    for name, values in named.items():
        if name.removeprefix(_VALIDATION).startswith(_NO_METRICS):
            continue
        at = epochs[_epochs_of(name, len(values), num_epochs)]
        is_finite = np.isfinite(values)
        if is_finite.any():
            series[name] = at[is_finite], values[is_finite]
    for prefix in ("", _VALIDATION):
        regularization = series.get(f"{prefix}regularization_loss")
        if f"{prefix}loss" in series and regularization is not None and not regularization[1].any():
            series.pop(f"{prefix}regularization_loss")
            series.pop(f"{prefix}total_loss", None)
    if not series:
        problem = "there is no finite loss or metric"
        raise ArgumentError(explain(_OWNER, problem, history=by_name, fix="Pass what `fit` returns"))
    return series


def _values(name: str, values: Any) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty((0, 0))
    if array.ndim != 1 or not array.size:
        problem = f"{name!r} must have one number for each epoch"
        raise ArgumentError(explain(_OWNER, problem, fix="Pass what `fit` returns", values=values))
    return array


def _epochs_of(name: str, num_values: int, num_epochs: int) -> np.ndarray:
    """Returns the epochs that values belong to, if validation was run only after every n-th."""
    if num_values == num_epochs:
        return np.arange(num_epochs)
    steps = [step for step in range(2, num_epochs + 1) if num_epochs // step == num_values]
    if not name.startswith(_VALIDATION) or len(steps) != 1:
        problem = f"{name!r} has {num_values} values for {num_epochs} epochs"
        fix = "Fill it up with NaN for the epochs without a value"
        raise ArgumentError(explain(_OWNER, problem, fix=fix))
    return np.arange(1, num_values + 1) * steps[0] - 1


def _in_words(name: str) -> str:
    """Returns a readable name: `factorized_top_k/top_10_categorical_accuracy` becomes "top 10 accuracy"."""
    return name.rpartition("/")[2].replace("categorical_", "").replace("_", " ")
