"""Recommendations as a data frame."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.candidates.knowledge import Knowledge
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.columns.names import NAME_COLUMNS
from reciperec_layers.corpus import Corpus


def recommendation_frame(
    corpus: Corpus,
    queries: Any,
    scores: np.ndarray,
    ids: np.ndarray,
    of_queries: Knowledge,
    of_candidates: Callable[[np.ndarray], Knowledge],
    names: Iterable[str],
) -> Any:
    """Returns recommendations as a data frame, one row each, joined with columns of the corpus.

    Args:
        corpus: The candidates.
        queries: Columns of the queries, a frame or dict, which are carried as they are. Left out are those of the same
            name as a column of the result, sparse tensors, and what does not have one entry per query.
        scores: Scores, shape `(n, k)`; places of score -inf are left out.
        ids: Candidate ids, shape `(n, k)`.
        of_queries: What is known of the queries.
        of_candidates: Returns what is known of rows of the corpus.
        names: Columns of the corpus to join.

    Example:
        >>> corpus = Corpus({"recipe_id": [7, 9], "name": ["pie", "soup"]}, "recipe_id", ["name"])
        >>> cold, warm = Knowledge.of_levels([0], {}), lambda rows: Knowledge.of_levels([1] * len(rows), {})
        >>> scores, ids = np.array([[2.0]]), np.array([[9]])
        >>> frame = recommendation_frame(corpus, {"user_id": [5]}, scores, ids, cold, warm, corpus.names)
        >>> frame.drop(columns="score").to_dict(orient="records")
        [{'user_id': 5, 'query_knowledge': 'cold', 'rank': 1, 'candidate_knowledge': 'warm', 'recipe_id': 9,
          'name': 'soup'}]
    """
    import pandas as pd  # not needed to train, and slow to import

    row, place = np.nonzero(scores > -np.inf)
    found = corpus.vocabulary.lookup(ids[row, place])
    distinct, place_of = np.unique(found, return_inverse=True)
    own: dict[Any, Any] = {"query_knowledge": of_queries.words[row], "rank": place + 1, "score": scores[row, place]}
    own["candidate_knowledge"] = of_candidates(distinct).words[place_of]
    own |= {name: list(corpus.columns[name][found]) for name in names}
    names = list(queries.keys())
    columns: dict[Any, Any] = {}
    for name in names:
        if name not in own and names.count(name) == 1:
            entries = _entries(queries[name])
            if entries is not None and len(entries) == len(scores):
                # By position: a frame made of columns with indexes would align them.
                columns[name] = pd.Series(entries, copy=False).array.take(row)
    return pd.DataFrame(columns | own)


def shown_columns(corpus: Corpus, read: Collection[str], kept: Collection[str]) -> list[str]:
    """Returns the columns of a corpus that are shown with recommendations: all but what is long and for a tower alone.

    Long are texts of more than 100 characters on average, and several values a row. Ids, names by convention, what was
    kept on demand, and what no tower reads are always shown.

    Args:
        corpus: The candidates.
        read: Columns that the candidate tower reads.
        kept: Columns that were kept on demand.

    Example:
        >>> recipes = {"recipe_id": [7, 9], "minutes": [10, 30], "directions": ["Boil. " * 20, "Bake. " * 20]}
        >>> corpus = Corpus(recipes, "recipe_id", ["minutes", "directions"])
        >>> shown_columns(corpus, ["minutes", "directions"], [])
        ['recipe_id', 'minutes']
    """
    meant = (corpus.id_column, *kept, *NAME_COLUMNS)
    hidden = {name for name in read if name not in meant}
    return [name for name in corpus.names if name not in hidden or name not in corpus.long_columns]


def _entries(column: Any) -> Any:
    """Returns a column as something that pandas takes, one entry per query, or `None`."""
    if isinstance(column, tf.RaggedTensor):
        column = column.to_list()
    elif isinstance(column, (tf.Tensor, tf.Variable)):
        values = column.numpy()
        column = to_id_array(values) if values.dtype == object else values
    if np.ndim(column) > 1 if isinstance(column, np.ndarray) else isinstance(column, tuple):
        column = list(column)  # what a row has several times becomes one object
    return column if hasattr(column, "__len__") else None
