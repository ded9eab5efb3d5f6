"""Inputs of the commands: saved models, and interactions with ids of the types that a model uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reciperec_layers.errors import (
    ArgumentError,
    IdError,
    ModelFileError,
    StateError,
    UnknownIdError,
    describe_ids,
    explain,
)

if TYPE_CHECKING:
    import pandas as pd

    from reciperec_layers.models import RetrievalModel
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
    model = load_model(path)
    fix = "Use a file written by `reciperec train`"
    if not isinstance(model, RetrievalModel):
        problem = f"the file holds a {type(model).__name__}, not a RetrievalModel"
        raise ModelFileError(explain("load_model", problem, path=path, fix=fix))
    if model.corpus is None:
        raise StateError(explain("load_model", "the model has no candidates", path=path, fix=fix))
    return model


def query_column(model: RetrievalModel) -> str:
    """Returns the one column that the query tower reads.

    Raises:
        ArgumentError: The tower reads several columns.
    """
    if len(model.query_columns) != 1:
        problem, fix = "the query tower of this model reads more than one column", "Use the model from Python"
        raise ArgumentError(explain("reciperec", problem, reads=model.query_columns, fix=fix))
    return model.query_columns[0]


def query_vocabulary(model: RetrievalModel) -> Vocabulary | None:
    """Returns the query ids that the model knows, or `None` for a tower without a vocabulary."""
    return getattr(model.query_tower, "vocabulary", None)


def read_interactions(path: Path, model: RetrievalModel) -> pd.DataFrame:
    """Reads interactions, with ids of the types that the model uses.

    Raises:
        ArgumentError: The file is missing, is not a CSV file, or is empty.
        ColumnError: A column of ids is missing.
        IdError: An id is missing or of another type.
    """
    from reciperec_layers.data.frames import read_csv_text_ids

    assert model.corpus is not None
    known = {query_column(model): query_vocabulary(model), model.corpus.id_column: model.corpus.vocabulary}
    frame = read_csv_text_ids(path, list(known))
    return frame.assign(
        **{name: _typed(frame[name], vocabulary, f"{path.name}: column {name!r}") for name, vocabulary in known.items()}
    )


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
        raise UnknownIdError(explain(owner, problem, fix=fix))


def in_corpus(frame: pd.DataFrame, column: str, corpus: Vocabulary) -> np.ndarray:
    """Returns whether the candidate of each row is in the corpus, bool of shape `(n,)`."""
    return corpus.lookup(frame[column]) >= 0


def _typed(column: pd.Series, vocabulary: Vocabulary | None, owner: str) -> pd.Series:
    from reciperec_layers.data.frames import ids_from_text

    if vocabulary is not None and vocabulary.dtype == "string":
        return column
    numbers = ids_from_text(column)
    if vocabulary is not None and numbers is column:
        wrong = [text for text in column.tolist() if not _is_integer(text)]
        problem = f"the model's ids are integers, and these are not: {describe_ids(wrong)}"
        raise IdError(explain(owner, problem, fix="Pass ids like those the model was trained on"))
    return numbers


def _is_integer(text: str) -> bool:
    try:
        return str(np.int64(text)) == text
    except (ValueError, OverflowError):
        return False
