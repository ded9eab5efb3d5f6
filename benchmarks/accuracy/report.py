"""What a run has found: a table to read, and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from peers import ALS

from reciperec_layers.plots.style import color_of, label_ends, name_axes, new_figure, plain_label, show_percent


def table_of(found: dict[str, Any]) -> pd.DataFrame:
    """Returns published rows, yardsticks of this run and our row; `ours_over` is our recall divided by a row's."""
    trials = pd.DataFrame(found["trials"])
    mean, low, high = trials.mean(), trials.min(), trials.max()
    rows = [{**row, "source": "published"} for row in found["published"]]
    rows += [{"name": name, **row, "source": "this run"} for name, row in found["peers"]["test"].items()]
    ours = {name: mean[name] for name in ("recall", "ndcg", "seconds")}
    ranges = {f"{name}_range": f"{low[name]:.4f}-{high[name]:.4f}" for name in ("recall", "ndcg")}
    memory = {"peak_mb": found["peak_memory_mb"]}
    rows.append({"name": found["name"], **ours, **ranges, **memory, "source": "this run"})
    table = pd.DataFrame(rows)
    table["ours_over"] = mean["recall"] / table["recall"]
    order = ["name", "source", "recall", "recall_range", "ndcg", "ndcg_range", "ours_over", "seconds", "peak_mb"]
    return table[order].sort_values("recall", kind="stable")


def print_found(found: dict[str, Any]) -> None:
    seeds = ", ".join(str(trial["seed"]) for trial in found["trials"])
    k = found["k"]
    print(f"{found['data']}: R@{k} and N@{k} on test, seeds {seeds}, {found['chosen_epoch']} epochs chosen on valid")
    digits = {"recall": 4, "ndcg": 4, "ours_over": 3, "seconds": 1, "peak_mb": 0}
    formats = {name: _number(places) for name, places in digits.items()}
    print(table_of(found).to_string(index=False, formatters=formats, na_rep=""))
    until = found["seconds_until_als"]
    if ALS not in found["peers"]["valid"]:
        print(f"{ALS}: not installed")
    elif until is None:
        print(f"R@{k} on valid never passes that of {ALS}")
    else:
        print(f"R@{k} on valid passes that of {ALS} after {until:.1f} s of training")


def draw(found: dict[str, Any], path: Path) -> None:
    """Draws quality on valid over the seconds of training, with the yardsticks as points at the seconds they took."""
    figure, (axes,) = new_figure("accuracy", f"{found['data']}: quality while training")
    curve = found["curve"]
    seconds, recalls = ([point[name] for point in curve] for name in ("seconds", "recall"))
    axes.plot(seconds, recalls, color=color_of(0), linewidth=2, marker="o", markersize=3.5)
    ends, names = [recalls[-1]], [found["name"]]
    for number, (name, peer) in enumerate(found["peers"]["valid"].items(), start=1):
        axes.plot(peer["seconds"], peer["recall"], "D", color=color_of(number), markersize=6, zorder=4, clip_on=False)
        axes.axhline(peer["recall"], color=color_of(number), linewidth=0.8, linestyle=":")
        ends.append(peer["recall"])
        names.append(name)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.08 * max(*ends, *recalls, 1e-3))
    show_percent(axes.yaxis)
    name_axes(axes, x="Seconds of training", y=f"Recall at {found['k']} on valid")
    label_ends(axes, ends, [plain_label(name) for name in names], [color_of(number) for number in range(len(ends))])
    figure.savefig(path, dpi=150)


def _number(places: int) -> Any:
    return lambda value: "" if pd.isna(value) else f"{value:,.{places}f}"
