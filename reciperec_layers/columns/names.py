"""Column names: conventional names, and the error for a missing column."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from reciperec_layers.errors import ColumnError, describe_ids, explain

QUERY_COLUMNS = ("user_id",)
CANDIDATE_COLUMNS = ("recipe_id", "item_id", "movie_id")
NAME_COLUMNS = ("recipe_name", "name", "title")
TIME_COLUMNS = ("dateLastModified", "timestamp", "time", "datetime", "date", "created_at", "updated_at")

_MAX_COLUMNS_SHOWN = 40
_BETWEEN_LETTERS = re.compile(r"[\s_-]")
_CLOSE = 0.75  # of difflib: a letter or two of difference, case and underscores aside


def find_column(
    columns: Iterable[Any], conventions: Sequence[str], given: str | None = None, owner: str = "find_column"
) -> str:
    """Returns the given column, or else the first column with a conventional name.

    Exact matches come first, then matches that ignore case, underscores, hyphens and spaces, so that `userId` matches
    `user_id`.

    Args:
        columns: Names of the existing columns.
        conventions: Names to look for, in order of preference, for example `QUERY_COLUMNS`.
        given: Name chosen by the user; `conventions` is then ignored.
        owner: Name of the caller, for messages.

    Returns:
        One of `columns`.

    Raises:
        ColumnError: `given` is not among the columns, or no column has a conventional name.

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
    problem = f"none of the columns {describe_ids(conventions, len(conventions))} exists; {_describe(names)}"
    raise ColumnError(explain(owner, problem, fix="Name the column to use"))


def time_column(columns: Iterable[Any], given: str | None = "auto", owner: str = "time_column") -> str | None:
    """Returns the column of times, or `None`.

    Args:
        columns: Names of the existing columns.
        given: Name chosen by the user; `"auto"` for one with a conventional name, if there is one; `None` for none.
        owner: Name of the caller, for messages.

    Raises:
        ColumnError: There is no column of the given name.

    Example:
        >>> time_column(["user_id", "timestamp"]), time_column(["user_id"])
        ('timestamp', None)
    """
    names = list(columns)
    if given is None:
        return None
    if given != "auto" or "auto" in names:
        return require_column(names, given, owner)
    try:
        return find_column(names, TIME_COLUMNS)
    except ColumnError:
        return None


def require_column(
    columns: Iterable[Any], name: str, owner: str, fix: str = "Name one of them", reader: str | None = None
) -> str:
    """Returns the name of a column after checking that it exists exactly once.

    Args:
        columns: Names of the existing columns.
        name: Name of the column.
        owner: Name of the caller, for messages.
        fix: What to do where no existing name is close to this one.
        reader: What reads the column, such as `"the query tower"`, where its name is given and the data must have it.

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
        raise ColumnError(explain(owner, problem, fix="Give each column its own name"))
    close = difflib.get_close_matches(_loose(name), map(_loose, names), n=1)
    if close:
        alike = [each for each in names if _loose(each) == close[0]]
        same_case = [each for each in alike if str(each).lower() == str(name).lower()]
        fix = f"The closest is {(same_case or alike)[0]!r}"
        if reader is not None:
            fix += f": rename it to {name!r}, which {reader} reads"
    raise ColumnError(explain(owner, f"there is no column {name!r}; {_describe(names)}", fix=fix))


def same_letters(columns: Iterable[Any], name: str) -> bool:
    """Returns whether a column has this name but for case, underscores, hyphens and spaces.

    Example:
        >>> same_letters(["rating", "User ID"], "user_id"), same_letters(["rating", "user"], "user_id")
        (True, False)
    """
    return any(_loose(each) == _loose(name) for each in columns)


def warn_of_misspelt(columns: Iterable[Any], read: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Warns of a column that nothing reads and whose name is close to one that is read and lacking.

    Args:
        columns: Names of the existing columns.
        read: Names of the columns that are read where they are there.
        known: Names of further columns that are meant as they are.
        owner: Name of the caller, for messages.

    Example:
        >>> warn_of_misspelt(["user_id", "comment"], ["user_id", "age"], [], "RetrievalModel")
    """
    for given, meant in _misspelt(tuple(columns), tuple(read), tuple(known)):
        problem = f"nothing reads the column {given!r}, and {meant!r}, which the query tower reads, is not given"
        warnings.warn(explain(owner, problem, fix=f"Rename it to {meant!r} if it is meant"), stacklevel=2)


@lru_cache(maxsize=256)  # a search of a small corpus takes less time than this
def _misspelt(columns: tuple[Any, ...], read: tuple[str, ...], known: tuple[str, ...]) -> list[tuple[Any, str]]:
    lacking = {_loose(name): name for name in reversed(read) if name not in columns}
    others = [name for name in columns if name not in read and name not in known]
    close = [(name, difflib.get_close_matches(_loose(name), lacking, n=1, cutoff=_CLOSE)) for name in others]
    return [(name, lacking[found[0]]) for name, found in close if found]


def _loose(name: Any) -> str:
    return _BETWEEN_LETTERS.sub("", str(name)).lower()


def _describe(names: list[Any]) -> str:
    return f"the columns are {describe_ids(names, _MAX_COLUMNS_SHOWN)}" if names else "there are no columns"
