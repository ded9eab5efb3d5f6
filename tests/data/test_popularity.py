from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.data import Popularity, seen, split_by_time, split_random
from reciperec_layers.data import popularity as popularity_module
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


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 9999), st.integers(1, 8), st.sampled_from([0.25, 3, 40]), st.booleans())
def test_decayed_counts_equal_a_loop_over_rows(seed, rows, half_life, excluded):
    random = np.random.default_rng(seed)
    train = make_frame(random, rows).assign(when=random.integers(0, 100, rows) * 43_200)
    corpus = random.permutation(5).tolist()
    options = {"half_life": half_life, "time": "when"}
    popularity = Popularity(train, "recipe_id", pd.DataFrame({"recipe_id": corpus}), **options)
    expected = dict.fromkeys(range(6), 0.0)
    for row in train.itertuples():
        expected[row.recipe_id] += 0.5 ** ((train["when"].max() - row.when) / 86_400 / half_life)
    assert popularity.half_life == half_life
    np.testing.assert_allclose(popularity.counts, [expected[candidate] for candidate in corpus], rtol=1e-12)

    had = set(train["recipe_id"][train["user_id"] == 1]) if excluded else set()
    exclude = seen(train, "user_id", "recipe_id") if excluded else None
    counts = dict(zip(corpus, popularity.counts.tolist(), strict=True))  # whose last bits decide between near ties
    best = sorted(set(corpus) - had, key=lambda candidate: (-counts[candidate], corpus.index(candidate)))
    scores, ids = popularity.recommend([1], k=5, exclude=exclude)
    assert ids[0].tolist() == best + [-1] * (5 - len(best))
    np.testing.assert_allclose(
        scores[0, : len(best)], [expected[candidate] for candidate in best], rtol=1e-6, atol=1e-30
    )
    test = pd.DataFrame({"user_id": [1] * 6, "recipe_id": range(6)})
    places = [best.index(candidate) + 1 if candidate in best else 2**63 - 1 for candidate in range(6)]
    with patch.object(popularity_module, "_BLOCK_ROWS", 4):  # two blocks
        assert popularity.held_out_ranks(test, exclude).tolist() == places


SPAN = pd.to_datetime(["2024-03-01T09:00", "2024-03-01T21:00", "2024-03-02T09:00", "2024-03-03T21:00"])
SECONDS = np.array([1709283600, 1709326800, 1709370000, 1709499600])


@pytest.mark.parametrize(
    "times",
    [
        SPAN,
        SPAN.tz_localize("UTC").tz_convert("Asia/Tokyo"),
        SPAN.as_unit("s"),
        pd.Series(SPAN).astype("timestamp[ms][pyarrow]"),
        pd.Series(SPAN.tz_localize("UTC").tz_convert("Asia/Tokyo")).astype("timestamp[ns, tz=Asia/Tokyo][pyarrow]"),
        SPAN.astype(str) + "\n",
        ["2024-03-01T09:00Z", "2024-03-01T22:00+01:00", " 2024-03-02T09:00:00.000", "2024-03-03T21:00"],
        SECONDS,
        SECONDS.astype(float),
        SECONDS * 10**3,
        SECONDS * 10**6,
        SECONDS * 10**9,
        SECONDS.astype(str),
        pd.array(SECONDS * 10**3, dtype="Int64"),
    ],
    ids=str,
)
def test_equal_instants_count_equally(times):
    train = pd.DataFrame({"recipe_id": [3, 1, 3, 2], "timestamp": times})
    counts = Popularity(train, "recipe_id", half_life=1.5).counts
    np.testing.assert_allclose(counts, [2 ** (-2.5 / 1.5) + 0.5, 2 ** (-2 / 1.5), 1], rtol=1e-9)


def test_without_a_half_life_times_are_not_read():
    train = pd.DataFrame({"recipe_id": [3, 1, 3], "time": ["never", "always", None]})
    popularity = Popularity(train, "recipe_id")
    assert popularity.half_life is None
    assert popularity.counts.tolist() == [2, 1]


def test_recent_popularity_on_the_recipe_data(shared_data):
    interactions = pd.read_csv(shared_data / "recipes" / "mock-data_interaction.csv")
    recipes = pd.read_csv(shared_data / "recipes" / "mock-data_recipe.csv", usecols=["recipe_id"])
    train, test = split_by_time(interactions, "dateLastModified", 0.2)
    assert (len(train), len(test)) == (6937, 1734)
    for half_life, chosen in ((90, 90), ("recent", 100)):
        popularity = Popularity(train, "recipe_id", recipes, half_life=half_life)
        assert popularity.half_life == chosen
        shares = list(popularity.evaluate(test, ks=(1, 5, 10, 50)).values())
        print(half_life, shares)
        np.testing.assert_allclose(shares, [0.2496, 0.6651, 0.7372, 0.9533], atol=0.004)


def test_wrong_half_lives_and_times():
    train = pd.DataFrame({"recipe_id": [3, 3], "time": ["2024-01-01", "soon"], "rating": [1.0, np.inf]})
    for wrong in (0, -1.5, np.nan, True, pd.Timedelta(days=1)):
        with pytest.raises(ArgumentError, match="Popularity: `half_life` must be .*Use for example half_life=90"):
            Popularity(train, "recipe_id", half_life=wrong)
    with pytest.raises(ArgumentError, match='must be a number of days, "recent" or None. Received: .*resent'):
        Popularity(train, "recipe_id", half_life="resent")
    with pytest.raises(ArgumentError, match="Popularity: train: 1 of 2 times in column 'time' .*'soon'"):
        Popularity(train, "recipe_id", half_life=90)
    with pytest.raises(ArgumentError, match="1 of 2 times in column 'rating' .* inf"):
        Popularity(train, "recipe_id", half_life=90, time="rating")
    with pytest.raises(ColumnError, match="Popularity: train: there is no column 'when'"):
        Popularity(train, "recipe_id", half_life=90, time="when")
    with pytest.raises(ColumnError, match="Popularity: train: none of the columns .*'timestamp'") as caught:
        Popularity(train[["recipe_id"]], "recipe_id", half_life="recent")
    assert 'time="..."' in caught.value.__notes__[0]


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


@pytest.mark.parametrize("half_life", ["recent", 20])
def test_a_row_of_the_far_future_does_not_count(half_life):
    random = np.random.default_rng(5)
    days = np.sort(random.uniform(0, 1000, 300))
    recipes = np.where(random.uniform(size=300) < days / 1000, "pie", "soup")
    train = pd.DataFrame({"recipe_id": recipes, "time": pd.Timestamp("2015-01-01") + pd.to_timedelta(days, unit="D")})
    corpus = pd.DataFrame({"recipe_id": ["cake", "pie", "soup"]})
    clean = Popularity(train, "recipe_id", corpus, half_life=half_life)
    wrong = pd.DataFrame({"recipe_id": ["cake"], "time": [pd.Timestamp("2099-01-01")]})
    with pytest.warns(UserWarning, match=r"Popularity: 1 of 301 times lies 81\.\d years after all others"):
        popularity = Popularity(pd.concat([wrong, train]), "recipe_id", corpus, half_life=half_life)
    assert popularity.half_life == clean.half_life
    np.testing.assert_array_equal(popularity.counts, clean.counts)
    assert clean.counts[0] == 0
