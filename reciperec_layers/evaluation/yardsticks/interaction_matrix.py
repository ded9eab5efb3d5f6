"""InteractionMatrix: who has had what, as a sparse matrix, with the ids of its rows and columns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reciperec_layers.data import Popularity, seen
from reciperec_layers.errors import MissingExtraError, explain
from reciperec_layers.vocabulary import Vocabulary


class InteractionMatrix:
    """The distinct training interactions as a sparse matrix of queries by candidates.

    `matrix` is a `scipy.sparse.csr_matrix` of float64 ones, of shape `(num_queries, num_candidates)`, with the ids of
    its rows in `queries` and of its columns in `corpus`. `counts` has how many training rows each candidate has,
    repeats included, float64 of shape `(num_candidates,)`.

    Args:
        train: Training interactions, at least one row.
        query: Column of query ids.
        candidate: Column of candidate ids; those outside the corpus are left out.
        corpus: The ids of the candidates.

    Raises:
        MissingExtraError: SciPy is not installed.
        ColumnError: The frame lacks a column.

    Example:
        >>> train = pd.DataFrame({"user_id": [7, 7, 9], "recipe_id": ["pie", "pie", "soup"]})
        >>> InteractionMatrix(train, "user_id", "recipe_id", Vocabulary(["pie", "soup"])).matrix.toarray().tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """

    def __init__(self, train: pd.DataFrame, query: str, candidate: str, corpus: Vocabulary) -> None:
        try:
            from scipy.sparse import csr_matrix
        except ImportError as error:
            fix = 'Install it: pip install "reciperec-layers[baselines]"'
            raise MissingExtraError(
                explain("yardsticks", "they need SciPy, which is not installed", fix=fix)
            ) from error
        had = seen(train, query, candidate)
        self.queries, self.corpus = had.vocabulary, corpus
        rows = np.repeat(np.arange(len(self.queries)), np.diff(had.offsets))
        columns = corpus.lookup(had.candidate_ids)
        known = columns >= 0
        ones = np.ones(np.count_nonzero(known))
        shape = len(self.queries), len(corpus)
        self.matrix = csr_matrix((ones, (rows[known], columns[known])), shape=shape)
        self.counts = Popularity(train, candidate, pd.DataFrame({candidate: corpus.ids})).counts
