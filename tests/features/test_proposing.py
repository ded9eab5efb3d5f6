"""`propose`: every kind of column, leaks of the real data sets, outcomes, overrules, bad arguments."""

from __future__ import annotations

import json
import uuid
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, IdError
from reciperec_layers.features import ENCODERS, Proposal, Proposals, propose

NUM_ROWS = 60
GENERATOR = np.random.default_rng(42)
WORDS = ["apple", "onion", "soup", "pie", "stew", "cake", "bread", "salad", "roast", "curry", "noodle", "rice"]


def draw(values: list[Any], size: int = NUM_ROWS) -> list[Any]:
    return [values[place] for place in GENERATOR.integers(0, len(values), size)]


def sentences(num_words: int = 8) -> list[str]:
    return [f"{' '.join(draw(WORDS, num_words))} {row}" for row in range(NUM_ROWS)]


def candidates(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"recipe_id": np.arange(NUM_ROWS) + 1000, **columns})


def encoder_of(values: Any, name: str = "x") -> str | None:
    return propose(candidates(**{name: values}))[name].encoder


def reason_of(values: Any, name: str = "x") -> str:
    found = propose(candidates(**{name: values}))[name]
    assert found.encoder is None
    return found.reason


NUMBERS = GENERATOR.gamma(2, 10, NUM_ROWS)
SECONDS = 1_500_000_000 + np.arange(NUM_ROWS) * 12_345
DATETIMES = pd.Series(pd.to_datetime(SECONDS, unit="s"))

ACCEPTED = {
    "floats": (NUMBERS, "number"),
    "floats with gaps": ([None, *NUMBERS[1:]], "number"),
    "nullable integers": (pd.array([None, *NUMBERS[1:].astype(int)], dtype="Int64"), "number"),
    "decimals": ([Decimal(f"{number:.2f}") for number in NUMBERS], "number"),
    "numbers as text": (["", *(f"{number:.3f}" for number in NUMBERS[1:])], "number"),
    "few integers": (draw([1, 2, 3]), "category"),
    "few whole floats with gaps": ([None, *draw([1.0, 2.0, 3.0])[1:]], "category"),
    "booleans": (draw([True, False]), "category"),
    "booleans with gaps": ([None, *draw([True, False])[1:]], "category"),
    "one value or none": (["yes", *draw(["yes", None])[1:]], "category"),
    "few texts": (draw(["vegan", "vegetarian", "with fish"]), "category"),
    "declared categories": (pd.Categorical(draw(["vegan", "halal"])), "category"),
    "integers as categories": (pd.Categorical([None, *draw([5, 7])[1:]]), "category"),
    "many integers as categories": (pd.Categorical(list(range(40)) * 2, categories=range(40))[:NUM_ROWS], "category"),
    "codes that repeat": (draw(["A1", "B2", "C3-x"]), "category"),
    "numbers as few texts": (draw(["1", "2", "3"]), "category"),
    "names": (sentences(3), "text"),
    "one word each": ([f"{first}{second}" for first in WORDS for second in WORDS[:5]], "text"),
    "other scripts": ([f"红烧{chr(0x4E00 + row)}肉" for row in range(NUM_ROWS)], "text"),
    "years with commas": ([",".join(map(str, draw([2015, 2016, 2017], 3))) for _ in range(NUM_ROWS)], "list"),
    "sentences with commas": (
        [text.replace(" pie", ", which is good, and so on. Pie") for text in sentences()],
        "text",
    ),
    "dicts of text as text": ([repr({"directions": text}) for text in sentences()], "text"),
    "lists of dicts as text": ([repr([{"id": row, "name": "Drama"}]) for row in range(NUM_ROWS)], "text"),
    "lists of text as text": ([repr(text.split()) for text in sentences()], "list"),
    "JSON of lists with gaps": ([None, "", "[]", *(json.dumps(draw(WORDS, 3)) for _ in range(NUM_ROWS - 3))], "list"),
    "lists of codes as text": ([json.dumps(draw(["a1", "b,2"], 2)) for _ in range(NUM_ROWS)], "list"),
    "lists of one text as text": ([json.dumps(draw(["a", "b"], 1)) for _ in range(NUM_ROWS)], "list"),
    "lists of integers as text": ([repr(draw([1, 2, 3], row % 4)) for row in range(NUM_ROWS)], "list"),
    "lists of sentences as text": ([repr(draw(sentences(12), 4)) for _ in range(NUM_ROWS)], "text"),
    "lists that are cut off as text": ([json.dumps(draw(WORDS, 4))[: 30 + row] for row in range(NUM_ROWS)], "text"),
    "JSON of text": ([json.dumps({"text": text, "more": ""}) for text in sentences()], "text"),
    "lists": ([text.split() for text in sentences()], "list"),
    "tuples": ([tuple(text.split()) for text in sentences()], "list"),
    "arrays of text": ([np.array(text.split()) for text in sentences()], "list"),
    "lists of integers": ([draw([1, 2, 3], 4) for _ in range(NUM_ROWS)], "list"),
    "lists with weights": ([[("salt", 0.5), ("flour", 2.0)]] * NUM_ROWS, "list"),
    "dicts of weights": ([{"salt": 0.5, "flour": row} for row in range(NUM_ROWS)], "list"),
    "vectors": (list(GENERATOR.normal(size=(NUM_ROWS, 3))), "vector"),
    "vectors with gaps": ([None, np.full(3, np.nan), *GENERATOR.normal(size=(NUM_ROWS - 2, 3))], "vector"),
    "vectors, some empty": ([[], *GENERATOR.normal(size=(NUM_ROWS - 1, 3)).tolist()], "vector"),
    "lists of floats": (GENERATOR.normal(size=(NUM_ROWS, 3)).tolist(), "vector"),
    "datetimes": (DATETIMES, "time"),
    "datetimes with zones": (DATETIMES.dt.tz_localize("Asia/Tokyo"), "time"),
    "dates": ([date(2017, 1 + row % 12, 1 + row % 28) for row in range(NUM_ROWS)], "time"),
    "ISO text": ([f" 2017-04-{1 + row % 28:02d}T12:46:{row:02d}.663\n" for row in range(NUM_ROWS)], "time"),
    "ISO dates": ([f"2017-04-{1 + row % 28:02d}" for row in range(NUM_ROWS)], "time"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_kind(case: str):
    values, expected = ACCEPTED[case]
    assert encoder_of(values) == expected


AWKWARD = [
    "nullable integers",
    "decimals",
    "numbers as text",
    "few whole floats with gaps",
    "booleans with gaps",
    "integers as categories",
    "numbers as few texts",
    "years with commas",
    "lists of text as text",
    "JSON of lists with gaps",
    "arrays of text",
    "dicts of weights",
    "vectors with gaps",
    "vectors, some empty",
    "datetimes with zones",
    "dates",
    "ISO text",
]


@pytest.mark.parametrize("case", AWKWARD)
def test_the_encoder_that_is_proposed_takes_the_column(case: str):
    frame = candidates(x=ACCEPTED[case][0])
    found = propose(frame)["x"]
    encoder = ENCODERS.create(str(found.encoder), data=frame["x"], **found.options)
    encoded = np.asarray(encoder(frame["x"]))
    assert encoded.shape == (NUM_ROWS, encoder.width)
    assert np.isfinite(encoded).all()


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_integers_are_times_where_the_name_says_so(unit: int):
    assert encoder_of(SECONDS * unit, "unixReviewTime") == "time"
    assert encoder_of(SECONDS.astype(float), "created_at") == "time"
    assert encoder_of(SECONDS * unit, "price") == "number"
    assert encoder_of(NUMBERS.round() + np.arange(NUM_ROWS), "cook_time") == "number"


LEFT_OUT = {
    "nothing": ([None] * NUM_ROWS, "all missing"),
    "blank text": (draw(["", " "]), "all missing"),
    "constant": (["pie"] * NUM_ROWS, "constant"),
    "row numbers from 0": (np.arange(NUM_ROWS), "row numbers"),
    "row numbers from 1": (np.arange(NUM_ROWS) + 1.0, "row numbers"),
    "shuffled row numbers": (GENERATOR.permutation(NUM_ROWS), "row numbers"),
    "addresses": ([f"https://x.org/{row}/soup" for row in range(NUM_ROWS)], "addresses of pages or files"),
    "pictures": ([f"https://x.org/soup-{row}.jpg?w=7" for row in range(NUM_ROWS)], "addresses of pictures"),
    "files": ([f"images/soup/{row}.png" for row in range(NUM_ROWS)], "names of files"),
    "mail": ([f"cook{row}@soup.org" for row in range(NUM_ROWS)], "addresses of mail"),
    "UUIDs": ([str(uuid.UUID(int=row * 10**30 + 5)) for row in range(NUM_ROWS)], "codes without words, nearly all"),
    "product codes": ([f"B000{row:03d}TFT" for row in range(NUM_ROWS)], "codes without words, nearly all different"),
    "leading zeros": ([f"{row:05d}" for row in range(NUM_ROWS)], "codes without words, nearly all different"),
    "prices as text": ([f"${number * 100:,.2f}" for number in NUMBERS], "numbers as text; convert them"),
    "decimal commas": ([f"{number:.2f}".replace(".", ",") for number in NUMBERS], "numbers as text; convert them"),
    "few other dates": ([f"Jan {1 + row % 9}, 2020" for row in range(NUM_ROWS)], "dates that are not ISO 8601"),
    "dates of two digits": ([f"{1 + row % 12:02}/09/2020" for row in range(NUM_ROWS)], "dates that are not ISO 8601"),
    "other dates": ([f"{1 + row % 28}-Jan-{1900 + row}" for row in range(NUM_ROWS)], "dates that are not ISO 8601"),
    "many infinite": ([np.inf, -np.inf] * 4 + [*NUMBERS[8:]], "numbers, of which 8 of 60 are infinite"),
    "one infinite time": ([np.inf, *SECONDS[1:]], "times since 1970, of which 1 of 60 is infinite", "timestamp"),
    "one infinite code": ([np.inf, *draw([7, 9, 11, 13])[1:]], "codes, of which 1 of 60 is infinite", "author_id"),
    "dicts": ([{"kcal": {"amount": row}} for row in range(NUM_ROWS)], "nested dicts"),
    "dicts of text": ([{"name": "salt"}] * NUM_ROWS, "dicts"),
    "nested dicts as text": ([repr({"kcal": {"amount": row}}) for row in range(NUM_ROWS)], "nested dicts, written as"),
    "nested lists as text": ([repr([[row, "x"]]) for row in range(NUM_ROWS)], "nested lists, written as text"),
    "numbers in dicts as text": ([repr([{"id": row}]) for row in range(NUM_ROWS)], "lists of numbers, written as text"),
    "vectors as text": (
        [repr([row, 2.5]) for row in range(NUM_ROWS)],
        "vectors of 2 numbers, written as text; convert them: frame['x'].map(json.loads, na_action='ignore')",
    ),
    "vectors in tuples as text": (
        [repr((row, 2.5)) for row in range(NUM_ROWS)],
        "vectors of 2 numbers, written as text; convert them: frame['x'].map(ast.literal_eval, na_action='ignore')",
    ),
    "unequal vectors as text": (
        [repr([0.5] * (1 + row % 3)) for row in range(NUM_ROWS)],
        "vectors of unequal lengths, written as text: 1, 2, 3",
    ),
    "lists of dicts": ([[{"id": row}] for row in range(NUM_ROWS)], "lists of dict"),
    "unequal vectors": ([[0.5] * (1 + row % 2) for row in range(NUM_ROWS)], "vectors of unequal lengths: 1, 2"),
    "vectors with NaN": (
        [[0.5, np.nan], [np.inf, 1.0], *[[0.5, 1.0]] * 58],
        "vectors, of which 2 of 60 have NaN or inf",
    ),
    "matrices": ([np.zeros((2, 2))] * NUM_ROWS, "arrays with more than one axis"),
    "empty lists": ([[]] * NUM_ROWS, "all lists are empty"),
    "mixed": (["a", 1, 2.5, *range(3, NUM_ROWS)], "values of several types: float, int, str"),
    "bytes": ([bytes([row]) for row in range(NUM_ROWS)], "objects of type bytes"),
    "durations": (pd.to_timedelta(NUMBERS, unit="s"), "durations; convert them"),
    "complex": (NUMBERS * 1j, "complex numbers"),
    "periods": (pd.period_range("2017-01", periods=NUM_ROWS, freq="M"), "objects of type Period"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_left_out(case: str):
    values, reason, *name = LEFT_OUT[case]
    assert reason_of(values, *name).startswith(reason)


def test_names_tell_codes_from_amounts():
    distinct = GENERATOR.permutation(10**6)[:NUM_ROWS]
    assert reason_of(distinct, "imdbId") == "codes, nearly all different"
    assert encoder_of(distinct, "calories") == "number"
    assert encoder_of(draw([7, 9, 11]), "author_id") == "category"
    assert encoder_of(draw([7, 9, 11]), "year") == "number"
    assert reason_of(distinct, "Unnamed: 0") == "row numbers"


@pytest.mark.parametrize("placeholder", ["N/A", "-", "B0-17"])
def test_a_placeholder_that_repeats_does_not_make_texts_codes(placeholder: str):
    texts = [placeholder] * 40 + sentences(12)[:20]
    found = propose(candidates(x=texts))["x"]
    assert (found.encoder, found.reason[:6]) == ("text", "text, ")
    # And a sentence that repeats does not make codes text.
    codes = ["no code has been given yet"] * 20 + [f"B000{row:03d}TFT" for row in range(40)]
    assert reason_of(codes) == "codes without words, nearly all different but for one that repeats"
    codes = [placeholder] * 20 + [f"B000{row // 3:03d}TFT" for row in range(40)]
    found = propose(candidates(x=codes))["x"]
    assert (found.encoder, found.reason) == ("category", "few values")


def test_short_texts_that_repeat_are_categories_or_text_by_how_many_there_are():
    few, many = ["so-so", "good soup", "AAA+", "10/10 ok"], [f"good soup {row // 2}" for row in range(2000)]
    frame = pd.DataFrame({"recipe_id": range(7, 2007), "few": draw(few, 2000), "many": many})
    found = propose(frame)
    assert (found["few"].encoder, found["few"].reason) == ("category", "few values")
    assert (found["many"].encoder, found["many"].reason) == ("text", "text, 3.0 words on average")


def test_lists_that_were_written_as_text_are_read_as_such():
    lists = [draw(WORDS, row % 4) for row in range(NUM_ROWS)]
    frame = candidates(
        json=[json.dumps(row) for row in lists], python=[repr(row) for row in lists], numbers=[repr([7])] * 60
    )
    frame.loc[0, "numbers"] = "[]"
    found = propose(frame)
    for name, reason in (("json", "lists of text"), ("python", "lists of text"), ("numbers", "lists of whole numbers")):
        expected = ("list", {"separator": "[]"}, f"{reason}, written as text")
        assert (found[name].encoder, found[name].options, found[name].reason) == expected
    frame.loc[5, "json"] = '["apple", "on'
    assert propose(frame)["json"].reason == "lists of text, written as text, of which 1 of 60 cannot be read as lists"


def test_lists_of_whole_numbers_may_be_vectors():
    frame = candidates(items=[draw([1, 2, 3], 1 + row % 3) for row in range(60)], onehot=list(np.eye(60, dtype=int)))
    found = propose(frame)
    assert (found["items"].encoder, found["items"].reason) == ("list", "lists of whole numbers")
    reason = "lists of 60 whole numbers, read as items; convert them to floats if they are vectors"
    assert (found["onehot"].encoder, found["onehot"].reason) == ("list", reason)
    frame["onehot"] = frame["onehot"].map(lambda row: row.astype(float))
    assert propose(frame)["onehot"].encoder == "vector"


def test_vectors_that_were_written_as_text_are_read_as_the_reason_says():
    vectors = GENERATOR.normal(size=(NUM_ROWS, 3))
    frame = candidates(x=[None, *(json.dumps(row.tolist()) for row in vectors[1:])])
    frame["x"] = frame["x"].map(json.loads, na_action="ignore")
    assert propose(frame)["x"].encoder == "vector"


@pytest.mark.parametrize("separator", ["^", "|", ";", ",", "\x1f"])
def test_separators(separator: str):
    values = [separator.join(draw(WORDS, 4)) for _ in range(NUM_ROWS)]
    found = propose(candidates(x=values))["x"]
    assert (found.encoder, found.options) == ("list", {"separator": separator})


def test_a_few_unreadable_times_are_counted():
    values = [f"2017-04-{1 + row % 28:02d}" for row in range(NUM_ROWS - 2)] + ["yesterday", "n/a"]
    found = propose(candidates(x=values))["x"]
    assert (found.encoder, found.reason) == ("time", "times, of which 2 of 60 are not ISO 8601")


@pytest.mark.parametrize(
    ("infinite", "reason"),
    [
        ([np.inf], "numbers, of which 1 of 60 is infinite"),
        ([np.inf, -np.inf], "numbers, of which 2 of 60 are infinite"),
    ],
)
def test_a_few_infinite_numbers_are_counted(infinite: list[float], reason: str):
    values = [*infinite, *NUMBERS[len(infinite) :]]
    found = propose(candidates(x=values))["x"]
    assert (found.encoder, found.reason) == ("number", reason)
    encoder = ENCODERS.create("number", data=values)
    assert np.isfinite(np.asarray(encoder(values))).all()
    # Whole numbers stay whole numbers: how many there are is told without the infinite ones.
    whole = propose(candidates(x=[*infinite, *range(7, 60 + 7 - len(infinite))]))["x"]
    assert (whole.encoder, whole.reason) == ("number", reason)


@pytest.mark.parametrize(
    ("values", "examples"),
    [
        ([1234567890123, 7], ("1234567890123", "7")),
        ([1234567890123.0, 7.0], ("1234567890123", "7")),
        ([1234567890123.5, 0.000012345], ("1234567890123.5", "1.234e-05")),
        ([12345.678, 1234.5678, 0.123456], ("12345.7", "1234.6", "0.1235")),
        (["12345678901234567890", "12345678901234567891"], ("12345678901234567890", "12345678901234567891")),
        (["1.50", "2e3"], ("1.50", "2e3")),
        (pd.array([2**62 + 1, 3], dtype="Int64"), (str(2**62 + 1), "3")),
        ([[2**62 + 1], [3.25]], (f"[{2**62 + 1}]", "[3.25]")),
        ([1e300, -2.5e17], ("1e+300", "-2.5e+17")),
    ],
    ids=str,
)
def test_numbers_of_examples_are_exact_before_the_point(values: Any, examples: tuple[str, ...]):
    frame = pd.DataFrame({"recipe_id": range(7, 7 + len(values)), "x": values})
    assert propose(frame)["x"].examples == examples


def test_what_is_counted():
    found = propose(candidates(name=["pie", "", None, *sentences()[3:]]))["name"]
    assert found.num_distinct == NUM_ROWS - 2
    assert found.share_missing == 2 / NUM_ROWS
    assert found.examples[0] == "pie"
    assert len(found.examples) == 3


# Real data


@pytest.fixture(scope="module")
def recipes(shared_data: Path) -> pd.DataFrame:
    return pd.read_csv(shared_data / "recipes" / "mock-data_recipe.csv")


@pytest.fixture(scope="module")
def recipe_rows(shared_data: Path) -> pd.DataFrame:
    return pd.read_csv(shared_data / "recipes" / "mock-data_interaction.csv")


@pytest.fixture(scope="module")
def movies(shared_data: Path) -> pd.DataFrame:
    folder = shared_data / "ml-latest-small"
    movies = pd.read_csv(folder / "movies.csv").merge(pd.read_csv(folder / "links.csv"), on="movieId")
    return movies.assign(year=movies["title"].str.extract(r"\((\d{4})\)\s*$")[0].astype(float))


@pytest.fixture(scope="module")
def ratings(shared_data: Path) -> pd.DataFrame:
    return pd.read_csv(shared_data / "ml-latest-small" / "ratings.csv")


RECIPES_ACCEPTED = {"recipe_id": "id", "recipe_name": "text", "ingredients": "list", "cooking_directions": "text"}


@pytest.mark.parametrize("share", [1.0, 0.8, 0.1])
def test_recipes(recipes: pd.DataFrame, recipe_rows: pd.DataFrame, share: float):
    train = recipe_rows.sort_values("dateLastModified").iloc[: int(share * len(recipe_rows))]
    found = propose(recipes, interactions=train)
    assert {name: each.encoder for name, each in found.accepted.items()} == RECIPES_ACCEPTED
    assert found["ingredients"].options == {"separator": "^"}
    assert found["Unnamed: 0"].reason == "row numbers"
    assert found["image_url"].reason == "addresses of pictures"
    assert found["nutritions"].reason == "nested dicts, written as text"
    for name in ("review_nums", "aver_rate", "reviews"):
        assert found[name].reason.startswith("leak: ")
    assert found["reviews"].reason == "leak: 100% of the rows contain ids of queries that chose the candidate"


def test_leaks_are_found_whatever_the_columns_are_called(recipes: pd.DataFrame, recipe_rows: pd.DataFrame):
    renamed = recipes.rename(columns={"review_nums": "a", "aver_rate": "b", "reviews": "c"})
    found = propose(renamed, interactions=recipe_rows)
    assert found["a"].reason == "leak: follows the counts of the interactions, rank correlation 1.00"
    assert found["b"].reason == "leak: follows the ratings of the interactions, rank correlation 0.90"
    assert found["c"].reason.startswith("leak: 100% of the rows contain ids of queries")
    # The oldest rows follow the file, which has all, only as far as they are reliable.
    train = recipe_rows.sort_values("dateLastModified").iloc[: len(recipe_rows) * 4 // 5]
    found = propose(renamed, interactions=train)
    counts = train["recipe_id"].value_counts().reindex(recipes["recipe_id"]).reset_index(drop=True)
    ratings = train.groupby("recipe_id")["rating"].mean().reindex(recipes["recipe_id"]).reset_index(drop=True)
    by_counts = counts.rank().corr(recipes["review_nums"].rank())
    by_ratings = ratings.rank().corr(recipes["aver_rate"].rank())
    assert by_ratings < 0.8
    assert found["a"].reason == f"leak: follows the counts of the interactions, rank correlation {by_counts:.2f}"
    assert found["b"].reason == f"leak: follows the ratings of the interactions, rank correlation {by_ratings:.2f}"
    found = propose(renamed, interactions=recipe_rows.sample(200, random_state=0))
    assert found["a"].reason.startswith("leak: follows the counts of the interactions")


def test_without_interactions_names_are_believed(recipes: pd.DataFrame):
    found = propose(recipes)
    assert {name: each.encoder for name, each in found.accepted.items()} == RECIPES_ACCEPTED
    assert "it counts interactions, and there are none to compare with" in found["review_nums"].reason
    assert "it is made from ratings, and there are none to compare with" in found["aver_rate"].reason


def test_recipe_interactions(recipe_rows: pd.DataFrame):
    found = propose(recipe_rows)
    assert {name: each.encoder for name, each in found.accepted.items()} == {
        "user_id": "id",
        "dateLastModified": "time",
    }
    assert found["Unnamed: 0"].reason == "row numbers"


def test_movies(movies: pd.DataFrame, ratings: pd.DataFrame):
    by_movie = ratings.groupby("movieId")["rating"]
    columns = movies["movieId"].map(by_movie.count()), movies["movieId"].map(by_movie.mean())
    found = propose(movies.assign(x=columns[0], vote_average=columns[1]), interactions=ratings)
    expected = {"movieId": "id", "title": "text", "genres": "list", "year": "number"}
    assert {name: each.encoder for name, each in found.accepted.items()} == expected
    assert found["genres"].options == {"separator": "|"}
    assert found["x"].reason == "leak: follows the counts of the interactions, rank correlation 1.00"
    assert found["vote_average"].reason == "leak: follows the ratings of the interactions, rank correlation 1.00"


def test_what_describes_movies_is_not_read_from_their_ratings(movies: pd.DataFrame, ratings: pd.DataFrame):
    found = propose(ratings.merge(movies, on="movieId"))
    assert set(found.accepted) == {"userId", "timestamp"}
    assert found["genres"].reason == "the same in all rows of a candidate, so it tells which one it is"


# Leaks


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Candidate 1000 + c is chosen c + 1 times."""
    ids = np.repeat(np.arange(NUM_ROWS), np.arange(NUM_ROWS) + 1) + 1000
    users = 50_000 + np.random.default_rng(1).integers(0, 500, len(ids))
    return pd.DataFrame({"user_id": users, "recipe_id": ids, "stars": 1 + (ids + users) % 5})


COUNTED = [
    "vote_count",
    "popularity",
    "num_ratings",
    "n_reviews",
    "sales_rank",
    "numVotes",
    "favorites",
    "ratingCount",
    "num_voted_users",
    "reviews_per_month",
    "number_of_reviews",
    "scored_by",
]
RATED = ["vote_average", "avg_rating", "stars", "averageRating", "imdb_score"]


@pytest.mark.parametrize("name", COUNTED + RATED)
def test_names_and_a_weak_correlation_are_a_leak(rows: pd.DataFrame, name: str):
    values = np.arange(NUM_ROWS) + 50 * np.random.default_rng(3).normal(size=NUM_ROWS)
    frame = candidates(**{name: values, "other": values})
    assert reason_of(values, name).startswith("leak: the name says")
    found = propose(frame, interactions=rows)
    assert found[name].reason.startswith("leak: the name says")
    assert found["other"].encoder == "number"


def test_a_name_alone_is_not_believed_where_many_rows_speak_against_it():
    generator = np.random.default_rng(2)
    rows = pd.DataFrame({"user_id": generator.integers(0, 50, 5000), "recipe_id": generator.integers(0, 300, 5000)})
    num_likes = np.repeat(np.arange(150), 2)
    counts = rows["recipe_id"].value_counts().sort_index().to_numpy()
    num_likes[np.argsort(counts, kind="stable")] = np.concatenate([np.arange(150), np.arange(150)[::-1]])
    frame = pd.DataFrame({"recipe_id": np.arange(300), "num_likes": num_likes})
    found = propose(frame, interactions=rows)["num_likes"]
    assert found.encoder == "number"
    assert "the name says that it counts interactions, but rank correlation" in found.reason


@pytest.mark.parametrize(
    "name",
    [
        "year",
        "price",
        "runtime",
        "num_steps",
        "num_pages",
        "n_ingredients",
        "total_fat",
        "content_rating_id",
        "view_angle",
    ],
)
def test_columns_that_only_tend_to_follow_are_kept(rows: pd.DataFrame, name: str):
    values = (np.arange(NUM_ROWS) + 40 * np.random.default_rng(3).normal(size=NUM_ROWS)).round(2)
    assert propose(candidates(**{name: values}), interactions=rows)[name].encoder == "number"


def test_names_of_columns_that_are_not_numbers():
    assert (
        reason_of(sentences(), "review_text") == "leak: the name says that it is what people wrote about the candidate"
    )
    assert reason_of([{"soups": row} for row in range(NUM_ROWS)], "salesRank").startswith("leak: the name says that it")
    assert encoder_of(["|".join(draw(WORDS, 3)) for _ in range(NUM_ROWS)], "stars") == "list"
    assert encoder_of(draw(["PG-13", "R"]), "content_rating") == "category"


@pytest.mark.parametrize("form", [str, Decimal])
def test_numbers_in_another_form_are_compared(rows: pd.DataFrame, form: Any):
    frame = candidates(x=[form(number) for number in range(7, 7 + NUM_ROWS)])
    assert propose(frame, interactions=rows)["x"].reason.startswith("leak: follows the counts")


def test_few_rows_prove_nothing(rows: pd.DataFrame):
    assert propose(candidates(x=NUMBERS.cumsum()).iloc[:19], interactions=rows)["x"].encoder == "number"
    assert propose(candidates(x=NUMBERS.cumsum()).iloc[:20], interactions=rows)["x"].encoder is None
    assert propose(candidates(x=-NUMBERS.cumsum()).iloc[:20], interactions=rows)["x"].encoder is None


def test_ids_of_queries_in_any_form(rows: pd.DataFrame):
    users = rows.groupby("recipe_id")["user_id"].agg(list).tolist()
    others = [[user + 100_000 for user in each] for each in users]
    frame = candidates(
        fans=users,
        buyers=["|".join(map(str, each)) for each in users],
        first_user_id=[each[0] for each in users],
        others=others,
        longer=[f"soup number {each[0]}0" for each in users],
    )
    found = propose(frame, interactions=rows)
    for name in ("fans", "buyers", "first_user_id"):
        assert found[name].encoder is None
        assert "contain ids of queries" in found[name].reason or "nearly all different" in found[name].reason
    assert (found["others"].encoder, found["longer"].encoder) == ("list", "text")


def test_a_table_of_queries(rows: pd.DataFrame):
    users = pd.DataFrame({"user_id": np.sort(rows["user_id"].unique())})
    chosen = rows.groupby("user_id")["recipe_id"].agg(list)
    users["age"] = 20 + np.arange(len(users)) % 50
    users["diet"] = ["vegan", "none", "halal", "none"] * (len(users) // 4) + ["none"] * (len(users) % 4)
    users["cookbook"] = chosen.loc[users["user_id"]].tolist()
    found = propose(users, interactions=rows)
    assert {name: each.encoder for name, each in found.accepted.items()} == {
        "user_id": "id",
        "age": "number",
        "diet": "category",
    }
    assert found["cookbook"].reason == "leak: 100% of the rows contain ids of candidates that the query chose"


# Interactions


@pytest.fixture(scope="module")
def sessions() -> pd.DataFrame:
    generator = np.random.default_rng(4)
    users = generator.integers(0, 40, 400)
    frame = pd.DataFrame({"user_id": users, "recipe_id": generator.integers(0, 30, 400)})
    frame["timestamp"] = 1_500_000_000 + generator.integers(0, 10**7, 400)
    frame["rating"] = generator.integers(1, 6, 400)
    frame["age"] = 20 + users
    frame["diet"] = np.array(["vegan", "none", "halal"])[users % 3]
    frame["kitchen"] = np.array(["Thai", "French"])[frame["recipe_id"] % 2]
    frame["device"] = np.array(["phone", "oven"])[generator.integers(0, 2, 400)]
    frame["delivered"] = frame["timestamp"] + generator.integers(0, 1000, 400)
    frame["reviewText"] = "good soup"
    frame["basket"] = [["salt", "rice"]] * 400
    return frame


def test_interactions(sessions: pd.DataFrame):
    found = propose(sessions)
    expected = {"user_id": "id", "timestamp": "time", "age": "number", "diet": "category"}
    assert {name: each.encoder for name, each in found.accepted.items()} == expected
    assert found["recipe_id"].reason == "ids of the candidates, which are to be found"
    assert found["rating"].reason == "outcome: the name says that it is known only afterwards"
    assert found["kitchen"].reason == "the same in all rows of a candidate, so it tells which one it is"
    for name in ("device", "delivered"):
        assert found[name].reason.startswith("differs within a query, so it may be an outcome; name it")


def test_columns_that_are_named_may_differ_within_a_query(sessions: pd.DataFrame):
    found = propose(sessions, columns=["user_id", "device", "delivered", "basket", "rating", "kitchen"])
    assert list(found) == ["user_id", "rating", "kitchen", "device", "delivered", "basket"]
    assert {name: each.encoder for name, each in found.accepted.items()} == {
        "user_id": "id",
        "device": "category",
        "delivered": "time",
        "basket": "list",
    }


def test_one_row_for_each_query_cannot_tell_outcomes(sessions: pd.DataFrame):
    found = propose(sessions.drop_duplicates("user_id"), side="interactions")
    assert found["age"].reason.startswith("too few queries have several rows to tell, so it may")
    assert set(found.accepted) == {"user_id", "timestamp"}


def test_a_few_equal_rows_prove_nothing():
    # Three users have two rows: that `x` is equal in all of them is chance one time in eight.
    users = [1, 1, 2, 2, 3, 3, *range(4, 60)]
    frame = pd.DataFrame({"user_id": users, "recipe_id": [*range(30)] * 2 + [1, 2]})
    frame["x"] = [0, 0, 1, 1, 0, 0, *([0, 1, 1, 0] * 14)]
    frame["age"] = 20 + frame["user_id"]
    found = propose(frame)
    assert found["x"].reason.startswith("too few queries have several rows to tell")
    assert found["age"].encoder == "number"


# Sides


def side_of(frame: pd.DataFrame, **arguments: Any) -> str:
    found = propose(frame, **arguments)
    (reason,) = {each.reason for each in found.values() if each.encoder == "id"}
    return reason


def test_sides(sessions: pd.DataFrame):
    recipes = pd.DataFrame({"recipe_id": [7, 9, 11], "user_id": [1, 1, 2], "name": ["pie", "soup", "stew"]})
    users = recipes.rename(columns={"recipe_id": "user_id", "user_id": "recipe_id"})
    assert side_of(sessions) == "ids of the queries"
    assert side_of(sessions, id_column="user_id") == "ids of the queries"
    assert side_of(recipes, interactions=sessions) == "ids of the candidates"
    assert side_of(recipes, id_column="recipe_id") == "ids of the candidates"
    assert side_of(recipes, side="candidates") == "ids of the candidates"
    assert side_of(users, interactions=sessions) == "ids of the queries"
    assert side_of(recipes[["recipe_id", "name"]].rename(columns={"recipe_id": "id"})) == "ids of the candidates"
    assert side_of(users[["user_id", "name"]]) == "ids of the queries"
    assert side_of(recipes.drop(columns="user_id").rename(columns={"recipe_id": "t"}), id_column="t") == (
        "ids of the candidates"
    )
    tracks = sessions.rename(columns={"user_id": "listener", "recipe_id": "track"})
    found = propose(tracks, query_id="listener", candidate_id="track")
    assert (found["listener"].encoder, found["track"].encoder) == ("id", None)


def test_ids_may_have_another_name_in_interactions(recipes: pd.DataFrame, recipe_rows: pd.DataFrame):
    found = propose(recipes.rename(columns={"recipe_id": "id"}), interactions=recipe_rows)
    assert found["id"].encoder == "id"
    assert found["review_nums"].reason.startswith("leak: follows the counts")


# Overrules


def test_overrules():
    frame = candidates(minutes=NUMBERS, note=sentences(), tags=["|".join(draw(WORDS, 3)) for _ in range(NUM_ROWS)])
    encoders = {"minutes": {"encoder": "number", "scale": "log"}, "note": None, "tags": "list"}
    found = propose(frame, encoders=encoders)
    assert (found["minutes"].encoder, found["minutes"].options) == ("number", {"scale": "log"})
    assert (found["minutes"].reason, found["minutes"].num_distinct) == ("chosen by `encoders`", NUM_ROWS)
    assert (found["note"].encoder, found["note"].reason) == (None, "left out by `encoders`")
    assert (found["tags"].encoder, found["tags"].options) == ("list", {"separator": "|"})
    assert propose(frame, encoders={"tags": "text"})["tags"].options == {}


def test_a_leak_may_be_chosen(rows: pd.DataFrame):
    frame = candidates(num_ratings=np.arange(NUM_ROWS) * 7)
    assert propose(frame, interactions=rows)["num_ratings"].encoder is None
    assert propose(frame, interactions=rows, columns=["num_ratings"])["num_ratings"].encoder is None
    assert propose(frame, interactions=rows, encoders={"num_ratings": "number"})["num_ratings"].encoder == "number"


def test_columns_and_leave_out():
    frame = candidates(minutes=NUMBERS, note=sentences())
    assert list(propose(frame, columns=["note"])) == ["note"]
    assert list(propose(frame, columns="note", encoders={"minutes": "number"})) == ["minutes", "note"]
    left = propose(frame, leave_out=["note", "recipe_id"])
    assert {name for name, each in left.items() if each.reason == "left out by `leave_out`"} == {"note", "recipe_id"}
    assert list(left.accepted) == ["minutes"]


def test_dicts_of_columns():
    columns = {"recipe_id": [7, 9], "name": ["pie", "soup"], "vector": np.array([[0.5, 1.0], [0.0, 2.5]])}
    found = propose(columns)
    assert [each.encoder for each in found.values()] == ["id", "text", "vector"]


# Bad arguments


@pytest.mark.parametrize("argument", ["columns", "leave_out", "encoders"])
def test_unknown_columns_are_named_with_the_closest(argument: str):
    value: Any = {"recipe_nam": "text"} if argument == "encoders" else ["recipe_nam"]
    with pytest.raises(ColumnError, match="propose: there is no column 'recipe_nam'; .* The closest is 'recipe_name'."):
        propose(candidates(recipe_name=sentences()), **{argument: value})


def test_two_rows_for_one_id():
    frame = pd.concat([candidates(x=NUMBERS), candidates(x=NUMBERS).iloc[:2]])
    with pytest.raises(
        IdError, match="propose: 2 of the ids in column 'recipe_id' have several rows: 1000, 1001. Keep"
    ):
        propose(frame)
    users = pd.DataFrame({"user_id": ["ann", "bob", "ann"], "age": [1, 2, 3]})
    with pytest.raises(IdError, match="propose: 1 of the ids in column 'user_id' has several rows: 'ann'. Keep"):
        propose(users)


def test_other_bad_arguments():
    frame = candidates(name=sentences())
    with pytest.raises(ArgumentTypeError, match="propose: `frame` must be a data frame or a dict of columns. Received"):
        propose([1, 2])
    with pytest.raises(ArgumentError, match="propose: `frame` has no rows"):
        propose(frame.iloc[:0])
    with pytest.raises(ArgumentError, match="propose: `side` must be one of 'candidates', 'queries', 'interactions'"):
        propose(frame, side="recipes")
    with pytest.raises(ColumnError, match="propose: there is no column 'recipeid'"):
        propose(frame.rename(columns={"recipe_id": "x"}), id_column="recipeid")
    with pytest.raises(ColumnError, match="propose: no column is known to have ids; the columns are 'name'. Name one"):
        propose(frame[["name"]])
    with pytest.raises(ColumnError, match="propose: none of the columns 'user_id' exists; the columns are 'recipe_id'"):
        propose(frame, interactions=frame[["recipe_id"]])
    with pytest.raises(ColumnError, match="2 columns have the name 'name'"):
        propose(pd.concat([frame, frame[["name"]]], axis=1))
    for wrong in (7, {"scale": "log"}):
        with pytest.raises(ArgumentTypeError, match="propose: `encoders\\['name'\\]` must be the name of an encoder"):
            propose(frame, encoders={"name": wrong})
    with pytest.raises(ArgumentError, match="propose: `leave_out` and `encoders` both have 'name'"):
        propose(frame, leave_out=["name"], encoders={"name": "text"})


# The result


def test_table():
    found = Proposals(
        [
            Proposal("minutes", "number", {"scale": "log"}, "numbers", 1234, 0.001, ("10", "25")),
            Proposal("x" * 20, None, {}, "far too long to fit into the rest of a line of the table", None, 1.0),
        ]
    )
    assert str(found).splitlines() == [
        "column                encoder  distinct  missing  reason",
        "minutes               number      1,234     0.1%  numbers (scale='log'); e.g. 10, 25",
        "xxxxxxxxxxxxxxxxxxxx  -                     100%  far too long to fit into the rest of a",
        " " * 50 + "line of the table",
    ]
    assert repr(found) == str(found)
    assert "<td>minutes</td>" in found._repr_html_()


def test_frame_of_proposals():
    found = Proposals([Proposal("a", "number", num_distinct=3), Proposal("b", None, reason="nested dicts")])
    frame = found.to_frame()
    assert frame["column"].tolist() == ["a", "b"]
    assert frame["encoder"].tolist()[0] == "number"
    assert frame["num_distinct"].isna().tolist() == [False, True]
    assert (len(found), list(found.accepted), found["a"].is_accepted) == (2, ["a"], True)
    assert str(Proposals([])) == "column  encoder  distinct  missing  reason"
    assert len(Proposals([]).to_frame()) == 0


def test_examples_are_short_and_printable():
    frame = pd.DataFrame({"recipe_id": [1], "x": ["\x1b[31mred\n" + "y" * 10**6]})
    (example,) = propose(frame)["x"].examples
    assert example.isprintable()
    assert len(example) <= 30
