"""The table of a model beside popularity, against definitions computed row by row."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, MissingExtraError, StateError
from reciperec_layers.evaluation import EASE, ItemKNN, compare
from reciperec_layers.metrics import AUC, MRR, Coverage, MeanPopularity, Recall, TopKAccuracy
from tests.metrics import oracle

USERS, RECIPES = [11, 12, 13, 14], ["soup", "pie", "stew", "salad", "cake"]
TRAIN = pd.DataFrame(
    {
        "user_id": [11, 11, 12, 12, 13, 13, 99],
        "recipe_id": ["pie", "soup", "pie", "cake", "pie", "soup", "tofu"],
    }
)
TEST = pd.DataFrame(
    {
        "user_id": [11, 11, 12, 13, 14, 14, 15, 12],
        "recipe_id": ["stew", "cake", "soup", "salad", "pie", "salad", "pie", "tofu"],
    }
)
SEGMENTS = {
    "all": lambda row: True,
    "known queries": lambda row: row.user_id in {11, 12, 13},
    "new queries": lambda row: row.user_id not in {11, 12, 13},
    "popular candidates": lambda row: row.recipe_id in {"pie", "soup"},  # 2 of 5: counts 3, 2, 1, 0, 0
    "rare candidates": lambda row: row.recipe_id not in {"pie", "soup"},
    "hot candidates": lambda row: row.recipe_id in {"pie", "soup", "cake"},
    "cold candidates": lambda row: row.recipe_id in {"stew", "salad"},  # never in TRAIN, and the tower has only ids
}
# Scores of each user; one that the tower does not know has those of row 0.
TABLE = np.array([[1, 0], [0, 1], [2, 1], [-1, 2], [1, 1]], np.float32)
CANDIDATES = np.array([[1, 2], [0, 1], [2, 0], [1, 1], [0, -1]], np.float32)


@pytest.fixture(scope="module")
def model():
    made = rl.RetrievalModel(
        rl.IdTower(USERS, 2, feature="user_id"), rl.IdTower(RECIPES, 2, feature="recipe_id"), {"recipe_id": RECIPES}
    )
    made.query_tower.set_weights([TABLE])
    made.candidate_tower.set_weights([np.concatenate([[[9, 9]], CANDIDATES])])
    return made


def rankings(recommender, user, leave_out):
    counts = [(TRAIN["recipe_id"] == recipe).sum() for recipe in RECIPES]
    row = USERS.index(user) + 1 if user in USERS else 0
    scores = counts if recommender == "popularity" else (CANDIDATES @ TABLE[row]).tolist()
    had = set(TRAIN["recipe_id"][TRAIN["user_id"] == user]) if leave_out else set()
    return [RECIPES[index] for index in oracle.best_first(list(scores)) if RECIPES[index] not in had]


@pytest.mark.parametrize("leave_out", [True, False])
def test_each_cell_is_its_definition(model, leave_out):
    metrics = [Recall(2), MRR(), AUC(), TopKAccuracy(1)]
    table = compare(model, TEST, TRAIN, metrics=metrics, exclude_seen=leave_out, popular_share=0.4, k=2)
    assert list(table.index) == [(segment, name) for segment in SEGMENTS for name in ("model", "popularity")]
    assert list(table.columns) == [
        "num_rows",
        "num_queries",
        *(metric.name for metric in metrics),
        "coverage@2",
        "interactions@2",
    ]
    for (segment, recommender), row in table.iterrows():
        chosen = TEST[[SEGMENTS[segment](each) for each in TEST.itertuples()]]
        held_out = {user: set(rows["recipe_id"]) for user, rows in chosen.groupby("user_id")}
        queries = [(rankings(recommender, user, leave_out), recipes) for user, recipes in held_out.items()]
        assert row["num_rows"] == len(chosen)
        assert row["num_queries"] == len(held_out)
        assert row["recall@2"] == pytest.approx(np.mean([oracle.recall(*query, 2) for query in queries]))
        assert row["mrr"] == pytest.approx(np.mean([oracle.mrr(*query) for query in queries]))
        assert row["auc"] == pytest.approx(np.mean([oracle.auc(*query) for query in queries]))
        hits = [rankings(recommender, each.user_id, leave_out)[:1] == [each.recipe_id] for each in chosen.itertuples()]
        shown = [recipe for user in held_out for recipe in rankings(recommender, user, leave_out)[:2]]
        assert row["coverage@2"] == pytest.approx(len(set(shown)) / 5)
        assert row["interactions@2"] == pytest.approx(
            np.mean([(TRAIN["recipe_id"] == recipe).sum() for recipe in shown])
        )
        assert row[metrics[-1].name] == pytest.approx(np.mean(hits))


def test_metrics_of_recommendations_of_any_k(model):
    metrics = [Coverage(1), MRR(), Coverage(9), MeanPopularity(2, TRAIN["recipe_id"], "popularity")]
    table = compare(model, TEST, TRAIN, metrics=metrics, k=2)
    assert list(table.columns[2:]) == ["coverage@1", "mrr", "coverage@9", "popularity", "coverage@2", "interactions@2"]
    for recommender in ("model", "popularity"):
        for k in (1, 2, 9):
            shown = {recipe for user in set(TEST["user_id"]) for recipe in rankings(recommender, user, True)[:k]}
            assert table.loc[("all", recommender), f"coverage@{k}"] == len(shown) / 5
    assert (table["popularity"].dropna() == table["interactions@2"].dropna()).all()
    assert float(metrics[0].result()) == 0


# Pie was popular once, cake is now: whichever half-life is chosen, cake comes first.
TIMED = pd.DataFrame(
    {
        "user_id": [11] * 40 + [12] * 10,
        "recipe_id": ["pie"] * 40 + ["cake"] * 10,
        "timestamp": pd.to_datetime("2020-01-01") + pd.to_timedelta([*range(40), *range(1000, 1010)], unit="D"),
    }
)
BEST_FIRST = {
    "popularity": ["pie", "cake", "soup", "stew", "salad"],
    "recent popularity": ["cake", "pie", "soup", "stew", "salad"],
}


@pytest.mark.parametrize("leave_out", [True, False])
def test_with_times_recent_popularity_stands_beside_popularity(model, leave_out):
    table = compare(model, TEST, TIMED, metrics=[MRR(), Recall(1)], exclude_seen=leave_out, k=1)
    assert list(table.index[:3]) == [("all", name) for name in ("model", "popularity", "recent popularity")]
    held_out = {user: set(rows["recipe_id"]) for user, rows in TEST.groupby("user_id")}
    for name, best_first in BEST_FIRST.items():
        queries = []
        for user, recipes in held_out.items():
            had = {11: {"pie"}, 12: {"cake"}}.get(user, set()) if leave_out else set()
            queries.append(([recipe for recipe in best_first if recipe not in had], recipes))
        row = table.loc[("all", name)]
        assert row["mrr"] == pytest.approx(np.mean([oracle.mrr(*query) for query in queries]))
        assert row["recall@1"] == pytest.approx(np.mean([oracle.recall(*query, 1) for query in queries]))
        assert row["coverage@1"] == len({ranked[0] for ranked, _ in queries}) / 5


def test_times_have_a_name_of_their_own(model):
    named = TIMED.rename(columns={"timestamp": "when"})
    assert "recent popularity" not in compare(model, TEST, named).index.get_level_values("recommender")
    pd.testing.assert_frame_equal(compare(model, TEST, named, time="when"), compare(model, TEST, TIMED))
    with pytest.raises(ColumnError, match="compare: train: there is no column 'timestamp'"):
        compare(model, TEST, named, time="timestamp")


def test_times_that_cannot_be_read(model):
    for damaged in (
        TIMED.assign(timestamp=[*["soon"] * 2, *["2024-01-01"] * 48]),
        pd.concat([TIMED, TIMED["timestamp"]], axis=1),
    ):
        with pytest.warns(UserWarning, match=r"^compare: recent popularity is left out\. .*'timestamp'"):
            table = compare(model, TEST, damaged)
        assert list(table.index[:2]) == [("all", "model"), ("all", "popularity")]
        assert table.index[2] == ("known queries", "model")
    with pytest.raises(ArgumentError, match="2 of 50 times in column 'timestamp' .*'soon'"):
        compare(model, TEST, TIMED.assign(timestamp=[*["soon"] * 2, *["2024-01-01"] * 48]), time="timestamp")


def test_metrics_of_the_caller_stay_as_they_are(model):
    metric = Recall(2)
    compare(model, TEST, TRAIN, metrics=[metric])
    assert float(metric.count.value) == 0


def test_a_segment_without_rows_is_nan(model):
    table = compare(model, TEST[TEST["user_id"] == 11], TRAIN)
    assert table.loc[("new queries", "model"), "num_rows"] == 0
    assert np.isnan(table.loc[("new queries", "model"), "recall@10"])


def test_wrong_arguments(model):
    with pytest.raises(ArgumentError, match=r"`popular_share` must be a number in \(0, 1\)"):
        compare(model, TEST, TRAIN, popular_share=1)
    with pytest.raises(ColumnError, match="compare: train.*user_id"):
        compare(model, TEST, TRAIN.rename(columns={"user_id": "person"}))
    bare = rl.RetrievalModel(
        rl.IdTower(USERS, 2, feature="user_id"), rl.IdTower(RECIPES, 2, feature="recipe_id"), candidate_id="recipe_id"
    )
    with pytest.raises(StateError, match="no candidates"):
        compare(bare, TEST, TRAIN)


def test_one_metric(model):
    assert list(compare(model, TEST, TRAIN, metrics=Recall(3)).columns[2:3]) == ["recall@3"]


def test_wrong_metrics(model):
    for metrics in (["recall"], "recall", 5):
        with pytest.raises(ArgumentError, match=r"^compare: `metrics` must be metrics.*Received: metrics=\["):
            compare(model, TEST, TRAIN, metrics=metrics)
    with pytest.raises(ArgumentError, match=r"^compare: each metric needs a name of its own.*'recall@3'"):
        compare(model, TEST, TRAIN, metrics=[Recall(3), Recall(3, per="row")])


def test_arguments_of_wrong_types(model):
    with pytest.raises(ArgumentTypeError, match=r"^compare: `model` must be a RetrievalModel.*model=None"):
        compare(None, TEST, TRAIN)
    with pytest.raises(ArgumentTypeError, match=r"^compare: `test` must be a data frame"):
        compare(model, rl.data.batches(TEST, 2), TRAIN)
    with pytest.raises(ArgumentTypeError, match=r"^compare: `train` must be a data frame.*train=None"):
        compare(model, TEST, None)


# Users of even number have even recipes, and those of odd number odd ones.
PEOPLE, DISHES = list(range(40)), list(range(8))
HAD = pd.DataFrame(
    [(user, dish) for user in PEOPLE for dish in DISHES[:6] if (user + dish) % 2 == 0 and dish != user % 6]
)
HAD.columns = ["user_id", "recipe_id"]
HELD_OUT = pd.DataFrame({"user_id": PEOPLE, "recipe_id": [user % 6 for user in PEOPLE]})


@pytest.fixture(scope="module")
def wrong_model():
    towers = rl.IdTower(PEOPLE, 1, feature="user_id"), rl.IdTower([*range(30)], 1, feature="recipe_id")
    made = rl.RetrievalModel(*towers, {"recipe_id": range(30)})
    towers[0].set_weights([np.ones((41, 1))])
    towers[1].set_weights([np.arange(31)[:, np.newaxis]])  # the dishes that somebody has had come last
    return made


def test_yardsticks_stand_beside_the_model_that_loses_to_them(wrong_model):
    with pytest.warns(UserWarning, match="loses to") as warned:
        table = compare(wrong_model, HELD_OUT, HAD, yardsticks=["ease", ItemKNN(k=3, shrink=0), "als"])
    assert list(table.index[:5]) == [("all", name) for name in ("model", "popularity", "EASE", "item-kNN", "ALS")]
    columns = ["seconds", "outcome", "recall@10_difference", "recall@10_low", "recall@10_high"]
    assert list(table.columns[-5:]) == columns
    assert table.loc[("all", "model"), columns].isna().all()
    knn = table.loc[("all", "item-kNN")]
    assert (knn["recall@10"], knn["outcome"], knn["seconds"] > 0) == (1, "better", True)
    assert knn[columns[2:]].tolist() == [-1, -1, -1]
    assert table.loc[("new queries", "item-kNN"), "seconds"] == knn["seconds"]
    assert table.loc[("new queries", "item-kNN"), ["outcome", *columns[2:]]].isna().all()
    text = "compare: The model loses to item-kNN: recall@10 .0000 against 1.0000 (difference -1.0000 to -1.0000)."
    assert text in [str(each.message) for each in warned]


def test_the_sign_test_decides_and_the_interval_is_of_recall(wrong_model):
    five = HELD_OUT[:5]  # one more query would tell
    table = compare(wrong_model, five, HAD, yardsticks=[ItemKNN(k=3, shrink=0)])
    assert table.loc[("all", "item-kNN"), ["outcome", "recall@10_high"]].tolist() == ["level", -1]


def test_of_all_yardsticks_those_that_cannot_be_made_are_named(wrong_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.warns(UserWarning, match=r"^compare: ALS is left out\. .*reciperec-layers\[baselines\]"):
        table = compare(wrong_model, HELD_OUT[:5], HAD, yardsticks="all")
    assert list(table.index[:4]) == [("all", name) for name in ("model", "popularity", "item-kNN", "EASE")]
    with pytest.raises(MissingExtraError, match=r"^ALS: it needs implicit, which is not installed"):
        compare(wrong_model, HELD_OUT, HAD, yardsticks=["als"])
    with pytest.raises(ArgumentError, match=r"^EASE: 30 candidates need"):
        compare(wrong_model, HELD_OUT, HAD, yardsticks=[EASE(max_candidates=20)])


@pytest.mark.parametrize(
    ("yardsticks", "expected"),
    [
        ("ease", r"`yardsticks` must be \"all\" or a list.*'ease'"),
        (5, r"`yardsticks` must be"),
        ([5], r"a yardstick must be a name or a Yardstick"),
        (["eas"], r"no yardstick has this name.*name='eas'.*Did you mean 'ease'"),
        (["ease", EASE()], r"two yardsticks are called 'EASE'"),
    ],
)
def test_wrong_yardsticks(model, yardsticks, expected):
    with pytest.raises((ArgumentError, ArgumentTypeError), match=f"^compare: {expected}"):
        compare(model, TEST, TRAIN, yardsticks=yardsticks)


AGES = pd.DataFrame({"user_id": [11, 12, 14], "age": [30.0, 40.0, 50.0]})
KINDS = pd.DataFrame({"recipe_id": RECIPES, "kind": ["salty", "sweet", "salty", "salty", None]})


def of_features(**options):
    ages = {"user_id": rl.features.Id([11, 12, 13], width=2), "age": rl.features.Number(AGES["age"])}
    kinds = {"recipe_id": rl.features.Id(RECIPES, width=2), "kind": rl.features.Category(KINDS["kind"], width=2)}
    towers = rl.towers.FeatureTower(ages, 2), rl.towers.FeatureTower(kinds, 2)
    return rl.RetrievalModel(*towers, KINDS, query_id="user_id", **options)


def rows_by_segment(table):
    return table.xs("model", level="recommender")["num_rows"].to_dict()


def test_what_is_known_makes_segments():
    model = of_features(queries=AGES)
    counts = rows_by_segment(compare(model, TEST, TRAIN))
    # User 14 has only an age, user 15 nothing. Stew and salad never occur in TRAIN, and tofu is not in the corpus.
    of_queries = {"hot queries": 5, "warm queries": 2, "cold queries": 1}
    of_candidates = {"hot candidates": 4, "warm candidates": 3}
    of_training = {"all": 8, "known queries": 5, "new queries": 3, "popular candidates": 2, "rare candidates": 6}
    assert counts == of_training | of_queries | of_candidates
    without_kinds = KINDS.assign(kind=[*KINDS["kind"][:2], *[None] * 3])
    model.set_candidates(without_kinds)
    counts = rows_by_segment(compare(model, TEST, TRAIN))
    assert [counts.get(f"{word} candidates") for word in ("hot", "warm", "cold")] == [4, None, 3]
    occurred = rows_by_segment(compare(model, TEST[TEST["recipe_id"].isin(["pie", "soup"])], TRAIN))
    assert not {"hot candidates", "warm candidates", "cold candidates"} & set(occurred)


def test_columns_come_from_the_test_rows_or_the_table_of_queries():
    by_table, by_rows = of_features(queries=AGES), of_features()
    by_rows.set_weights(by_table.get_weights())
    joined = TEST.merge(AGES, on="user_id", how="left")
    pd.testing.assert_frame_equal(compare(by_table, TEST, TRAIN), compare(by_rows, joined, TRAIN))
    with pytest.raises(ColumnError, match="compare: test: there is no column 'age'"):
        compare(by_rows, TEST, TRAIN)
