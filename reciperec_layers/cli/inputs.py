"""Inputs of the commands: saved models, and interactions with ids of the types that a model uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reciperec_layers.columns.names import QUERY_COLUMNS, find_column, require_column
from reciperec_layers.errors import (
    ArgumentError,
    ColumnError,
    IdError,
    ModelFileError,
    PluginError,
    StateError,
    UnknownIdError,
    describe_ids,
    explain,
)

if TYPE_CHECKING:
    import pandas as pd

    from reciperec_layers.features import Encoder
    from reciperec_layers.models import RetrievalModel
    from reciperec_layers.towers import Tower
    from reciperec_layers.vocabulary import Vocabulary


def load_retrieval_model(path: Path) -> RetrievalModel:
    """Returns a saved model that has candidates.

    Raises:
        ArgumentError: The file does not exist.
        ModelFileError: The file is damaged, or holds another kind of model.
        StateError: The model has no candidates.
        PluginError: The model needs a tower of a package that is not installed.
    """
    from reciperec_layers.models import RetrievalModel, load_model

    if not path.exists():
        fix = "Check the path, or train a model with `reciperec train`"
        raise ArgumentError(explain("load_model", "there is no such file", path=path, fix=fix))
    if path.is_dir():
        problem, fix = "a file is needed, and it is a folder", "Pass a file written by `reciperec train`"
        raise ArgumentError(explain("load_model", problem, path=path, fix=fix))
    try:
        model = load_model(path)
    except PluginError as error:
        error.add_note("A module of your own is imported by --import MODULE.")
        raise
    fix = "Use a file written by `reciperec train`"
    if not isinstance(model, RetrievalModel):
        problem = f"the file holds a {type(model).__name__}, not a RetrievalModel"
        raise ModelFileError(explain("load_model", problem, path=path, fix=fix))
    if model.corpus is None:
        raise StateError(explain("load_model", "the model has no candidates", path=path, fix=fix))
    return model


def find_query_column(model: RetrievalModel, given: str | None, columns: Iterable[str]) -> str:
    """Returns the column that says which query a row is of: the one given, the model's, or one of a usual name.

    Args:
        model: The model.
        given: Name chosen by the user.
        columns: Columns of the user's file.

    Raises:
        ColumnError: There is none.
    """
    try:
        return find_column(columns, QUERY_COLUMNS, given or model.query_id_column, owner="reciperec")
    except ColumnError as error:
        error.add_note("Name the column that says which query a row is of with --query-id.")
        raise


def query_vocabulary(model: RetrievalModel, column: str | None = None) -> Vocabulary | None:
    """Returns the ids of a column of queries that the model knows, or `None` where its tower has no vocabulary of them.

    Args:
        model: The model.
        column: The column; by default the one whose values are enough to recommend.
    """
    column = column_of_ids(model) if column is None else column
    encoder = encoder_of(model.query_tower, column)
    if encoder is not None:
        return encoder.vocabulary if encoder.tells == "id" else None
    is_read = column in model.query_columns and len(model.query_tower.features) < 2
    return getattr(model.query_tower, "vocabulary", None) if is_read else None


def encoder_of(tower: Any, column: str | None) -> Encoder | None:
    """Returns the encoder by which a tower, or the first that does of a mixture, reads a column, or `None`.

    Args:
        tower: The tower.
        column: The column.
    """
    from reciperec_layers.towers.encoded_tower import EncodedTower

    if isinstance(tower, EncodedTower):
        return None if column is None else tower.columns.by_name.get(column)
    found = (encoder_of(each, column) for each in getattr(tower, "towers", ()))
    return next((each for each in found if each is not None), None)


def column_of_ids(model: RetrievalModel) -> str | None:
    """Returns the column whose values alone are enough to recommend, or `None` where a query needs more.

    Args:
        model: The model.
    """
    needed = list(model.columns_read([], "predict"))
    if len(model.query_tower.features) < 2 and len(needed) == 1:
        return needed[0]
    query = model.query_id_column
    is_enough = query is not None and list(model.columns_read([query], "predict")) == [query]
    return query if is_enough else None


def columns_beside_id(model: RetrievalModel, columns: Iterable[str]) -> list[str]:
    """Returns which columns of a file the query tower reads beside the query id.

    Args:
        model: The model.
        columns: Columns of the file.
    """
    there = set(columns)
    return [name for name in model.query_tower.features if name in there and name != model.query_id_column]


def reads_columns_beside_id(model: RetrievalModel) -> bool:
    """Returns whether the query tower reads more than the id of a query.

    Args:
        model: The model.
    """
    return any(name != column_of_ids(model) for name in model.query_tower.features)


def attach_queries(model: RetrievalModel, path: Path, sep: str | None) -> None:
    """Gives a model a table of queries, from which it takes by id what is known of them.

    Args:
        model: The model.
        path: File of the table.
        sep: What separates fields, or `None`.

    Raises:
        ArgumentError: The file is missing, is not a CSV file, or is empty.
        ColumnError: The column of ids is missing, or all that the query tower reads beside it.
        IdError: An id is missing, repeats, or is of another type.
    """
    from reciperec_layers.data.frames import noting_one_column, read_columns

    there = read_columns(path, sep=sep)
    with noting_one_column(there):
        query = find_query_column(model, None, there)
    known = columns_beside_id(model, there)
    if not known:
        problem = "there is no column that the query tower reads beside the id"
        read = [name for name in model.query_tower.features if name != query]
        fix = f"It reads {', '.join(read)}" if read else "Leave out --queries: it reads the id alone"
        raise ColumnError(explain(path.name, problem, columns=there, fix=fix))
    try:
        model.set_queries(_read(path, model, {query: query_vocabulary(model, query)}, known, sep))
    except IdError as error:
        raise IdError(f"{path.name}: {error}") from error


def read_queries(path: Path, model: RetrievalModel, sep: str | None, query_id: str | None) -> pd.DataFrame:
    """Reads rows of the columns that the query tower reads, and the column of query ids where it is there.

    Raises:
        ArgumentError: The file is missing, is not a CSV file, or is empty.
        ColumnError: A column is missing.
        IdError: An id is missing or of another type.
    """
    from reciperec_layers.data.frames import read_columns

    there = read_columns(path, sep=sep)
    wanted = query_id or model.query_id_column
    ids = {wanted: query_vocabulary(model, wanted)} if wanted is not None and (query_id or wanted in there) else {}
    return _read(path, model, ids, model.columns_read(there, "predict"), sep)


def read_interactions(
    path: Path, model: RetrievalModel, sep: str | None, query_id: str | None, features: bool = True
) -> tuple[pd.DataFrame, str]:
    """Reads interactions, with ids of the types that the model uses; returns them and the column of query ids.

    Args:
        path: The file.
        model: The model.
        sep: What separates fields, or `None`.
        query_id: Column of query ids, or `None`.
        features: Whether the columns that the query tower reads are needed.

    Raises:
        ArgumentError: The file is missing, is not a CSV file, or is empty.
        ColumnError: A column is missing.
        IdError: An id is missing or of another type.
    """
    from reciperec_layers.data.frames import noting_one_column, read_columns

    assert model.corpus is not None
    there = read_columns(path, sep=sep)
    with noting_one_column(there):
        query = find_query_column(model, query_id, there)
    ids = {query: query_vocabulary(model, query), model.corpus.id_column: model.corpus.vocabulary}
    read = model.columns_read(there, "evaluate") if features else ()
    try:
        return _read(path, model, ids, [name for name in read if name in model.query_columns], sep), query
    except ColumnError as error:
        if any(name not in there for name in read if name in model.query_columns and name not in ids):
            error.add_note("What is known of queries by their id is given by --queries QUERIES.csv.")
        raise


def ids_as_in(vocabulary: Vocabulary | None, ids: Sequence[str]) -> np.ndarray:
    """Converts ids given as text to the type of a vocabulary.

    Raises:
        IdError: The vocabulary has integers, and an id is not an integer.

    Example:
        >>> from reciperec_layers.vocabulary import Vocabulary
        >>> ids_as_in(Vocabulary([7, 9]), ["9"]), ids_as_in(Vocabulary(["7", "09"]), ["9"])
        (array([9]), array(['9'], dtype=object))
    """
    import pandas as pd

    return np.asarray(_typed(pd.Series(list(ids), dtype=object), vocabulary, "--id"))


def require_candidates(frame: pd.DataFrame, column: str, corpus: Vocabulary, owner: str) -> None:
    """Checks that all candidates of the interactions are in the corpus.

    Raises:
        UnknownIdError: Some are not; the message has the number of rows and the first ids.
    """
    unknown = frame[column].to_numpy()[~in_corpus(frame, column, corpus)]
    if unknown.size:
        problem = (
            f"{unknown.size} of {len(frame)} rows have a candidate in column {column!r} that is not in the corpus: "
            f"{describe_ids(list(dict.fromkeys(unknown.tolist())))}"
        )
        fix = "Add them to the candidates, or count them as misses with --unknown-candidates miss"
        if cause := leading_zeros(unknown, corpus):
            fix = f"{cause}. {fix}"
        raise UnknownIdError(explain(owner, problem, fix=fix))


def in_corpus(frame: pd.DataFrame, column: str, corpus: Vocabulary) -> np.ndarray:
    """Returns whether the candidate of each row is in the corpus, bool of shape `(n,)`."""
    return corpus.lookup(frame[column]) >= 0


def leading_zeros(unknown: Iterable[Any], known: Vocabulary) -> str:
    """Returns a sentence that says so where unknown ids are known without or with leading zeros, else nothing.

    Args:
        unknown: Ids that are not in the vocabulary.
        known: The vocabulary.

    Example:
        >>> from reciperec_layers.vocabulary import Vocabulary
        >>> leading_zeros(["7", "9"], Vocabulary(["007", "8"]))
        "The ids differ in leading zeros: '7' here, '007' there. Write them alike"
    """
    by_number = {_without_zeros(each): each for each in map(str, known.ids.tolist())}
    for each in unknown:
        other = by_number.get(_without_zeros(str(each)))
        if other is not None and other != str(each):
            return f"The ids differ in leading zeros: {str(each)!r} here, {other!r} there. Write them alike"
    return ""


def _without_zeros(text: str) -> str:
    return text.lstrip("0") or "0"


def _read(
    path: Path, model: RetrievalModel, ids: dict[str, Any], features: Iterable[str], sep: str | None
) -> pd.DataFrame:
    from reciperec_layers.data.frames import read_csv_text_ids
    from reciperec_layers.export.column_forms import input_dtypes

    # What the tower takes as text must not become numbers; of towers that do not say so, pandas decides as in training.
    tower, features = model.query_tower, list(features)
    dtypes = input_dtypes(tower, tower.features or model.query_columns[:1])
    encoders = {name: encoder_of(tower, name) for name in features if name not in ids}
    categories = {name for name, encoder in encoders.items() if encoder is not None and hasattr(encoder, "vocabulary")}
    texts = [name for name in encoders if name not in categories and _is_text(tower, name, dtypes)]
    frame = read_csv_text_ids(path, list(ids), texts=texts, sep=sep)
    for name in features:
        require_column(frame.columns, name, path.name)
    if categories:
        verbatim = read_csv_text_ids(path, list(ids), texts=categories, sep=sep)
        frame = frame.assign(
            **{name: _as_in_training(encoders[name], frame[name], verbatim[name]) for name in categories}
        )
    typed = {}
    for name, vocabulary in ids.items():
        is_text = vocabulary is None and dtypes.get(name) == "string"
        typed[name] = frame[name] if is_text else _typed(frame[name], vocabulary, f"{path.name}: column {name!r}")
    return frame.assign(**typed)


def _is_text(tower: Tower, name: str, dtypes: dict[str, str]) -> bool:
    form = tower.form(name) if name in tower.features else None
    return dtypes.get(name) == "string" or (form is not None and form.dtype.name == "string")


def _as_in_training(encoder: Any, column: pd.Series, texts: pd.Series) -> pd.Series:
    """Returns values in the form in which they are known: as numbers, as they are in the file, or as pandas reads them.

    pandas makes 49 of `0049` where all values of a column are numbers, which need not be as in training.
    """
    import pandas as pd

    numbers = pd.to_numeric(texts, errors="coerce").convert_dtypes()
    found = column.astype(object)
    for form in (numbers, texts):
        is_known = encoder.is_known(encoder.read(form, "reciperec", str(column.name))).numpy()
        found = found.where(~is_known, form.astype(object))
    return found


def _typed(column: pd.Series, vocabulary: Vocabulary | None, owner: str) -> pd.Series:
    from reciperec_layers.data.frames import ids_from_text

    if vocabulary is not None and vocabulary.dtype == "string":
        return column
    numbers = ids_from_text(column)
    if vocabulary is not None and numbers is column:
        wrong = [text for text in column.tolist() if not _is_integer(text)]
        problem = f"the model's ids are integers, and these are not: {describe_ids(wrong)}"
        fix = leading_zeros(wrong, vocabulary) or "Pass ids like those the model was trained on"
        raise IdError(explain(owner, problem, fix=fix))
    return numbers


def _is_integer(text: str) -> bool:
    try:
        return str(np.int64(text)) == text
    except (ValueError, OverflowError):
        return False
