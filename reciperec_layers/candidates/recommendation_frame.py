"""Recommendations as a data frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.corpus import Corpus


def recommendation_frame(corpus: Corpus, queries: dict[str, np.ndarray], scores: np.ndarray, ids: np.ndarray) -> Any:
    """Returns recommendations as a data frame, one row each, joined with the corpus's columns.

    Args:
        corpus: The candidates.
        queries: Columns of the queries, shape `(n,)`.
        scores: Scores, shape `(n, k)`; places of score -inf are left out.
        ids: Candidate ids, shape `(n, k)`.

    Example:
        >>> corpus = Corpus({"recipe_id": [7, 9], "name": ["pie", "soup"]}, "recipe_id", ["name"])
        >>> frame = recommendation_frame(corpus, {"user_id": np.array([5])}, np.array([[2.0]]), np.array([[9]]))
        >>> frame.to_dict(orient="records")
        [{'user_id': 5, 'rank': 1, 'score': 2.0, 'recipe_id': 9, 'name': 'soup'}]
    """
    import pandas as pd  # not needed to train, and slow to import

    row, place = np.nonzero(scores > -np.inf)
    found = corpus.vocabulary.lookup(ids[row, place])
    columns: dict[str, Any] = {name: _decoded(values)[row] for name, values in queries.items()}
    columns |= {"rank": place + 1, "score": scores[row, place]}
    columns |= {name: list(values[found]) for name, values in corpus.columns.items()}
    return pd.DataFrame(columns)


def _decoded(values: np.ndarray) -> np.ndarray:
    return to_id_array(values) if values.dtype == object else values
