"""ItemKNN: candidates that are similar to those a query has had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.evaluation.yardsticks.fitted_yardstick import Scorer
from reciperec_layers.evaluation.yardsticks.yardstick import Yardstick

_VALUES_AT_ONCE = 2**22


class ItemKNN(Yardstick):
    """Scores a candidate by the sum of its similarities to the candidates that the query has had.

    The similarity of two candidates is the cosine of their columns in the matrix of interactions, shrunk towards 0
    where few queries speak for it, and of each candidate only the k most similar ones count:

        s(i, j) = num_both / (sqrt(num_i * num_j) + shrink)

    Args:
        k: Number of similar candidates that each candidate speaks for, at least 1; `"auto"` chooses.
        shrink: Added to the denominator, at least 0; `"auto"` chooses.

    Raises:
        ArgumentError: An option is out of range.

    Example:
        >>> import pandas as pd
        >>> train = pd.DataFrame({"user_id": [7, 7, 9, 9, 8], "recipe_id": ["pie", "soup", "pie", "soup", "pie"]})
        >>> knn = ItemKNN(k=1, shrink=0).fit(train, "user_id", "recipe_id", ["stew", "pie", "soup"])
        >>> knn.scores([8]).round(4).tolist()
        [[0.0, 0.0, 0.8165]]

    Source:
        Deshpande and Karypis, Item-based top-N recommendation algorithms, ACM TOIS 2004, with cosine similarity and
        without its scaling of each candidate's similarities to unit length. Shrinkage and the defaults k = 50 and
        shrink = 100 are those of the code of Ferrari Dacrema et al., Are we really making much progress?, RecSys 2019,
        which keeps the k most similar candidates of the one that is scored, and not of the one that was had.
    """

    name: ClassVar[str] = "item-kNN"
    grids: ClassVar[Mapping[str, tuple[Any, ...]]] = {"k": (50, 20, 100, 400), "shrink": (100, 0, 10)}

    def __init__(self, k: int | Literal["auto"] = 50, shrink: float | Literal["auto"] = 100) -> None:
        owner = "ItemKNN"
        self._k = k if k == "auto" else check_integer(owner, "k", k, example=50)
        self._shrink = shrink if shrink == "auto" else check_number(owner, "shrink", shrink, least=0, example=100)

    @property
    def options(self) -> dict[str, Any]:
        return {"k": self._k, "shrink": self._shrink}

    def learn(self, interactions: Any) -> Scorer:
        from scipy.sparse import csr_matrix, vstack

        columns = interactions.T.tocsr()
        size = columns.shape[0]
        lengths = np.sqrt(np.diff(columns.indptr))
        rows_at_once = max(1, _VALUES_AT_ONCE // size)
        blocks = []
        for start in range(0, size, rows_at_once):
            similar = (columns[start : start + rows_at_once] @ interactions).toarray()
            rows = np.arange(len(similar))
            similar[rows, start + rows] = 0
            products = np.outer(lengths[start + rows], lengths) + float(self._shrink)
            np.divide(similar, products, out=similar, where=similar > 0)
            blocks.append(csr_matrix(np.where(_largest(similar, int(self._k)), similar, 0)))
        similarities = vstack(blocks, format="csr")
        return lambda rows: (interactions[rows] @ similarities).toarray()


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """Returns which are the k largest of each row; ties go to the first in the corpus."""
    if k >= values.shape[1]:
        return np.ones(values.shape, bool)
    least = np.partition(values, -k, axis=1)[:, [-k]]
    above, level = values > least, values == least
    return above | (level & (np.cumsum(level, axis=1) <= k - above.sum(axis=1, keepdims=True)))
