from __future__ import annotations

import numpy as np
import pytest

from reciperec_layers.data import read_tables
from reciperec_layers.errors import ArgumentError, ColumnError, IdError


@pytest.fixture
def read(tmp_path):
    def from_text(interactions, candidates, **columns):
        (tmp_path / "interactions.csv").write_text(interactions)
        (tmp_path / "recipes.csv").write_text(candidates)
        return read_tables(tmp_path / "interactions.csv", tmp_path / "recipes.csv", **columns)

    return from_text


def test_ids_of_both_files_get_one_type(read):
    tables = read("user_id,recipe_id\n7,12\n8,13\n", "recipe_id,name\n12,Soup\n13,Pie\n")
    assert (tables.query, tables.candidate) == ("user_id", "recipe_id")
    assert tables.interactions.dtypes.tolist() == [np.int64, np.int64]
    assert tables.candidates["recipe_id"].dtype == np.int64


@pytest.mark.parametrize(("ours", "theirs"), [("12", "012"), ("012", "12")])
def test_candidate_ids_are_text_when_they_are_text_in_either_file(read, ours, theirs):
    tables = read(f"user_id,item_id\n7,{ours}\n", f"item_id,name\n{theirs},Soup\n")
    assert tables.interactions["item_id"].tolist() == [ours]
    assert tables.candidates["item_id"].tolist() == [theirs]
    assert tables.interactions["user_id"].tolist() == [7]


def test_columns_may_be_given(read):
    tables = read("buyer,dish,user_id\nann,1,5\n", "dish\n1\n", query="buyer", candidate="dish")
    assert (tables.query, tables.candidate) == ("buyer", "dish")
    assert tables.interactions["buyer"].tolist() == ["ann"]


@pytest.mark.parametrize(
    ("interactions", "candidates", "error", "said"),
    [
        ("who,recipe_id\n7,1\n", "recipe_id\n1\n", ColumnError, "interactions: none of the columns 'user_id' exists"),
        (
            "user_id,what\n7,1\n",
            "recipe_id\n1\n",
            ColumnError,
            "none of the columns 'recipe_id', 'item_id', 'movie_id'",
        ),
        ("user_id,recipe_id\n7,1\n", "recipe\n1\n", ColumnError, "recipes.csv: there is no column 'recipe_id'"),
        ("user_id,recipe_id\n7,1\n", "recipe_id,n\n,1\n", IdError, "recipes.csv: 1 of 1 ids .* are missing, in rows 1"),
    ],
)
def test_files_that_do_not_fit(read, interactions, candidates, error, said):
    with pytest.raises(error, match=said):
        read(interactions, candidates)


@pytest.mark.parametrize(
    ("name", "given"), [("id", None), ("id", "id"), ("item_id", None), ("Key", "Key"), ("recipe_id", None)]
)
def test_ids_of_candidates_may_have_another_name(read, name, given):
    tables = read("user_id,recipe_id\n7,12\n", f"note,{name}\nx,12\n", candidates_id_column=given)
    assert tables.candidate == "recipe_id"
    assert tables.candidates.columns.tolist() == ["note", "recipe_id"]
    assert tables.candidates["recipe_id"].tolist() == [12]


def test_the_same_name_comes_first_and_another_column_of_it_is_refused(read):
    tables = read("user_id,recipe_id\n7,12\n", "id,recipe_id\n1,12\n")
    assert tables.candidates["recipe_id"].tolist() == [12]
    with pytest.raises(ArgumentError, match="the ids are in column 'id', and 'recipe_id', .* is another column"):
        read("user_id,recipe_id\n7,12\n", "id,recipe_id\n1,12\n", candidates_id_column="id")
    with pytest.raises(ColumnError, match="no column 'key'"):
        read("user_id,recipe_id\n7,12\n", "id,recipe_id\n1,12\n", candidates_id_column="key")


def test_each_file_may_have_its_own_separator(read):
    tables = read("user_id;recipe_id\n7;12\n", "recipe_id\tname\n12\tSoup\n")
    assert tables.candidates["name"].tolist() == ["Soup"]
    assert read("user_id:recipe_id\n7:12\n", "recipe_id:name\n12:Soup\n", sep=":").candidate == "recipe_id"
    with pytest.raises(ColumnError, match="interactions: none of the columns 'user_id'") as caught:
        read("user_id:recipe_id\n7:12\n", "recipe_id:name\n12:Soup\n")
    assert "--sep" in caught.value.__notes__[0]
