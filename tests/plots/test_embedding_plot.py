from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reciperec_layers.errors import ArgumentError
from reciperec_layers.plots import embedding_map
from tests.plots.figures import PNG, png, texts


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 5)) * [1, 7, 2, 3, 1] + 100
    return pd.DataFrame(values.astype(np.float32), index=pd.Index(np.arange(60) + 200, name="recipe_id"))


def points(figure, number=0):
    return np.asarray(figure.axes[0].collections[number].get_offsets())


def covariance(frame):
    """Eigenvalues and eigenvectors of the covariance, the largest first: another way to the components."""
    values, vectors = np.linalg.eigh(np.cov(frame.to_numpy(np.float64), rowvar=False))
    return values[::-1], vectors[:, ::-1]


def test_points_are_the_principal_components(frame):
    figure = embedding_map(frame)
    values, vectors = covariance(frame)
    signs = [np.sign(vector[np.abs(vector).argmax()]) for vector in vectors.T[:2]]
    centred = frame.to_numpy(np.float64) - frame.to_numpy(np.float64).mean(axis=0)
    np.testing.assert_allclose(points(figure), centred @ vectors[:, :2] * signs, atol=1e-4)
    shares = values / values.sum()
    assert figure.axes[0].get_xlabel() == f"First component, {shares[0]:.0%} of the variance"
    assert figure.axes[0].get_ylabel() == f"Second component, {shares[1]:.0%} of the variance"


def test_distances_are_to_scale(frame):
    figure = embedding_map(frame)
    png(figure)
    to_pixels = figure.axes[0].transData.transform([[0, 0], [1, 0], [0, 1]])
    assert to_pixels[1, 0] - to_pixels[0, 0] == pytest.approx(to_pixels[2, 1] - to_pixels[0, 1])


@pytest.mark.parametrize(
    "names",
    [
        {number + 200: f"Dish {number}" for number in range(60)},
        [f"Dish {number}" for number in range(60)],
        pd.Series([f"Dish {number}" for number in range(60)]),
        pd.Series({number + 200: f"Dish {number}" for number in reversed(range(60))}).rename_axis("recipe_id"),
    ],
    ids=["mapping", "list", "column", "column by id"],
)
def test_names_stand_beside_their_points(frame, names):
    figure = embedding_map(frame, names, highlight=7)
    (axes,) = figure.axes
    assert len(axes.texts) == 7
    for text, point in zip(axes.texts, points(figure, 1), strict=True):
        row = int(text.get_text().removeprefix("Dish "))
        np.testing.assert_array_equal(text.xy, points(figure)[row])
        np.testing.assert_array_equal(point, points(figure)[row])


def test_without_names_ids_are_written(frame):
    shown = texts(embedding_map(frame).axes[0])
    assert len(set(shown)) == 20
    assert set(shown) <= {str(number) for number in frame.index}
    assert "Dish" in texts(embedding_map(frame, {200 + number: "Dish" for number in range(59)}, 60).axes[0])
    assert "259" in texts(embedding_map(frame, {200 + number: "Dish" for number in range(59)}, 60).axes[0])


def test_labels_of_realistic_names_do_not_overlap():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(500, 8)))
    figure = embedding_map(frame, [f"Mushroom Ragout {number}" for number in range(500)])
    png(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    overlapping = [(a, b) for at, a in enumerate(boxes) for b in boxes[:at] if a.overlaps(b)]
    assert len(boxes) == 20
    assert len(overlapping) <= 1
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_highlights_that_are_not_there(frame):
    assert texts(embedding_map(frame, highlight=0).axes[0]) == []
    assert len(texts(embedding_map(frame[:5], highlight=20).axes[0])) == 5
    twice = pd.DataFrame([[0.0, 1.0], [0.0, 1.0], [2.0, 5.0]])
    assert len(texts(embedding_map(twice).axes[0])) == 2


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_small_and_large_numbers(frame, scale):
    figure = embedding_map((frame - 100).astype(np.float64) * scale)
    assert png(figure).startswith(PNG)
    np.testing.assert_allclose(points(figure) / scale, points(embedding_map(frame - 100)), rtol=1e-5, atol=1e-5)


def test_one_component_alone():
    figure = embedding_map(pd.DataFrame([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))
    assert figure.axes[0].get_ylabel() == "Second component, 0% of the variance"
    assert png(figure).startswith(PNG)


@pytest.mark.parametrize(
    ("embeddings", "expected"),
    [
        (np.eye(3), "must be a data frame with one row per candidate. Received: embeddings=ndarray"),
        (pd.DataFrame(np.eye(3)[:1]), "at least two rows and columns"),
        (pd.DataFrame(np.eye(3)[:, :1]), "at least two rows and columns"),
        (pd.DataFrame([[1.0, np.nan], [1.0, 2.0]]), "at least two rows and columns of finite numbers"),
        (pd.DataFrame([["a", "b"], ["c", "d"]]), "at least two rows and columns of finite numbers"),
        (pd.DataFrame(np.full((4, 3), 0.1)), "all embeddings are equal"),
        (pd.DataFrame(np.zeros((4, 3))), "all embeddings are equal"),
    ],
)
def test_wrong_embeddings(embeddings, expected):
    with pytest.raises(ArgumentError, match=f"^embedding_map: .*{expected}"):
        embedding_map(embeddings)


@pytest.mark.parametrize("names", [["one"], 7, "x" * 60])
def test_wrong_names(frame, names):
    with pytest.raises(ArgumentError, match="^embedding_map: `names` must be a mapping from ids, or have one name for"):
        embedding_map(frame, names)


@pytest.mark.parametrize("highlight", [-1, 2.0, None])
def test_wrong_highlight(frame, highlight):
    with pytest.raises(ArgumentError, match="^embedding_map: `highlight` must be an integer >= 0"):
        embedding_map(frame, highlight=highlight)
