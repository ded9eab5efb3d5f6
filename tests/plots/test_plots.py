"""What all plots have in common."""

from __future__ import annotations

import sys
import threading
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, MissingExtraError
from tests.plots.figures import PNG, png

TITLE = "Soups for $5, pies for $6_"
DRAW = {
    "training_curves": lambda **options: rl.plots.training_curves({"loss": [2.0, 1.0], "$a$": [0.1, 0.2]}, **options),
    "recall_over_k": lambda **options: rl.plots.recall_over_k({"$a_$ $b": [1, 2]}, **options),
    "recommendation_spread": lambda **options: rl.plots.recommendation_spread({"$a_$ $b": [1, 2]}, 4, **options),
    "embedding_map": lambda **options: rl.plots.embedding_map(
        pd.DataFrame(np.eye(3), index=["$a_$", "$$", "\\frac"]), **options
    ),
}
each = pytest.mark.parametrize("name", DRAW)


def test_every_function_is_drawn_here():
    assert sorted(DRAW) == rl.plots.__all__


@each
def test_a_figure_that_can_be_written(name):
    figure = DRAW[name](title=TITLE)
    assert type(figure) is Figure
    assert figure.axes[0].get_title(loc="left") == TITLE
    assert png(figure).startswith(PNG)
    assert DRAW[name]().axes[0].get_title(loc="left") == ""


@each
def test_no_text_is_read_as_math(name):
    figure = DRAW[name](title=TITLE)
    shown = [text for text in figure.findobj(matplotlib.text.Text) if "$" in text.get_text()]
    assert len(shown) >= 2
    assert not any(text.get_parse_math() for text in shown)


@each
def test_nothing_global_changes(name, monkeypatch):
    # Looking at the backend would choose one.
    before = {key: value for key, value in dict.items(matplotlib.rcParams) if key != "backend"}
    backend = dict.get(matplotlib.rcParams, "backend")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # Keras has imported it
    assert png(DRAW[name](title=TITLE)).startswith(PNG)
    assert {key: value for key, value in dict.items(matplotlib.rcParams) if key != "backend"} == before
    assert dict.get(matplotlib.rcParams, "backend") is backend


def test_plots_are_drawn_in_a_thread():
    figures = []
    thread = threading.Thread(target=lambda: figures.append(png(DRAW["recall_over_k"]())))
    thread.start()
    thread.join()
    assert figures[0].startswith(PNG)


@each
def test_without_matplotlib_the_extra_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=rf"^{name}: matplotlib is needed.*reciperec-layers\[plots\]"):
        DRAW[name]()


@each
def test_a_title_that_is_not_text(name):
    with pytest.raises(ArgumentError, match=f"^{name}: `title` must be text or None. Received: title=7"):
        DRAW[name](title=7)


def test_lines_of_text_that_fonts_lack():
    figure = rl.plots.recall_over_k({"Soup\x07\n\x1b[31m of the\u2028day " + "x" * 100: [1]})
    (label,) = [text.get_text() for text in figure.axes[0].texts]
    assert label.startswith("Soup [31m of the day xxx")
    assert label.endswith("…")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png(figure)
