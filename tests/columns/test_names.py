from __future__ import annotations

import pytest

from reciperec_layers.columns.names import CANDIDATE_COLUMNS, QUERY_COLUMNS, TIME_COLUMNS, find_column, require_column
from reciperec_layers.errors import ColumnError


@pytest.mark.parametrize(
    ("columns", "conventions", "found"),
    [
        (["rating", "user_id"], QUERY_COLUMNS, "user_id"),
        (["movie_id", "recipe_id"], CANDIDATE_COLUMNS, "recipe_id"),
        (["userId", "movieId"], CANDIDATE_COLUMNS, "movieId"),
        (["USER_ID"], QUERY_COLUMNS, "USER_ID"),
        (["time", "dateLastModified"], TIME_COLUMNS, "dateLastModified"),
        (["recipeId", "item_id"], CANDIDATE_COLUMNS, "item_id"),
        (["userId", "userid"], QUERY_COLUMNS, "userId"),
        ([0, "user_id"], QUERY_COLUMNS, "user_id"),
    ],
)
def test_conventions_match_in_their_order_exact_names_first(columns, conventions, found):
    assert find_column(columns, conventions) == found


def test_a_given_name_beats_the_conventions():
    assert find_column(["user_id", "buyer"], QUERY_COLUMNS, given="buyer") == "buyer"


def test_no_conventional_name_lists_what_was_looked_for_and_what_there_is():
    with pytest.raises(ColumnError) as caught:
        find_column(["a", "b"], CANDIDATE_COLUMNS, owner="train")
    assert str(caught.value) == (
        "train: none of the columns 'recipe_id', 'item_id', 'movie_id' exists; the columns are 'a', 'b'. "
        "Name the column to use."
    )


def test_a_wrong_given_name_shows_the_closest():
    said = r"there is no column 'UserId'; the columns are 'user_id', 'rating'\. The closest is 'user_id'\."
    with pytest.raises(ColumnError, match=said):
        find_column(["user_id", "rating"], QUERY_COLUMNS, given="UserId", owner="train")


def test_nothing_close_names_no_column():
    with pytest.raises(ColumnError, match=r"the columns are 'user_id'\. Name one of them\."):
        require_column(["user_id"], "zzz", "seen")


def test_no_columns_at_all():
    with pytest.raises(ColumnError, match="there are no columns"):
        require_column([], "user_id", "seen")


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(ColumnError, match="2 columns have the name 'user_id'"):
        require_column(["user_id", "user_id"], "user_id", "seen")


def test_of_names_that_are_alike_the_closest_in_its_own_letters_is_named():
    for names in (["userId", "user_id"], ["user_id", "userId"]):
        with pytest.raises(ColumnError, match="The closest is 'userId'"):
            require_column(names, "userid", "recommend")
    with pytest.raises(ColumnError, match="the columns are 'age'. The tower reads it: add it"):
        require_column(["age"], "hour", "recommend", "The tower reads it: add it")
