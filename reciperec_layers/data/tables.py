"""The tables of interactions and candidates, read from CSV files."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reciperec_layers.columns.id_columns import id_column_of_candidates, renamed_ids
from reciperec_layers.columns.names import CANDIDATE_COLUMNS, QUERY_COLUMNS, find_column
from reciperec_layers.data.frames import (
    FilePath,
    ids_from_text,
    noting_one_column,
    read_columns,
    read_csv_text_ids,
)


@dataclass(frozen=True)
class Tables:
    """Interactions and candidates, and the names of their id columns.

    Attributes:
        interactions: Frame with the columns `query` and `candidate`.
        candidates: Frame with the column `candidate`.
        query: Name of the query column.
        candidate: Name of the candidate column, the same in both frames.

    Example:
        >>> interactions = pd.DataFrame({"user_id": [7], "recipe_id": ["pie"]})
        >>> Tables(interactions, interactions[["recipe_id"]], "user_id", "recipe_id").candidate
        'recipe_id'
    """

    interactions: pd.DataFrame
    candidates: pd.DataFrame
    query: str
    candidate: str


def read_tables(
    interactions_path: FilePath,
    candidates_path: FilePath,
    *,
    query: str | None = None,
    candidate: str | None = None,
    candidates_id_column: str | None = None,
    sep: str | None = None,
) -> Tables:
    r"""Reads interactions and candidates from two CSV files, with candidate ids of the same type in both.

    Ids are read as by `read_csv`; candidate ids are text in both frames when they are text in either.

    Args:
        interactions_path: CSV file of interactions.
        candidates_path: CSV file of candidates.
        query: Query column, by default found by convention: `user_id`.
        candidate: Candidate column, by default found by convention in the interactions: `recipe_id`, `item_id` or
            `movie_id`.
        candidates_id_column: Column of ids in the file of candidates, if it has another name there; by default
            `candidate`, else `id` or another conventional name. The frame has it under the name `candidate`.
        sep: What separates the fields of both files; by default as each file's first lines tell.

    Raises:
        ArgumentError: A file is missing, is not a CSV file, or has no rows.
        ColumnError: A column of ids is missing.
        IdError: An id is missing.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> size = (folder / "interactions.csv").write_text("user_id,recipe_id\n7,12\n")
        >>> size = (folder / "recipes.csv").write_text("recipe_id,recipe_name\n12,Soup\n013,Pie\n")
        >>> tables = read_tables(folder / "interactions.csv", folder / "recipes.csv")
        >>> tables.interactions["user_id"].tolist(), tables.interactions["recipe_id"].tolist()
        ([7], ['12'])
    """
    columns = read_columns(interactions_path, sep=sep)
    with noting_one_column(columns):
        query = find_column(columns, QUERY_COLUMNS, query, owner="interactions")
        candidate = find_column(columns, CANDIDATE_COLUMNS, candidate, owner="interactions")
    interactions = read_csv_text_ids(interactions_path, [query, candidate], sep=sep)
    own = id_column_of_candidates(read_columns(candidates_path, sep=sep), candidate, candidates_id_column)
    candidates = renamed_ids(read_csv_text_ids(candidates_path, [own], sep=sep), own, candidate, "candidates")
    both = ids_from_text(pd.concat([interactions[candidate], candidates[candidate]], ignore_index=True))
    ids = both.to_numpy()
    return Tables(
        interactions=interactions.assign(
            **{query: ids_from_text(interactions[query]), candidate: ids[: len(interactions)]}
        ),
        candidates=candidates.assign(**{candidate: ids[len(interactions) :]}),
        query=query,
        candidate=candidate,
    )
