"""Names of columns: what they are called by convention, and one error for a column that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from reciperec_layers.errors import ColumnError, describe_ids, explain

QUERY_COLUMNS = ("user_id",)
CANDIDATE_COLUMNS = ("recipe_id", "item_id", "movie_id")
NAME_COLUMNS = ("recipe_name", "name", "title")
TIME_COLUMNS = ("dateLastModified", "timestamp", "time", "datetime", "date", "created_at", "updated_at")

_MAX_COLUMNS_SHOWN = 40


def find_column(
    columns: Iterable[Any], conventions: Sequence[str], given: str | None = None, owner: str = "find_column"
) -> str:
    """Returns the column that is given, or else the first that has a conventional name.

    Names match as they are first, then without regard to case and underscores, so that `userId` stands for `user_id`.

    Args:
        columns: Names of the columns there are.
        conventions: Names to look for, the preferred first, for example `QUERY_COLUMNS`.
        given: Name that a user chose; conventions are then not looked at.
        owner: Who asks, for messages.

    Returns:
        One of `columns`.

    Raises:
        ColumnError: `given` is not among the columns, or none of the conventional names is.

    Example:
        >>> find_column(["rating", "movieId"], CANDIDATE_COLUMNS)
        'movieId'
    """
    names = list(columns)
    if given is not None:
        return require_column(names, given, owner)
    for form in (str, _loose):
        by_form = {form(name): name for name in reversed(names)}
        for convention in conventions:
            if form(convention) in by_form:
                return by_form[form(convention)]
    problem = f"none of the columns {describe_ids(conventions, len(conventions))} is there; {_describe(names)}"
    raise ColumnError(explain(owner, problem, fix="Name the column to use"))


def require_column(columns: Iterable[Any], name: str, owner: str) -> str:
    """Returns the name of a column that is there once.

    Raises:
        ColumnError: The column is missing, or two columns have this name.

    Example:
        >>> require_column(["user_id", "recipe_id"], "recipe", "seen")
        Traceback (most recent call last):
        reciperec_layers.errors.ColumnError: seen: there is no column 'recipe'; the columns are 'user_id', 'recipe_id'.
        The closest is 'recipe_id'.
    """
    names = list(columns)
    count = names.count(name)
    if count == 1:
        return name
    if count > 1:
        problem = f"{count} columns have the name {name!r}; {_describe(names)}"
        raise ColumnError(explain(owner, problem, fix="Give each column a name of its own"))
    by_form = {_loose(each): each for each in names}
    close = difflib.get_close_matches(_loose(name), by_form, n=1)
    fix = f"The closest is {by_form[close[0]]!r}" if close else "Name one of them"
    raise ColumnError(explain(owner, f"there is no column {name!r}; {_describe(names)}", fix=fix))


def _loose(name: Any) -> str:
    return str(name).replace("_", "").lower()


def _describe(names: list[Any]) -> str:
    return f"the columns are {describe_ids(names, _MAX_COLUMNS_SHOWN)}" if names else "there are no columns"
