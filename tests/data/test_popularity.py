from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.data import Popularity, seen, split_random
from reciperec_layers.errors import ArgumentError, ColumnError, IdError

KEY = "factorized_top_k/top_{}_categorical_accuracy"


def make_frame(random, rows):
    return pd.DataFrame({"user_id": random.integers(0, 3, rows), "recipe_id": random.integers(0, 6, rows)})


def ranked_by_hand(train, corpus, had=()):
    counts = train["recipe_id"].value_counts()
    unseen = [candidate for candidate in corpus if candidate not in had]
    return sorted(unseen, key=lambda candidate: (-counts.get(candidate, 0), corpus.index(candidate)))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 9999), st.integers(1, 8), st.booleans())
def test_recommendations_and_shares_equal_a_loop_over_rows(seed, rows, excluded):
    random = np.random.default_rng(seed)
    train, test, other = (make_frame(random, rows) for _ in range(3))
    corpus = random.permutation(5).tolist()  # without candidate 5, which interactions may have
    popularity = Popularity(train, "recipe_id", pd.DataFrame({"recipe_id": corpus}))
    exclude = seen(other, "user_id", "recipe_id") if excluded else None
    had = {user: set(other["recipe_id"][other["user_id"] == user]) if excluded else set() for user in range(4)}

    scores, ids = popularity.recommend([0, 1, 2, 3], k=6, exclude=exclude)
    assert (scores.dtype, scores.shape, ids.shape) == (np.float32, (4, 6), (4, 6))
    for user in range(4):
        expected = ranked_by_hand(train, corpus, had[user])
        padding = 6 - len(expected)
        assert ids[user].tolist() == expected + [-1] * padding
        counts = [(train["recipe_id"] == candidate).sum() for candidate in expected]
        assert scores[user].tolist() == counts + [-np.inf] * padding

    shares = popularity.evaluate(test, ks=(1, 3), exclude=exclude)
    for k in (1, 3):
        hits = [
            candidate in ranked_by_hand(train, corpus, had[user])[:k]
            for user, candidate in zip(test["user_id"], test["recipe_id"], strict=True)
        ]
        assert shares[KEY.format(k)] == pytest.approx(np.mean(hits))


def test_by_hand():
    train = pd.DataFrame({"user_id": list("aabbc"), "recipe_id": ["pie", "stew", "pie", "soup", "pie"]})
    recipes = pd.DataFrame({"recipe_id": ["soup", "cake", "stew", "pie"]})
    popularity = Popularity(train, "recipe_id", recipes)
    scores, ids = popularity.recommend(2, k=5)
    assert ids.tolist() == [["pie", "soup", "stew", "cake", ""]] * 2
    assert scores.tolist() == [[3, 1, 1, 0, -np.inf]] * 2
    _, ids = popularity.recommend(["a", "z"], k=2, exclude=seen(train, "user_id", "recipe_id"))
    assert ids.tolist() == [["soup", "cake"], ["pie", "soup"]]
    test = pd.DataFrame({"user_id": ["a", "b", "a", "z"], "recipe_id": ["soup", "cake", "pie", "unknown"]})
    assert popularity.evaluate(test, ks=[1, 2, 4]) == {KEY.format(1): 0.25, KEY.format(2): 0.5, KEY.format(4): 0.75}
    exclude = seen(train, "user_id", "recipe_id")
    assert popularity.evaluate(test, ks=[1, 2], exclude=exclude) == {KEY.format(1): 0.25, KEY.format(2): 0.5}


def test_without_a_corpus_ties_are_in_the_order_of_first_occurrence():
    train = pd.DataFrame({"recipe_id": [3, 1, 2, 1]})
    assert Popularity(train, "recipe_id").recommend(1, k=3)[1].tolist() == [[1, 3, 2]]


def test_recommending_to_nobody():
    train = pd.DataFrame({"user_id": [1], "recipe_id": [3]})
    popularity = Popularity(train, "recipe_id")
    assert popularity.recommend(0, k=2)[1].shape == (0, 2)
    assert popularity.recommend([], k=2, exclude=seen(train, "user_id", "recipe_id"))[1].shape == (0, 2)


def test_the_published_numbers_on_the_recipe_data(shared_data):
    interactions = pd.read_csv(shared_data / "recipes" / "mock-data_interaction.csv")
    shares = []
    for seed in range(3):
        train, test = split_random(interactions, train_size=6000, test_size=2000, seed=seed)
        shares.append(list(Popularity(train, "recipe_id").evaluate(test, ks=(1, 5, 10, 50)).values()))
    np.testing.assert_allclose(np.mean(shares, axis=0), [0.185, 0.451, 0.606, 0.942], atol=0.02)


def test_wrong_input():
    train = pd.DataFrame({"user_id": [1], "recipe_id": [3]})
    popularity = Popularity(train, "recipe_id")
    with pytest.raises(ArgumentError, match="Popularity: train: at least 1 row is needed"):
        Popularity(train[:0], "recipe_id")
    with pytest.raises(ColumnError, match="Popularity: candidates: there is no column 'recipe_id'"):
        Popularity(train, "recipe_id", pd.DataFrame({"recipe": [3]}))
    with pytest.raises(IdError, match="1 of 2 ids are repeats: 3"):
        Popularity(train, "recipe_id", pd.DataFrame({"recipe_id": [3, 3]}))
    with pytest.raises(IdError, match="integers"):
        Popularity(train, "recipe_id", pd.DataFrame({"recipe_id": ["3"]}))
    with pytest.raises(ArgumentError, match="`k` must be a positive integer"):
        popularity.recommend(1, k=0)
    with pytest.raises(ArgumentError, match="`exclude` needs the ids of the queries"):
        popularity.recommend(1, k=1, exclude=seen(train, "user_id", "recipe_id"))
    with pytest.raises(ArgumentError, match="`ks` must be"):
        popularity.evaluate(train, ks=[0])
    with pytest.raises(ColumnError, match=r"Popularity.evaluate: there is no column 'user_id'"):
        popularity.evaluate(train[["recipe_id"]], exclude=seen(train, "user_id", "recipe_id"))


@pytest.mark.parametrize("exclude", [False, True])
def test_empty_places_have_a_bound(exclude):
    train = pd.DataFrame({"user_id": [7, 9], "recipe_id": [1, 2]})
    had = seen(train, "user_id", "recipe_id") if exclude else None
    with pytest.raises(ArgumentError, match="Popularity.recommend: there are 2 candidates, .*Use k=2"):
        Popularity(train, "recipe_id").recommend([7], k=10**12, exclude=had)
