"""What `propose` accepts is read: values that cannot be are missing, with one warning; errors name column and side."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ReciperecError

ROWS = 60
TRAIN = pd.DataFrame({"user_id": 9_000 + np.arange(ROWS) % 7, "recipe_id": np.arange(ROWS)})
DAYS = pd.date_range("2020-01-01", periods=ROWS).strftime("%Y-%m-%d").tolist()
NOT_DATES = [*DAYS[:5], "not a date", *DAYS[6:]]
VECTORS = np.random.default_rng(3).normal(size=(ROWS, 3)).tolist()


def with_surrogate(values: list[str]) -> pd.Series:
    return pd.Series([*values[:3], "\ud800", *values[4:]], dtype=object)


COLUMNS = {
    "published": (NOT_DATES, r"1 of 60 values in column 'published' are not times, at row 5: 'not a date'"),
    "title": (
        with_surrogate([f"{word} pie of {place}" for word in ("plum", "apple", "rum") for place in range(20)]),
        r"1 of 60 values in column 'title' have lone surrogates, at row 3: '\\ud800'",
    ),
    "kind": (
        with_surrogate(["sweet", "salty", "sour"] * 20),
        r"1 of 60 values in column 'kind' have lone surrogates, at row 3",
    ),
    "parts": (
        with_surrogate(["salt^egg", "egg^milk^flour", "salt^flour"] * 20),
        r"1 of 60 values in column 'parts' have lone surrogates, at row 3",
    ),
}


def candidates(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"recipe_id": np.arange(ROWS), **columns})


def warned(call) -> tuple[object, list[str]]:
    """Returns what a call gives, and what it warns users of; Keras has warnings of its own."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        return call(), [str(each.message) for each in caught]


@pytest.mark.parametrize("name", COLUMNS)
def test_from_data_reads_what_is_proposed(name):
    values, said = COLUMNS[name]
    frame = candidates(**{name: values})
    assert rl.features.propose(frame)[name].is_accepted
    model, (said_once,) = warned(lambda: rl.RetrievalModel.from_data(TRAIN, frame, embedding_dim=2))
    assert re.search(said, said_once)  # though candidates are read for the statistics, and for the corpus
    assert model.candidate_columns == (name, "recipe_id") if name < "recipe_id" else ("recipe_id", name)
    assert np.isfinite(model.candidate_embeddings().to_numpy()).all()


def test_an_unreadable_time_is_a_missing_one():
    frame = candidates(published=NOT_DATES)
    model, (said,) = warned(lambda: rl.RetrievalModel.from_data(TRAIN, frame, embedding_dim=2, seed=1))
    assert re.search("^Time: .*'not a date'; they are read as missing", said)
    with_gap = candidates(published=[*DAYS[:5], None, *DAYS[6:]])
    expected = rl.RetrievalModel.from_data(TRAIN, with_gap, embedding_dim=2, seed=1)
    np.testing.assert_array_equal(model.candidate_embeddings(), expected.candidate_embeddings())
    again = type(model).from_config(model.get_config())
    assert again.candidate_tower.columns.encoder("published").unreadable == "missing"
    _, (said,) = warned(lambda: model.append_candidates({"recipe_id": [99], "published": ["soon"]}))
    assert "1 of 1 values in column 'published' are not times, at row 0: 'soon'" in said


def test_queries_are_warned_of_once_and_then_trained():
    train = TRAIN.assign(timestamp=NOT_DATES)
    model, (said,) = warned(lambda: rl.RetrievalModel.from_data(train, candidates(), prior=None, embedding_dim=2))
    assert "column 'timestamp' are not times, at row 5: 'not a date'" in said
    model.compile()
    assert warned(lambda: model.fit(train, verbose=0))[1] == []
    assert "timestamp" in model.query_columns


def test_times_of_a_prior_are_needed():
    message = r"interactions: 1 of 60 values in column 'timestamp' are not times, at row 5: 'not a date'"
    with pytest.raises(ArgumentError, match=message):
        rl.RetrievalModel.from_data(TRAIN.assign(timestamp=NOT_DATES), candidates(), embedding_dim=2)


def test_a_time_that_a_user_chose_is_refused():
    message = r"^RetrievalModel\.from_data: candidates: Time: 1 of 60 values in column 'published' .*unreadable="
    options = {"encoders": {"published": "time"}}
    with pytest.raises(ArgumentError, match=message):
        rl.RetrievalModel.from_data(TRAIN, candidates(published=NOT_DATES), candidate_options=options)
    with pytest.raises(ArgumentError, match="`unreadable` must be"):
        rl.features.Time(DAYS, unreadable="drop")


def test_a_proposed_column_that_cannot_be_read_is_left_out_with_the_reason():
    many = 1_200
    train = pd.DataFrame({"user_id": 9_000 + np.arange(many) % 7, "recipe_id": np.arange(many)})
    parts = [["salt", f"part {row % 9}"] for row in range(many)]
    parts[1_100] = ["salt", {"a": 1}]  # beyond what `propose` looks at
    frame = pd.DataFrame({"recipe_id": np.arange(many), "parts": parts})
    assert rl.features.propose(frame)["parts"].encoder == "list"
    model, (said,) = warned(lambda: rl.RetrievalModel.from_data(train, frame, embedding_dim=2))
    assert re.search("column 'parts' is left out: List: .*items of type dict", said)
    assert model.candidate_columns == ("recipe_id",)
    with pytest.raises(ArgumentTypeError, match="column 'parts': items of type dict"):  # asked for by name
        rl.RetrievalModel.from_data(train, frame, candidate_options={"columns": ["parts"]})


@pytest.mark.parametrize(
    ("column", "encoder", "said"),
    [
        ([*VECTORS[:7], [1.0, 2.0], *VECTORS[8:]], "vector", "Vector: column 'x': 1 of 60 vectors have another length"),
        ([*VECTORS[:7], [1.0, 2.0, np.nan], *VECTORS[8:]], "vector", "Vector: column 'x': 1 of 60 vectors have NaN"),
        ([*VECTORS[:7], [1.0, 2.0, np.inf], *VECTORS[8:]], "vector", "Vector: column 'x': 1 of 60 vectors have NaN"),
        (["1", "x"] * 30, "number", "Number: 30 of 60 values in column 'x' are not numbers"),
        ([[1], [2]] * 30, "category", "Category: column 'x' has values of type list"),
        ([[{}], [2]] * 30, "list", "List: column 'x': items of type dict"),
        ([{}, "pie"] * 30, "text", "Text: column 'x' has values of type dict"),
        ([1.5, 2.5] * 30, "id", "column 'x': Vocabulary.from_data: ids must be"),
        ([1.5, 2.5] * 30, {"encoder": "number", "scale": "x"}, "column 'x': Number: `scale` must be"),
        ([None, None] * 30, "time", "column 'x': Time: `data` has no times"),
    ],
    ids=["lengths", "nan", "inf", "number", "category", "list", "text", "id", "option", "no times"],
)
def test_errors_name_column_and_side(column, encoder, said):
    options = {"encoders": {"x": encoder}}
    frame = candidates(x=column)
    with pytest.raises(ReciperecError, match=rf"^RetrievalModel\.from_data: candidates: {said}"):
        rl.RetrievalModel.from_data(TRAIN, frame, candidate_options=options)
    # A column of a dict has no name of its own.
    as_dict = {name: frame[name].tolist() for name in frame}
    with pytest.raises(ReciperecError, match=f"^{said}"):
        rl.towers.FeatureTower.from_data(as_dict, feature="recipe_id", embedding_dim=2, **options)
    if isinstance(encoder, str) and encoder not in ("id", "time"):
        with pytest.raises(ReciperecError, match=rf"^RetrievalModel\.from_data: interactions: {said}"):
            rl.RetrievalModel.from_data(TRAIN.assign(x=column), candidates(), query_options=options)


NESTED = [{"a": {"b": row}} for row in range(ROWS)]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (NESTED, "nested dicts"),
        ([np.ones((2, 2)) + row for row in range(ROWS)], "arrays with more than one axis"),
        ([*VECTORS[:7], [1.0, 2.0], *VECTORS[8:]], "vectors of unequal lengths"),
        ([None] * ROWS, "all missing"),
        (["pie"] * ROWS, "constant"),
        ([f"https://example.com/{row}.jpg" for row in range(ROWS)], "addresses of pictures"),
        (pd.to_timedelta(np.arange(ROWS), "s"), "durations"),
        ([complex(row) for row in range(ROWS)], "complex numbers"),
        ([object() for _ in range(ROWS)], "objects of type object"),
    ],
    ids=["dicts", "arrays", "vectors", "missing", "constant", "addresses", "durations", "complex", "objects"],
)
def test_only_advice_that_works_is_given(column, reason):
    frame = candidates(x=column, kind=["sweet", "salty"] * 30)
    with pytest.raises(ArgumentError, match=f"column 'x' of `columns` cannot be read: {reason}") as error:
        rl.RetrievalModel.from_data(TRAIN, frame, candidate_options={"columns": ["kind", "x"]}, embedding_dim=2)
    options = {"encoders": {"x": "category"}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rl.RetrievalModel.from_data(TRAIN, frame, candidate_options=options, embedding_dim=2)
        works = True
    except ReciperecError:
        works = False
    assert ("category" in str(error.value)) == works
    assert "Leave it out" in str(error.value)


def test_columns_are_names_and_not_encoders():
    message = r"`columns` must be names.*encoders=\{'x': 'category'\}"
    with pytest.raises(ArgumentTypeError, match=message):
        rl.RetrievalModel.from_data(TRAIN, candidates(x=NESTED), candidate_options={"columns": {"x": "category"}})
