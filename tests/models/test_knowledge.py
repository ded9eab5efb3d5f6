"""Hot, warm and cold: what a model says that it knows of queries and candidates."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import StateError, UnknownIdError

TRAIN = pd.DataFrame(
    {
        "user_id": [7, 7, 9, 9],
        "recipe_id": ["pie", "soup", "pie", "soup"],
        "diet": ["vegan", "vegan", "any", "any"],
        "timestamp": [1.6e9, 1.61e9, 1.62e9, 1.63e9],
    }
)
# Stew and cake never occur in training; of the cake nothing is known beside its id.
RECIPES = pd.DataFrame({"recipe_id": ["pie", "soup", "stew", "cake"], "kind": ["sweet", "salty", "salty", None]})
OF_RECIPES = {"pie": "hot", "soup": "hot", "stew": "warm", "cake": "cold"}
QUERIES = {"user_id": [7, 5, 5, 9], "diet": ["vegan", "any", None, None]}


def query_tower(**others):
    encoders = {
        "user_id": rl.features.Id(TRAIN["user_id"], width=4),
        "diet": rl.features.Category(TRAIN["diet"], width=4),
    }
    return rl.towers.FeatureTower(encoders | others, 4)


def candidate_tower():
    encoders = {
        "recipe_id": rl.features.Id(RECIPES["recipe_id"], width=4),
        "kind": rl.features.Category(RECIPES["kind"], width=4),
    }
    return rl.towers.FeatureTower(encoders, 4)


def make(query=None, candidate=None, corpus=RECIPES, prior="popularity", **options):
    towers = query or query_tower(), candidate or candidate_tower()
    model = rl.RetrievalModel(*towers, corpus, "recipe_id", query_id="user_id", prior=prior, **options)
    if prior is not None:
        model._count_prior(TRAIN)
    return model


def said(model, features=QUERIES, side="query"):
    frame = model.recommend(features, k=4, as_frame=True)
    if side == "candidate":
        return dict(zip(frame["recipe_id"], frame["candidate_knowledge"], strict=True))
    return frame[frame["rank"] == 1]["query_knowledge"].tolist()


@pytest.fixture(scope="module")
def model():
    return make()


def test_a_row_says_what_is_known_of_its_query_and_candidate(model):
    assert said(model) == ["hot", "warm", "cold", "hot"]
    assert said(model, side="candidate") == OF_RECIPES


def test_a_column_that_is_not_given_tells_nothing(model):
    assert said(model, {"user_id": [7, 5]}) == ["hot", "cold"]
    assert said(model, {"diet": ["vegan", "unheard of"]}) == ["warm", "cold"]


def test_a_table_of_arrow_is_read(model):
    table = pa.table({name: pa.array(column) for name, column in QUERIES.items()})
    assert model.query_knowledge(table)["knowledge"].tolist() == said(model, table) == ["hot", "warm", "cold", "hot"]


def test_a_time_alone_tells_nothing():
    timed = make(query_tower(timestamp=rl.features.Time(TRAIN["timestamp"])))
    assert said(timed, {"user_id": [7, 5], "timestamp": [1.63e9, 1.63e9]}) == ["hot", "cold"]


def test_the_table_of_queries_tells():
    model = make(queries=pd.DataFrame({"user_id": [5, 6], "diet": ["any", None]}))
    assert said(model, {"user_id": [7, 5, 6, 4]}) == ["hot", "warm", "cold", "cold"]
    assert model.query_knowledge({"user_id": [7, 5]})["known_columns"].tolist() == [(), ("diet",)]
    assert said(model, {"user_id": [5], "diet": ["unheard of"]}) == ["cold"]  # what is given wins


def test_without_a_prior_a_known_id_is_taken_for_a_trained_one():
    assert said(make(prior=None), side="candidate") == dict.fromkeys(OF_RECIPES, "hot")


def test_towers_of_ids_alone():
    ids = rl.IdTower([7, 9], 4, feature="user_id"), rl.IdTower(RECIPES["recipe_id"], 4, feature="recipe_id")
    for named in (True, False):
        model = make(*ids) if named else make(rl.IdTower([7, 9], 4), rl.IdTower(RECIPES["recipe_id"], 4))
        assert said(model, {"user_id": [9, 5]}) == ["hot", "cold"]
        assert said(model, {"user_id": [9]}, "candidate") == {**OF_RECIPES, "stew": "cold"}


def test_a_candidate_tower_without_ids_is_warm_at_most():
    tower = rl.towers.FeatureTower({"kind": rl.features.Category(RECIPES["kind"], width=4)}, 4)
    assert said(make(candidate=tower), side="candidate") == {**dict.fromkeys(OF_RECIPES, "warm"), "cake": "cold"}


def test_a_mixture_knows_what_one_of_its_towers_knows():
    model = make(candidate=rl.towers.MixtureTower([rl.IdTower(["pie"], 4, feature="recipe_id"), candidate_tower()], 4))
    assert said(model, side="candidate") == OF_RECIPES
    assert model.candidate_knowledge(["stew"])["known_columns"].tolist() == [("kind",)]


def test_a_tower_that_cannot_tell_says_nothing():
    blind = keras.Sequential([keras.Input((1,), name="age"), keras.layers.Dense(4)])
    model = make(blind)
    assert said(model, {"age": [[30.0], [40.0]]}) == [None, None]
    assert model.query_knowledge({"age": [[30.0]]}).to_dict("records") == [{"knowledge": None, "known_columns": ()}]
    assert said(model, {"age": [[30.0]]}, "candidate") == OF_RECIPES


def test_candidates_that_join_are_warm(model):
    model = make()
    model.append_candidates({"recipe_id": ["flan", "tart"], "kind": ["sweet", None]})
    words = model.candidate_knowledge()["knowledge"]
    assert words.to_dict() == {**OF_RECIPES, "flan": "warm", "tart": "cold"}
    assert words.index.name == "recipe_id"


def test_what_was_trained_can_be_said(model):
    words = model.candidate_knowledge(["pie", "stew"], trained_ids=["stew", "unheard of"])["knowledge"]
    assert words.to_dict() == {"pie": "warm", "stew": "hot"}
    with pytest.raises(UnknownIdError, match=r"candidate_knowledge: these ids are not in the corpus: 'flan'"):
        model.candidate_knowledge(["flan"])
    with pytest.raises(StateError, match="candidate_knowledge: the model has no candidates"):
        rl.RetrievalModel(query_tower(), candidate_tower(), candidate_id="recipe_id").candidate_knowledge()


def test_columns_of_these_names_are_the_users():
    corpus = RECIPES.assign(candidate_knowledge="mine")
    frame = make(corpus=corpus, keep_columns=["candidate_knowledge"]).recommend(
        {**QUERIES, "candidate_knowledge": [1] * 4, "query_knowledge": [1] * 4}, k=1, as_frame=True
    )
    assert set(frame["candidate_knowledge"]) == {"mine"}  # the corpus's, as it is for every column of a result
    assert frame["query_knowledge"].tolist() == ["hot", "warm", "cold", "hot"]


def test_a_frame_without_recommendations(model):
    frame = model.recommend({"user_id": [7]}, k=4, exclude=[RECIPES["recipe_id"].tolist()], as_frame=True)
    assert len(frame) == 0
    assert {"query_knowledge", "candidate_knowledge"} <= set(frame.columns)
    assert len(model.query_knowledge({"user_id": np.array([], np.int64)})) == 0


@pytest.mark.saving
def test_a_file_keeps_what_is_known(tmp_path):
    model = make(queries={"user_id": [5], "diet": ["any"]}, keep_queries=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert said(loaded, {"user_id": [7, 5, 4]}) == ["hot", "warm", "cold"]
    assert said(loaded, side="candidate") == OF_RECIPES
