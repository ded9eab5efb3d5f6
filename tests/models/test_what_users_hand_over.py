"""What a user hands over by mistake: one error of ours, with what is taken and what to do."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, IdError, UnknownIdError

USERS, RECIPES = np.arange(12) % 4, np.arange(12) % 6
TRAIN = pd.DataFrame({"user_id": USERS, "recipe_id": RECIPES})
CANDIDATES = pd.DataFrame({"recipe_id": np.arange(6), "kind": ["sweet", "salty"] * 3})


@pytest.fixture(scope="module", params=["id", "feature"])
def model(request) -> rl.RetrievalModel:
    made = rl.RetrievalModel.from_data(
        TRAIN, CANDIDATES, query_tower=request.param, candidate_tower=request.param, embedding_dim=2
    )
    made.compile(metrics=rl.metrics.TopKAccuracy(1))
    return made


class Lazy:
    """What polars and others give before they have computed a frame."""

    columns = ("user_id", "recipe_id")

    def __getitem__(self, name):
        raise TypeError("a lazy frame has no columns")

    def collect(self):
        raise AssertionError("nothing is computed that nobody has asked for")


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        ("train.csv", r"Read the file, for example by pandas\.read_csv\('train\.csv'\)"),
        (Lazy(), r"Compute it: call its method \.collect\(\)"),
        (None, "Pass a data frame"),
        ([{"user_id": 7}], r"Convert it, for example by pandas\.DataFrame\(data\)"),
        (np.zeros((3, 2)), r"Convert it, for example by pandas\.DataFrame\(data, columns=\[\.\.\.\]\)"),
        (pd.Series([7]), "Convert it"),
        (7, "Pass a data frame"),
    ],
    ids=["path", "lazy", "none", "rows", "array", "column", "number"],
)
@pytest.mark.parametrize("argument", ["interactions", "candidates", "queries"])
def test_from_data_takes_tables(argument, given, fix):
    tables = {"interactions": TRAIN, "candidates": CANDIDATES, argument: given}
    if argument == "queries" and given is None:
        return  # there may be no table of queries
    expected = (
        rf"^RetrievalModel\.from_data: `{argument}` must be a data frame .* or a dict of columns\. Received: .*{fix}"
    )
    with pytest.raises(ArgumentTypeError, match=expected):
        rl.RetrievalModel.from_data(**tables)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["kind"]}, r"no argument 'columns'.*query_options=\{'columns': \.\.\.\} or candidate_options="),
        ({"leave_out": ["kind"]}, r"no argument 'leave_out'.*candidate_options=\{'leave_out': \.\.\.\}"),
        ({"encoders": {}, "hidden_units": (3,)}, r"no argument 'encoders', 'hidden_units'.*query_options="),
        ({"embeding_dim": 3}, r"no argument 'embeding_dim'\. The closest is 'embedding_dim'"),
    ],
    ids=["columns", "leave_out", "two", "misspelt"],
)
def test_options_of_towers_have_their_place(options, message):
    with pytest.raises(ArgumentTypeError, match=rf"^RetrievalModel\.from_data: there is {message}"):
        rl.RetrievalModel.from_data(TRAIN, CANDIDATES, **options)


@pytest.mark.parametrize("value", [7, "7", np.int64(7), np.array(7), None, tf.constant(7)], ids=repr)
def test_a_single_value_is_not_a_column(model, value):
    message = r"column 'user_id': one entry per row is needed, not a single value\. .*Put the value into a list"
    for call in (model.recommend, model.query_knowledge, model.predict):
        with pytest.raises(ArgumentTypeError, match=message):
            call({"user_id": value})
    with pytest.raises(ArgumentTypeError, match=message):
        model.fit({"user_id": value, "recipe_id": [1]}, verbose=0)


@pytest.mark.parametrize(
    "given",
    [np.zeros((3, 2)), tf.zeros((3, 2)), [1, 2], None, 7, pd.Series([7]), Lazy(), [TRAIN]],
    ids=["array", "tensor", "list", "none", "number", "column", "lazy", "list of frames"],
)
def test_training_takes_columns_and_batches(model, given):
    message = "`x` must be a data frame, a dict of columns or batches of them"
    for name, call in {"fit": model.fit, "evaluate": model.evaluate}.items():
        with pytest.raises(ArgumentTypeError, match=rf"^RetrievalModel\.{name}: {message}"):
            call(given)
    for name, call in {"fit": model.train_on_batch, "evaluate": model.test_on_batch}.items():
        with pytest.raises(ArgumentTypeError, match=rf"^RetrievalModel\.{name}: {message}"):
            call(given)
    if given is not None and not isinstance(given, list):  # a list of features and targets is validation data
        with pytest.raises(ArgumentTypeError, match=r"^RetrievalModel\.fit: `validation_data` must be"):
            model.fit(TRAIN, validation_data=given, verbose=0)


def test_batches_of_any_kind_are_still_taken(model):
    batches = model.batches(TRAIN, 6)
    generator = ((batch,) for batch in batches)
    for given in (TRAIN, TRAIN.to_dict("list"), batches, generator):
        options = {} if given is not generator else {"steps": 2}
        assert "loss" in model.evaluate(given, return_dict=True, verbose=0, **options)


def test_nothing_can_be_learned_from_no_rows(model):
    empty = TRAIN[:0]
    for name, call in {"fit": model.fit, "evaluate": model.evaluate, "predict": model.predict}.items():
        for given in (empty, {"user_id": [], "recipe_id": []}, model.batches(TRAIN).take(0)):
            with pytest.raises(ArgumentError, match=rf"^RetrievalModel\.{name}: at least one row is needed"):
                call(given, verbose=0)
    with pytest.raises(ArgumentError, match=r"^RetrievalModel\.fit: .*at least one row is needed"):
        model.fit(TRAIN, validation_data=empty, verbose=0)
    assert model.recommend(empty, k=2)[1].shape == (0, 2)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("adm", r"`optimizer` must be .*optimizer='adm'\. The closest is 'adam'\. Known: .*'adagrad'.*'sgd'"),
        ("nothing like it", r"Known: .*'adam'"),
        (3, r"optimizer=3\. .*Known: .*'adam'"),
        (keras.optimizers.Adam, r"Pass an instance, for example optimizers\.Adam\(\.\.\.\)"),
    ],
    ids=["misspelt", "unlike", "number", "class"],
)
def test_an_unknown_optimizer(optimizer, message):
    model = rl.RetrievalModel(rl.IdTower([7], 2, feature="user_id"), rl.IdTower([9], 2, feature="recipe_id"))
    with pytest.raises(ArgumentError, match=rf"^RetrievalModel\.compile: .*{message}"):
        model.compile(optimizer)
    model.compile("sgd")


@pytest.mark.parametrize("name", ["userid", "User ID", "user-id", "usr_id"])
def test_a_misspelt_column_is_to_be_renamed(model, name):
    message = rf"no column 'user_id'; .*The closest is '{name}': rename it to 'user_id', which the query tower reads"
    for call in (model.recommend, model.query_knowledge):
        with pytest.raises(ColumnError, match=message):
            call({name: [3]})


def test_a_misspelt_column_is_not_a_missing_one():
    train = TRAIN.assign(diet=np.where(USERS % 2, "vegan", "any"))
    model = rl.RetrievalModel.from_data(train, CANDIDATES, embedding_dim=2)
    assert model.query_columns == ("diet", "user_id")
    assert len(model.recommend({"diet": ["any"]}, k=2)[1]) == 1  # a query that nobody knows
    message = "'userId': rename it to 'user_id', which the query tower reads"
    for call in (model.recommend, model.query_knowledge, model.predict):
        with pytest.raises(ColumnError, match=message):
            call({"userId": [3], "diet": ["any"]})
    # What has other letters may be another column, which nobody reads.
    with pytest.warns(UserWarning, match="nothing reads the column 'user'"):
        assert len(model.recommend({"user": [3], "diet": ["any"]}, k=2)[1]) == 1


IDS_OF_OTHER_TYPES = {
    "text": (["3"], "text: '3'"),
    "bytes": ([b"3"], "text: '3'"),
    "floats": ([3.0], "floats: 3.0"),
    "array of floats": (np.array([3.0]), "floats: 3.0"),
    "booleans": ([True], "booleans: True"),
    "array of booleans": (np.array([True]), "booleans: True"),
    "both": ([3, "a"], "integers and text: 3, 'a'"),
    "times": (pd.to_datetime(pd.Series(["2020-01-01"])), "values of type Timestamp"),
    "dates": (np.array(["2020-01-01"], "M8[s]"), "values of type datetime"),
    "dicts": ([{}], "values of type dict: {}"),
    "categories": (pd.Series(["3"], dtype="category"), "text: '3'"),
}


@pytest.mark.parametrize(("ids", "came"), IDS_OF_OTHER_TYPES.values(), ids=IDS_OF_OTHER_TYPES)
def test_ids_have_the_type_that_they_had_in_training(model, ids, came):
    said = (
        rf"column 'user_id': ids must be integers, as in training, not {came}.*, for example by \.astype\(\"int64\"\)"
    )
    queries = {"recommend": model.recommend, "query_knowledge": model.query_knowledge, "predict": model.predict}
    for name, call in queries.items():
        with pytest.raises(IdError, match=rf"^RetrievalModel\.{name}: {said}"):
            call({"user_id": ids})
    pairs = {"user_id": ids, "recipe_id": [1] * len(ids)}
    for name, call in {"fit": model.fit, "evaluate": model.evaluate, "batches": model.batches}.items():
        with pytest.raises(IdError, match=rf"^RetrievalModel\.{name}: {said}"):
            call(pairs)
    with pytest.raises(IdError, match=r"column 'recipe_id': ids must be integers, as in training, not "):
        model.evaluate({"user_id": [1] * len(ids), "recipe_id": ids})
    with pytest.raises(IdError, match=f"^RetrievalModel.similar: ids must be integers, as in the corpus, not {came}"):
        model.similar(ids)


def test_ids_of_text_stay_text():
    train = TRAIN.astype({"user_id": str})
    model = rl.RetrievalModel.from_data(train, CANDIDATES, query_tower="id", embedding_dim=2)
    said = r"ids must be text, as in training, not integers: 3\. Convert them, for example by \.astype\(str\)"
    with pytest.raises(IdError, match=rf"^RetrievalModel\.recommend: column 'user_id': {said}"):
        model.recommend({"user_id": [3]})
    assert model.recommend({"user_id": np.array(["3", "x"])}, k=2)[1].shape == (2, 2)


@pytest.mark.parametrize(
    "ids",
    [[3, None], [3.0, float("nan")], np.array([3, np.nan]), pd.Series([3, None]), pd.array([3, None], dtype="Int64")],
    ids=["None", "NaN", "array", "column", "Int64"],
)
def test_ids_that_are_missing_are_an_error_with_every_tower(model, ids):
    said = r"column 'user_id': 1 of 2 ids are missing \(NaN, None or NA\), first at position 1\. Drop these rows, "
    calls = {"recommend": model.recommend, "predict": model.predict, "fit": model.fit, "evaluate": model.evaluate}
    for name, call in {**calls, "batches": model.batches, "held_out_ranks": model.held_out_ranks}.items():
        with pytest.raises(IdError, match=rf"^RetrievalModel\.{name}: {said}for example with DataFrame\.dropna"):
            call({"user_id": ids, "recipe_id": [1, 2]})
    for call in (model.fit, model.evaluate):
        with pytest.raises(IdError, match="column 'recipe_id': 1 of 2 ids are missing"):
            call({"user_id": [1, 2], "recipe_id": ids})


@pytest.mark.parametrize("tower", ["id", "feature"])
@pytest.mark.parametrize("place", ["interactions user_id", "interactions recipe_id", "candidates recipe_id"])
def test_from_data_refuses_rows_without_an_id(tower, place):
    table, name = place.split()
    tables = {"interactions": TRAIN, "candidates": CANDIDATES}
    with_gap = tables[table][name].where(tables[table][name] != 2)
    said = rf"{table}: column '{name}': {with_gap.isna().sum()} of {len(with_gap)} ids are missing .* Drop these rows"
    for gap in (with_gap, with_gap.astype("Int64")):
        with pytest.raises(IdError, match=rf"^RetrievalModel\.from_data: {said}"):
            rl.RetrievalModel.from_data(
                **{**tables, table: tables[table].assign(**{name: gap})}, query_tower=tower, candidate_tower=tower
            )


@pytest.mark.parametrize(
    ("tables", "error", "said"),
    [
        ({"candidates": pd.concat([CANDIDATES, CANDIDATES[:2]])}, IdError, "candidates: 2 of the ids .*: 0, 1. Keep"),
        ({"candidates": CANDIDATES[:0]}, ArgumentError, "candidates: `frame` has no rows"),
        ({"interactions": TRAIN[:0]}, ArgumentError, "interactions: `frame` has no rows"),
        (
            {"candidates": CANDIDATES.rename(columns={"recipe_id": "code"})},
            ColumnError,
            "candidates: there is no column 'recipe_id'; .*Say which of them has the ids, by candidates_id_column",
        ),
        (
            {"interactions": TRAIN.assign(recipe_id=RECIPES + 100)},
            IdError,
            r"no id of the column 'recipe_id' of the interactions is one of the candidates\. Received: .*100, 101",
        ),
    ],
    ids=["repeats", "no candidates", "no rows", "another name", "other ids"],
)
def test_what_is_wrong_with_a_table_is_said_in_words_of_from_data(tables, error, said):
    with pytest.raises(error, match=rf"^RetrievalModel\.from_data: {said}") as raised:
        rl.RetrievalModel.from_data(**{"interactions": TRAIN, "candidates": CANDIDATES, **tables})
    assert "side=" not in str(raised.value)


def test_a_time_that_popularity_drifts_with_is_named():
    timed = TRAIN.assign(date=pd.date_range("2024-01-01", periods=12))
    model = rl.RetrievalModel.from_data(timed, CANDIDATES, embedding_dim=2)
    model.compile(metrics=[])
    with pytest.raises(ColumnError, match="no column 'date'.* Popularity drifts with it; .* model with time=None"):
        model.fit(pd.concat([TRAIN] * 100), verbose=0)  # enough to hold some out


def test_candidates_outside_of_the_corpus_are_shown_once(model):
    with pytest.raises(UnknownIdError, match=r': 99\. Add them .*, or evaluate with unknown_candidates="miss"'):
        model.evaluate({"user_id": [1, 2], "recipe_id": [99, 99]}, verbose=0)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (
            {"normalize": "no"},
            ArgumentError,
            "RetrievalModel: `normalize` must be True or False",
        ),
        ({"chooses_training": "no"}, ArgumentError, "`chooses_training` must be True or False"),
        ({"keep_columns": "kind"}, ArgumentTypeError, r"`keep_columns` must be a list .* Use keep_columns=\['kind'\]"),
        ({"seed": "a"}, ArgumentError, r"RetrievalModel\.from_data: `seed` must be an integer"),
    ],
    ids=["normalize", "chooses_training", "keep_columns", "seed"],
)
def test_options_of_from_data_have_their_types(options, error, said):
    with pytest.raises(error, match=said):
        rl.RetrievalModel.from_data(TRAIN, CANDIDATES, **options)


def test_single_rows_are_not_batches(model):
    with pytest.raises(ArgumentTypeError, match="the dataset gives single rows, not batches"):
        model.fit(tf.data.Dataset.from_tensor_slices(dict(TRAIN)), verbose=0)


@pytest.mark.parametrize("as_text", [{"user_id": str}, {"recipe_id": str}])
def test_what_was_seen_has_ids_of_another_type(model, as_text):
    seen = rl.data.seen(TRAIN.astype(as_text), "user_id", "recipe_id")
    [name] = as_text
    told = f"`exclude` has text in '{name}', where the model gets integers: '0', .*Read both files alike"
    with pytest.raises(IdError, match=f"recommend: {told}"):
        model.recommend({"user_id": [1]}, k=1, exclude=seen)
    with pytest.raises(IdError, match=f"evaluate: {told}"):
        model.evaluate(TRAIN, exclude=seen, verbose=0)
    with pytest.raises(IdError, match=f"evaluate: {told}"):
        model.held_out_ranks(TRAIN, exclude=seen)


def test_targets_of_an_evaluation(model):
    with pytest.raises(ArgumentError, match="evaluate: there are no targets.*a column of `x`"):
        model.evaluate(TRAIN, TRAIN["recipe_id"], verbose=0)


def test_a_misspelt_column_is_told_by_the_method_that_was_called():
    model = rl.RetrievalModel.from_data(TRAIN, CANDIDATES, embedding_dim=2)
    model.compile()
    misspelt = TRAIN.rename(columns={"recipe_id": "recipe_ID"})
    with pytest.raises(ColumnError, match="choose_training: there is no column 'recipe_id'.*closest is 'recipe_ID'"):
        model.choose_training(misspelt, verbose=0)
