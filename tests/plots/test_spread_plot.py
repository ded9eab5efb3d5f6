from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from reciperec_layers.errors import ArgumentError, IdError
from reciperec_layers.plots import recommendation_spread


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


@pytest.mark.parametrize("as_text", [False, True])
def test_cumulative_shares_from_most_to_least_recommended(as_text):
    ids = (np.random.default_rng(0).random((40, 5)) ** 3 * 30).astype(int)
    given = ids.astype(str).astype(object) if as_text else ids
    empty = np.full((40, 2), "" if as_text else -1, dtype=given.dtype)
    line = recommendation_spread({"model": np.hstack([given, empty])}, 50).axes[0].lines[0]
    counts = sorted(Counter(ids.ravel().tolist()).values(), reverse=True)
    expected = [(0, 0)] + [((at + 1) / 50, sum(counts[: at + 1]) / 200) for at in range(len(counts))]
    np.testing.assert_allclose(line.get_xydata(), expected)


def test_labels_state_how_much_is_recommended():
    recommended = {"model": [[1, 2], [2, 3]], "popularity": [[1, 1]], "one": [5]}
    figure = recommendation_spread(recommended, 4)
    assert legend(figure) == [
        "model: 75% of the catalogue recommended",
        "popularity: 25% of the catalogue recommended",
        "one: 25% of the catalogue recommended",
        "all candidates equally often",
    ]
    assert "2.5%" in legend(recommendation_spread({"one": [5]}, 40))[0]
    assert "less than 0.1%" in legend(recommendation_spread({"one": [5]}, 4000))[0]
    assert "100%" in legend(recommendation_spread({"all": [[1], [2]]}, 2))[0]


def test_the_dot_is_at_the_share_that_is_recommended():
    line, dot, diagonal = recommendation_spread({"model": [1, 1, 2]}, 8).axes[0].lines
    np.testing.assert_array_equal(dot.get_xydata(), [[0.25, 1.0]])
    assert dot.get_color() == line.get_color()
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])


@pytest.mark.parametrize(
    ("recommended", "num_candidates", "expected"),
    [
        ({}, 3, "`recommended` must be a dict by name"),
        ([[1]], 3, "`recommended` must be a dict by name"),
        ({"model": [[-1, -1]]}, 3, "'model' recommends nothing"),
        ({"model": []}, 3, "'model' recommends nothing"),
        ({"model": np.array([""], object)}, 3, "'model' recommends nothing"),
        ({"model": [1, 2, 3, 4]}, 3, "'model' recommends 4 candidates, more than there are"),
        ({"model": [1]}, 0, "`num_candidates` must be a positive integer"),
    ],
)
def test_wrong_arguments(recommended, num_candidates, expected):
    with pytest.raises(ArgumentError, match=f"^recommendation_spread: .*{expected}"):
        recommendation_spread(recommended, num_candidates)


def test_values_that_are_not_ids():
    with pytest.raises(IdError, match="^recommendation_spread: 'model': ids must be"):
        recommendation_spread({"model": [0.5]}, 3)
