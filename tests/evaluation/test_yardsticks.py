"""Yardsticks against their definitions in dense NumPy, and what holds for all of them."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ColumnError, MissingExtraError
from reciperec_layers.evaluation import ALS, EASE, ItemKNN, Yardstick
from reciperec_layers.metrics import MISS

SOME = [ItemKNN(k=3, shrink=2), EASE(l2=2), ALS(factors=2, alpha=5)]


def interactions(seed, num_queries=7, num_candidates=6):
    """A matrix of ones and zeros in which every query has had something, and a frame of it in mixed order."""
    generator = np.random.default_rng(seed)
    matrix = generator.random((num_queries, num_candidates)) < 0.4
    matrix[np.arange(num_queries), generator.integers(num_candidates, size=num_queries)] = True
    queries, candidates = np.nonzero(matrix)
    order = generator.permutation(len(queries))
    frame = pd.DataFrame({"user_id": 70 + queries[order], "recipe_id": [f"r{each}" for each in candidates[order]]})
    return matrix.astype(float), frame


def names(size):
    return [f"r{each}" for each in range(size)]


def of_item_knn(matrix, k, shrink):
    size = matrix.shape[1]
    kept = np.zeros((size, size))
    for i in range(size):
        similarities = []
        for j in range(size):
            both = (matrix[:, i] * matrix[:, j]).sum()
            length = np.sqrt((matrix[:, i] ** 2).sum()) * np.sqrt((matrix[:, j] ** 2).sum())
            similarities.append(both / (length + shrink) if i != j and both else 0.0)
        for j in sorted(range(size), key=lambda j: (-similarities[j], j))[:k]:
            kept[i, j] = similarities[j]
    return matrix @ kept


def of_ease(matrix, l2):
    size = matrix.shape[1]
    weights = np.zeros((size, size))
    for j in range(size):  # a ridge regression of each column on all others
        others = [i for i in range(size) if i != j]
        rest = matrix[:, others]
        weights[others, j] = np.linalg.solve(rest.T @ rest + l2 * np.eye(size - 1), rest.T @ matrix[:, j])
    return matrix @ weights


def of_als(matrix, factors, regularization, alpha, iterations):
    weights = np.where(matrix > 0, alpha, 1.0)
    generator = np.random.default_rng(0)
    left, right = (generator.normal(0, 0.1, (size, factors)) for size in matrix.shape)
    for _ in range(iterations):
        for rows, fixed, of_rows, targets in ((left, right, weights, matrix), (right, left, weights.T, matrix.T)):
            for row in range(len(rows)):
                scaled = fixed * of_rows[row][:, np.newaxis]
                penalty = regularization * np.eye(factors)
                rows[row] = np.linalg.solve(fixed.T @ scaled + penalty, scaled.T @ targets[row])
    return left @ right.T


@pytest.mark.parametrize(("k", "shrink"), [(1, 0), (2, 0.5), (3, 10), (9, 0)])
def test_item_knn_is_its_definition(k, shrink):
    for seed in range(5):
        matrix, frame = interactions(seed)
        scores = ItemKNN(k, shrink).fit(frame, "user_id", "recipe_id", names(6)).scores(70 + np.arange(7))
        np.testing.assert_allclose(scores, of_item_knn(matrix, k, shrink), atol=1e-12)


def test_item_knn_in_several_blocks(monkeypatch):
    monkeypatch.setattr("reciperec_layers.evaluation.yardsticks.item_knn._VALUES_AT_ONCE", 24)
    matrix, frame = interactions(1)
    scores = ItemKNN(2, 1).fit(frame, "user_id", "recipe_id", names(6)).scores(70 + np.arange(7))
    np.testing.assert_allclose(scores, of_item_knn(matrix, 2, 1), atol=1e-12)


@pytest.mark.parametrize("l2", [0.1, 3, 500])
def test_ease_minimizes_what_it_says(l2):
    for seed in range(5):
        matrix, frame = interactions(seed)
        scores = EASE(l2).fit(frame, "user_id", "recipe_id", names(6)).scores(70 + np.arange(7))
        np.testing.assert_allclose(scores, of_ease(matrix, l2), atol=1e-9)


@pytest.mark.parametrize(("regularization", "alpha"), [(0.5, 1), (0.5, 10), (2, 40)])
def test_als_finds_what_alternating_least_squares_find(regularization, alpha):
    # With as many factors as candidates there is one best matrix of scores, wherever the factors start.
    matrix, frame = interactions(3)
    als = ALS(6, regularization, alpha, iterations=300).fit(frame, "user_id", "recipe_id", names(6))
    expected = of_als(matrix, 6, regularization, alpha, 300)
    np.testing.assert_allclose(als.scores(70 + np.arange(7)), expected, atol=0.01)


@pytest.mark.parametrize("yardstick", SOME, ids=repr)
def test_ranks_and_recommendations_follow_from_the_scores(yardstick, monkeypatch):
    _, frame = interactions(5)
    monkeypatch.setattr("reciperec_layers.evaluation.yardsticks.fitted_yardstick._SCORES_AT_ONCE", 18)
    fitted = yardstick.fit(frame, "user_id", "recipe_id", names(8))  # two that nobody has had
    seen = rl.data.seen(frame, "user_id", "recipe_id")
    users = [76, 5, 70, 71, 5]
    for exclude in (None, seen):
        scores = fitted.scores(users, exclude)
        best = [sorted(range(8), key=lambda each: (-row[each], each)) for row in scores]
        best = [[each for each in row if scores[place, each] > -np.inf] for place, row in enumerate(best)]
        found, ids = fitted.recommend(users, 9, exclude)
        assert found.dtype == np.float32
        for place, row in enumerate(best):
            assert ids[place].tolist() == [f"r{each}" for each in row] + [""] * (9 - len(row))
            np.testing.assert_allclose(found[place][: len(row)], scores[place][row], rtol=1e-6)
            assert (found[place][len(row) :] == -np.inf).all()
        for candidate in (*names(8), "elsewhere"):
            test = pd.DataFrame({"user_id": users, "recipe_id": candidate})
            expected = [
                row.index(int(candidate[1:])) + 1 if candidate in [f"r{each}" for each in row] else MISS for row in best
            ]
            assert fitted.held_out_ranks(test, exclude).tolist() == expected
    had = set(frame["recipe_id"][frame["user_id"] == 70])
    assert not had & set(fitted.recommend([70], 8, seen)[1][0])


@pytest.mark.parametrize("yardstick", SOME, ids=repr)
def test_who_was_never_seen_gets_what_is_popular(yardstick):
    frame = pd.DataFrame({"user_id": [1, 1, 2, 2, 2, 3], "recipe_id": ["b", "c", "c", "c", "d", "gone"]})
    fitted = yardstick.fit(frame, "user_id", "recipe_id", ["a", "b", "c", "d"])
    assert fitted.scores([9, 3]).tolist() == [[0, 1, 3, 1]] * 2  # repeats count, as for data.Popularity
    popularity = rl.data.Popularity(frame, "recipe_id", pd.DataFrame({"recipe_id": ["a", "b", "c", "d"]}))
    assert fitted.recommend([9], 4)[1].tolist() == popularity.recommend([9], 4)[1].tolist()


@given(st.integers(0, 2**32 - 1), st.permutations(range(6)))
def test_the_order_of_the_corpus_changes_nothing(seed, order):
    _, frame = interactions(seed)
    for yardstick in (ItemKNN(k=6, shrink=1), EASE(l2=1)):  # with all neighbours, since ties are cut by the order
        one = yardstick.fit(frame, "user_id", "recipe_id", names(6)).scores(70 + np.arange(7))
        other = yardstick.fit(frame, "user_id", "recipe_id", [f"r{each}" for each in order]).scores(70 + np.arange(7))
        np.testing.assert_allclose(other, one[:, order], atol=1e-9)


def test_repeated_rows_are_one_interaction():
    _, frame = interactions(2)
    for yardstick in SOME:
        once, twice = (
            yardstick.fit(each, "user_id", "recipe_id", names(6)).scores(70 + np.arange(7))
            for each in (frame, pd.concat([frame, frame]))
        )
        np.testing.assert_array_equal(once, twice)


class Fixed(Yardstick):
    """Ranks the candidates from the one at `first` on."""

    name = "fixed"
    grids = {"first": (0, 1, 2)}  # noqa: RUF012

    def __init__(self, first):
        self.first = first

    @property
    def options(self):
        return {"first": self.first}

    def learn(self, interactions):
        size = interactions.shape[1]
        return lambda rows: np.tile(-((np.arange(size) - self.first) % size), (len(rows), 1))


def test_auto_chooses_on_the_newest_tenth_with_times():
    users = np.arange(18) % 4
    old = pd.DataFrame({"user_id": users, "recipe_id": np.where(users < 2, "r0", "r1"), "time": np.arange(18)})
    new = pd.DataFrame({"user_id": [0, 1], "recipe_id": "r2", "time": [100, 101]})
    newest = Fixed("auto").fit(pd.concat([new, old]), "user_id", "recipe_id", ["r0", "r1", "r2"], time="time")
    assert newest.options == {"first": 2}


def test_auto_chooses_on_a_random_tenth_without_times():
    # Who has had one of r1 and r2 gets the other one first if the list starts at r1, and only then.
    frame = pd.DataFrame({"user_id": np.arange(40) // 2, "recipe_id": ["r1", "r2"] * 20})
    assert Fixed("auto").fit(frame, "user_id", "recipe_id", ["r0", "r1", "r2"]).options == {"first": 1}
    assert Fixed("auto").fit(frame[:9], "user_id", "recipe_id", ["r0", "r1", "r2"]).options == {"first": 0}


def test_every_combination_is_a_choice():
    choices = ItemKNN(k="auto", shrink="auto").choices()
    assert [each.options for each in choices[:2]] == [{"k": 50, "shrink": 100}, {"k": 50, "shrink": 0}]
    assert len({repr(each) for each in choices}) == len(choices) == 12
    assert [each.options["k"] for each in ItemKNN(k=7, shrink="auto").choices()] == [7] * 3


def test_too_many_candidates_for_ease():
    _, frame = interactions(0)
    with pytest.raises(ArgumentError, match=r"^EASE: 6 candidates need 0.0 GB of memory.*Received: max_candidates=5\."):
        EASE(max_candidates=5).fit(frame, "user_id", "recipe_id", names(6))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: ItemKNN(k=0), r"^ItemKNN: `k` must be a positive integer"),
        (lambda: ItemKNN(shrink=-1), r"^ItemKNN: `shrink` must be a finite number >= 0"),
        (lambda: EASE(l2=0), r"^EASE: `l2` must be a finite number > 0"),
        (lambda: EASE(l2="best"), r"^EASE: `l2` must be a finite number > 0"),
        (lambda: ALS(alpha=0), r"^ALS: `alpha` must be a finite number > 0"),
        (lambda: ALS(factors=0), r"^ALS: `factors` must be a positive integer"),
    ],
)
def test_wrong_options(make, expected):
    with pytest.raises(ArgumentError, match=expected):
        make()


def test_a_missing_column():
    _, frame = interactions(0)
    for words in (("user", "recipe_id"), ("user_id", "recipe")):
        with pytest.raises(ColumnError, match="EASE: train: there is no column"):
            EASE().fit(frame, *words, names(6))


@pytest.mark.parametrize(("module", "yardstick"), [("scipy.sparse", ItemKNN()), ("implicit.cpu.als", ALS())])
def test_what_is_not_installed_names_the_extra(module, yardstick, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    _, frame = interactions(0)
    with pytest.raises(MissingExtraError, match=r"reciperec-layers\[baselines\]"):
        yardstick.fit(frame, "user_id", "recipe_id", names(6))
