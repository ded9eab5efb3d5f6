from __future__ import annotations

import numpy as np
import pytest

from reciperec_layers.errors import ArgumentError
from reciperec_layers.metrics import MISS
from reciperec_layers.plots import recall_over_k
from tests.plots.figures import texts


@pytest.mark.parametrize("max_k", [1, 7, 100, 2345])
def test_shares_of_rows_within_k(max_k):
    rng = np.random.default_rng(0)
    ranks = {name: rng.integers(1, 300, 50) for name in ("model", "popularity")}
    ranks["model"][:20] = MISS
    axes = recall_over_k(ranks, max_k).axes[0]
    assert len(axes.lines) == 2
    for line, values in zip(axes.lines, ranks.values(), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), range(1, max_k + 1))
        np.testing.assert_allclose(line.get_ydata(), [np.mean(values <= k) for k in range(1, max_k + 1)])
    assert texts(axes) == ["model", "popularity"]
    assert [text.get_color() for text in axes.texts] == [line.get_color() for line in axes.lines]
    assert axes.yaxis.get_major_formatter()(0.1) == "10%"


def test_numbers_on_the_axis():
    def shown(max_k):
        return [text.get_text() for text in recall_over_k({"model": [1]}, max_k).axes[0].get_xticklabels()]

    assert shown(3) == ["1", "2", "3"]
    assert shown(100) == ["1", "2", "5", "10", "20", "50", "100"]
    assert shown(1200) == ["1", "2", "5", "10", "20", "50", "100", "200", "500", "1,200"]


def test_names_of_equal_lines_do_not_overlap():
    heights = [text.xy[1] for text in recall_over_k({name: [1, 2] for name in "abcd"}).axes[0].texts]
    assert (np.diff(heights) > 0.03).all()


def test_more_recommenders_than_colors():
    lines = recall_over_k({str(number): [1] for number in range(9)}).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 9


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        ({}, "`ranks` must be a dict by name"),
        ([1, 2], r"`ranks` must be a dict by name.*Received: ranks=\[1, 2\]"),
        ({"model": []}, "those of 'model' are not"),
        ({"model": [1, 0]}, "those of 'model' are not"),
        ({"model": [1.0, 2.0]}, "those of 'model' are not"),
        ({"model": [[1, 2]]}, "those of 'model' are not"),
        ({"model": [[1], [1, 2]]}, "those of 'model' are not"),
        ({"model": [True]}, "those of 'model' are not"),
        ({"model": ["first"]}, "those of 'model' are not"),
    ],
)
def test_wrong_ranks(ranks, expected):
    with pytest.raises(ArgumentError, match=f"^recall_over_k: .*{expected}"):
        recall_over_k(ranks)


@pytest.mark.parametrize("max_k", [0, 2.5, None])
def test_wrong_max_k(max_k):
    with pytest.raises(ArgumentError, match="^recall_over_k: `max_k` must be a positive integer"):
        recall_over_k({"model": [1]}, max_k)
