"""The table of queries: columns by query id in training, recommendations, files and exports, as pandas merges them."""

from __future__ import annotations

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.candidates.pair_encoder import PairEncoder
from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import ArgumentError, ColumnError, IdError, UnknownIdError

USERS = pd.DataFrame({"user_id": [7, 9, 5], "age": [30.0, 40.0, 50.0], "diet": ["vegan", None, "any"]})
TRAIN = pd.DataFrame({"user_id": [7, 9, 7, 9], "recipe_id": ["pie", "soup", "pie", "stew"]})
RECIPES = {"recipe_id": ["pie", "soup", "stew"]}
# Known, only in the table, and in neither.
PROBES = [7, 9, 5, 4]


def query_tower(ids=True):
    encoders = {
        "age": rl.features.Number(USERS["age"], seed=5),
        "diet": rl.features.Category(USERS["diet"], width=4, seed=1),
    }
    if ids:
        encoders["user_id"] = rl.features.Id(TRAIN["user_id"], width=4, seed=2)
    return rl.towers.FeatureTower(encoders, 4, seed=3)


def make(queries=None, ids=True, **options):
    candidates = rl.IdTower(RECIPES["recipe_id"], 4, feature="recipe_id", seed=4)
    model = rl.RetrievalModel(query_tower(ids), candidates, RECIPES, query_id="user_id", queries=queries, **options)
    model.compile(rl.optimizers.SGD(0.1))
    return model


def merged(frame, table):
    return frame.merge(table, on="user_id", how="left")


def answers(model, features):
    scores, ids = model.recommend(features, k=3)
    return scores.round(6).tolist(), ids.tolist()


@pytest.fixture(scope="module")
def model():
    made = make(USERS)
    made.fit(TRAIN, epochs=3, shuffle=False, verbose=0)
    return made


@pytest.fixture(scope="module", params=[int, str], ids=["integers", "text"])
def encoder_of(request):
    """What reads columns for two towers, and the type of its query ids."""
    ids = rl.features.Id([request.param(7)], width=4)
    encoders = {"user_id": ids, "age": rl.features.Number(USERS["age"]), "diet": rl.features.Category(USERS["diet"])}
    towers = rl.towers.FeatureTower(encoders, 4), rl.IdTower(["pie"], 4, feature="recipe_id")
    return PairEncoder(*towers, "user_id", "recipe_id"), request.param


@settings(max_examples=50)
@given(data=st.data())
def test_the_join_is_the_merge_of_pandas(encoder_of, data):
    encoder, id_type = encoder_of
    ids = st.integers(-3, 3).map(id_type)
    table_ids = data.draw(st.lists(ids, min_size=1, max_size=5, unique=True))
    rows = data.draw(st.lists(ids, min_size=1, max_size=8))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    table = pd.DataFrame(
        {
            "user_id": table_ids,
            "age": np.where(
                generator.random(len(table_ids)) < 0.3, np.nan, generator.integers(90, size=len(table_ids))
            ),
            "diet": generator.choice(np.array(["vegan", "any", "other", None], dtype=object), len(table_ids)),
        }
    )
    names = data.draw(st.sampled_from([["age", "diet"], ["age"], ["diet"]]))
    given_column = data.draw(st.sampled_from([None, "age", "diet"]))
    batch = {"user_id": tf.constant(rows, tf.int64 if id_type is int else tf.string)}
    if given_column is not None:  # what a batch brings wins
        batch[given_column] = tf.constant([90.0] * len(rows) if given_column == "age" else ["mine"] * len(rows))
    read = lambda column, owner, name: encoder.read(column, owner, name)  # noqa: E731
    encoder.set_queries(Corpus(table, "user_id", names, read=read))
    found = encoder.columns_of_losses(batch)
    expected = pd.DataFrame({"user_id": rows}).merge(table[["user_id", *names]], on="user_id", how="left")
    for name in ("age", "diet"):
        if name == given_column:
            assert found[name] is batch[name]
            continue
        values = expected[name].tolist() if name in names else [None] * len(rows)
        if name == "age":
            np.testing.assert_array_equal(found[name].numpy(), np.array(values, np.float32))
        else:
            texts = ["" if pd.isna(each) else each for each in values]
            assert [each.decode() for each in found[name].numpy().tolist()] == texts
    assert found["user_id"] is batch["user_id"]


def test_a_model_with_the_table_is_one_of_the_merged_rows(model):
    other = make()
    history = other.fit(merged(TRAIN, USERS), epochs=3, shuffle=False, verbose=0).history
    assert history["loss"] == pytest.approx(
        make(USERS).fit(TRAIN, epochs=3, shuffle=False, verbose=0).history["loss"], rel=1e-5
    )
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    probes = pd.DataFrame({"user_id": PROBES})
    np.testing.assert_allclose(
        model.predict(probes, verbose=0), other.predict(merged(probes, USERS), verbose=0), rtol=1e-4, atol=1e-6
    )
    assert model.evaluate(TRAIN, verbose=0) == pytest.approx(other.evaluate(merged(TRAIN, USERS), verbose=0), rel=1e-4)
    np.testing.assert_array_equal(model.held_out_ranks(TRAIN), other.held_out_ranks(merged(TRAIN, USERS)))


def test_a_column_that_is_not_given_is_missing_where_the_encoder_allows_it(model):
    bare = make()
    bare.set_weights(model.get_weights())
    nothing = {"user_id": PROBES, "age": [np.nan] * 4, "diet": [None] * 4}
    assert answers(bare, {"user_id": PROBES}) == answers(bare, nothing)
    assert answers(bare, {"age": [30.0]}) == answers(bare, {"user_id": [4], "age": [30.0], "diet": [None]})
    with pytest.raises(ColumnError, match=r"held_out_ranks: there is no column '(age|diet)'"):
        bare.held_out_ranks(TRAIN)  # what is evaluated must be there
    age = keras.Input((1,), name="age")
    layer = rl.RetrievalModel(keras.Model(age, keras.layers.Dense(4)(age)), bare.candidate_tower, RECIPES)
    with pytest.raises(ColumnError, match=r"recommend: there is no column 'age'.*The query tower reads it: add it"):
        layer.recommend({"user_id": [7]})


@pytest.mark.saving
def test_a_file_has_the_table_only_where_that_is_asked_for(model, tmp_path):
    model.save(tmp_path / "bare.keras")
    loaded = keras.models.load_model(tmp_path / "bare.keras")
    probes = {"user_id": PROBES}
    assert answers(loaded, probes) == answers(loaded, merged(pd.DataFrame(probes), USERS.iloc[:0]))
    assert answers(loaded, probes) != answers(model, probes)
    loaded.set_queries(USERS)
    assert answers(loaded, probes) == answers(model, probes)
    loaded.fit(TRAIN, verbose=0)
    loaded.set_queries(None)
    with pytest.raises(ColumnError, match="'age'"):
        loaded.fit(TRAIN, verbose=0)


@pytest.mark.saving
def test_a_fresh_process_and_an_export_join_the_table(model, tmp_path, run_python):
    kept = make(USERS, keep_queries=True)
    kept.set_weights(model.get_weights())
    kept.save(tmp_path / "kept.keras")
    model.export(tmp_path / "bundle", k=3)
    code = (
        "import json, keras, tensorflow as tf, reciperec_layers as rl\n"
        f"scores, ids = keras.models.load_model('kept.keras').recommend({{'user_id': {PROBES}}}, k=3)\n"
        "print(json.dumps([scores.round(6).tolist(), ids.tolist()]))\n"
    )
    assert tuple(json.loads(run_python(code).splitlines()[-1])) == answers(model, {"user_id": PROBES})
    serve = tf.saved_model.load(tmp_path / "bundle").signatures["serving_default"]
    assert list(serve.structured_input_signature[1]) == ["user_id"]
    served = serve(user_id=tf.constant(PROBES, tf.int64))
    scores, ids = model.recommend({"user_id": PROBES}, k=3)
    np.testing.assert_allclose(served["scores"], scores, rtol=1e-6)
    assert [[each.decode() for each in row] for row in served["ids"].numpy().tolist()] == ids.tolist()
    # An id outside of the table has missing values.
    assert answers(model, {"user_id": [4]}) == answers(model, {"user_id": [4], "age": [np.nan], "diet": [None]})


@pytest.mark.saving
def test_a_tower_without_ids_is_exported_with_the_table(tmp_path):
    model = make(USERS, ids=False)
    model.export(tmp_path / "bundle", k=3)
    served = tf.saved_model.load(tmp_path / "bundle").signatures["serving_default"](
        user_id=tf.constant([7, 4], tf.int64)
    )
    np.testing.assert_allclose(served["scores"], model.recommend({"user_id": [7, 4]}, k=3)[0], rtol=1e-6)


def test_the_table_needs_the_ids(model):
    for reads_ids in (True, False):
        with pytest.raises(ColumnError, match="there is no column 'user_id'"):
            make(USERS, reads_ids).fit({"recipe_id": ["pie", "soup"]}, verbose=0)
    ages = {"age": [30.0, 40.0], "diet": ["any", None]}
    alone = make(USERS, ids=False)
    alone.fit({**ages, "recipe_id": ["pie", "soup"]}, verbose=0)  # nothing is left to join
    assert answers(alone, ages) == answers(alone, {"user_id": [7, 9], **ages})


def test_two_rows_for_one_id():
    twice = pd.concat([USERS, USERS.iloc[:1]])
    fix = "Keep one row of each, for example with DataFrame.drop_duplicates"
    with pytest.raises(IdError, match=rf"queries: column 'user_id': 1 of 4 ids are repeats: 7\..*{fix}"):
        make(twice)
    with pytest.raises(IdError, match=rf"queries: column 'user_id': 1 of 4 ids are repeats: 7\..*{fix}"):
        rl.RetrievalModel.from_data(TRAIN, RECIPES, queries=twice)
    corpus = {"recipe_id": ["pie", "soup", "stew", "pie"], "kind": ["a", "b", "c", "d"]}
    with pytest.raises(IdError, match=r"1 of the ids in column 'recipe_id' has several rows: 'pie'\. Keep one"):
        rl.RetrievalModel.from_data(TRAIN, corpus)
    model = make()
    with pytest.raises(IdError, match=r"append_candidates: column 'recipe_id': 1 of 2 ids are repeats: 'flan'"):
        model.append_candidates({"recipe_id": ["flan", "flan"]})


def test_wrong_tables(model):
    text = USERS.assign(user_id=["7", "9", "5"])
    with pytest.raises(IdError, match=r"from_data: queries: column 'user_id' .*the same type.*interactions"):
        rl.RetrievalModel.from_data(TRAIN, RECIPES, queries=text)
    with pytest.raises(ColumnError, match=r"set_queries: queries: there is no column 'user_id'"):
        make().set_queries(USERS.rename(columns={"user_id": "who"}))
    missing = "1 of 3 ids are missing .NaN, None or NA."
    for ids in ([7, None, 5], pd.array([7, None, 5], dtype="Int64")):
        with pytest.raises(IdError, match=rf"set_queries: queries: column 'user_id': {missing}"):
            make().set_queries(USERS.assign(user_id=ids))
    tower, candidates = query_tower(), rl.IdTower(RECIPES["recipe_id"], 4, feature="recipe_id")
    with pytest.raises(ArgumentError, match='which column holds the query ids is not known.*query_id="user_id"'):
        rl.RetrievalModel(tower, candidates, RECIPES, queries=USERS)


@pytest.mark.parametrize("ids", [True, False], ids=["read", "of the table before"])
def test_a_table_with_ids_of_another_type_is_refused_at_once(ids):
    model = make(USERS, ids)
    before = answers(model, {"user_id": PROBES})
    text = USERS.assign(user_id=["7", "9", "5"])
    expected = (
        "set_queries: queries: column 'user_id': ids must be integers, as in training, not text: '7', '9', '5'"
        if ids
        else "set_queries: queries: column 'user_id' must have the type of the ids that the model knows, int64"
    )
    with pytest.raises(IdError, match=expected):
        model.set_queries(text)
    assert answers(model, {"user_id": PROBES}) == before
    if ids:
        with pytest.raises(IdError, match=expected):
            make(text)


def test_a_table_without_columns_that_are_read_is_refused_at_once(model):
    other = USERS.rename(columns={"age": "years", "diet": "kind"})
    expected = (
        r"set_queries: queries: there is no column that the query tower reads beside 'user_id'; the columns are "
        r"'user_id', 'years', 'kind'. It reads 'age', 'diet'"
    )
    with pytest.raises(ColumnError, match=expected):
        make().set_queries(other)
    alone = rl.RetrievalModel(rl.IdTower([7], 4, feature="user_id"), model.candidate_tower, RECIPES)
    with pytest.raises(ColumnError, match="It reads the id alone: leave the table out"):
        alone.set_queries(USERS)
    # What is not fit to be read is left out of a model that is made from data, and with it the table.
    made = rl.RetrievalModel.from_data(TRAIN, RECIPES, queries=USERS.assign(age=1.0, diet="any"), embedding_dim=4)
    assert made.query_columns == ("user_id",)
    assert rl.RetrievalModel.from_data(TRAIN, RECIPES, query_tower="id", queries=USERS, embedding_dim=4)


@pytest.mark.parametrize("name", ["timestamps", "Timestamp"])
def test_a_misspelt_time_of_the_prior_is_warned_of_wherever_it_is_read(name):
    times = {"user_id": [7, 9], "recipe_id": ["pie", "pie"], "timestamp": [10**9, 10**9 + 9]}
    model = rl.RetrievalModel.from_data(times, RECIPES, query_tower="id", embedding_dim=4)
    model.compile()
    misspelt = {"user_id": [7], "recipe_id": ["pie"], name: [10**9]}
    said = "nothing reads the column '[Tt]imestamps?', and 'timestamp', which the query tower reads, is not given"
    for ask in (
        lambda: model.evaluate(misspelt, verbose=0),
        lambda: model.fit(misspelt, verbose=0),
        lambda: model.batches(misspelt, 2),
        lambda: model.recommend(misspelt, k=1),
    ):
        with pytest.warns(UserWarning, match=said):
            ask()


def test_a_column_that_is_not_read_and_close_to_one_that_is_lacking_is_a_warning():
    model = make()
    read = (
        "RetrievalModel: nothing reads the column 'agee', and 'age', which the query tower reads, is not given. "
        "Rename it to 'age' if it is meant."
    )
    for ask in (
        lambda frame: answers(model, frame),
        model.query_knowledge,
        lambda frame: model.predict(frame, verbose=0),
    ):
        with pytest.warns(UserWarning, match=read):
            ask({"user_id": [7], "agee": [30.0]})
    with pytest.warns(UserWarning, match="the column 'diets', and 'diet'"):
        answers(model, {"user_id": [7], "diets": ["any"]})
    with pytest.warns(UserWarning, match="the column 'user', and 'user_id'"):
        answers(model, {"user": [7], "age": [30.0]})
    with_table = make(USERS)
    with pytest.warns(UserWarning, match="the column 'agee'"):  # not those of the table, which were not meant
        answers(with_table, {"user_id": [7], "agee": [30.0]})
    with pytest.warns(UserWarning, match="set_queries: queries: nothing reads the column 'agee'"):
        model.set_queries(USERS.rename(columns={"age": "agee"}))
    model = make()
    # Warnings are errors here: others are silent.
    for frame in (
        {"user_id": [7], "page_number": [1], "comment": ["a"], "recipe_id": ["pie"], "rating": [5]},
        {"user_id": [7], "agee": [30.0], "age": [30.0]},
        {"user_id": [7]},
    ):
        answers(model, pd.DataFrame(frame))


def test_a_candidate_without_an_id():
    candidates = {"recipe_id": ["pie", None, "stew"], "kind": ["a", "b", "c"]}
    tower = rl.towers.FeatureTower({"recipe_id": rl.features.Id(["pie"], width=4)}, 4)
    missing = "column 'recipe_id': 1 of 3 ids are missing"
    with pytest.raises(IdError, match=f"RetrievalModel: candidates: {missing}"):
        rl.RetrievalModel(query_tower(), tower, candidates, query_id="user_id")


@pytest.mark.parametrize("tower", ["feature", "mixture"])
def test_columns_of_the_table_are_judged_as_what_is_known_beforehand(tower: str):
    """In the joined rows they look like outcomes: every candidate has queries of one group alone."""
    generator = np.random.default_rng(2)
    users = pd.DataFrame({"user_id": np.arange(60)})
    users["group"] = np.where(users["user_id"] % 2, "odd", "even")
    train = pd.DataFrame({"user_id": generator.integers(0, 60, 600)})
    train["recipe_id"] = 2 * generator.integers(0, 20, 600) + train["user_id"] % 2
    recipes = pd.DataFrame({"recipe_id": np.arange(40)})
    options = {"query_tower": tower, "queries": users, "embedding_dim": 4, "seed": 1}
    model = rl.RetrievalModel.from_data(train, recipes, **options)
    assert set(model.query_columns) == {"group", "user_id"}


def rows_of_users(num_rows: int) -> pd.DataFrame:
    generator = np.random.default_rng(3)
    return pd.DataFrame(
        {"user_id": generator.integers(0, 50, num_rows), "recipe_id": generator.integers(100, 110, num_rows)}
    )


def test_a_table_may_have_more_queries_than_there_are_interactions():
    users = pd.DataFrame({"user_id": range(50), "about": [f"I like {kind} soup" for kind in range(50)]})
    recipes = pd.DataFrame({"recipe_id": range(100, 110)})
    model = rl.RetrievalModel.from_data(rows_of_users(30), recipes, queries=users, embedding_dim=4)
    assert set(model.query_columns) == {"user_id", "about"}


def test_a_column_of_the_table_that_tells_the_answers_is_left_out():
    train = rows_of_users(900)
    train["recipe_id"] += 10 * np.random.default_rng(4).integers(0, 20, 900)  # so that few have the same
    answers = train.groupby("user_id")["recipe_id"].agg(lambda ids: " ".join(map(str, ids)))
    users = answers.rename("about").reset_index()
    model = rl.RetrievalModel.from_data(train, {"recipe_id": range(100, 300)}, queries=users, embedding_dim=4)
    assert model.query_columns == ("user_id",)


def test_an_unknown_query_that_cannot_be_missing_is_one_error_of_queries():
    columns = {"user_id": keras.Input((), dtype="int64", name="user_id"), "age": keras.Input((), name="age")}
    ids = keras.layers.Embedding(10, 2)(columns["user_id"])
    tower = keras.Model(columns, ids * keras.layers.Reshape((1,))(columns["age"]))
    recipes = rl.IdTower([1, 2], 2, feature="recipe_id")
    model = rl.RetrievalModel(
        tower, recipes, {"recipe_id": [1, 2]}, query_id="user_id", queries={"user_id": [7], "age": [30.0]}
    )
    assert model.recommend({"user_id": [7]}, k=1)[1].shape == (1, 1)
    with pytest.raises(UnknownIdError, match="1 queries of a batch are not in the table of queries.*'age'.*: 5"):
        model.recommend({"user_id": [5]}, k=1)
