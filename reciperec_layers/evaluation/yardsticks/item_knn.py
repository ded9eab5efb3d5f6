"""ItemKNN: candidates that are similar to those a query has had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.evaluation.yardsticks.fitted_yardstick import Scorer
from reciperec_layers.evaluation.yardsticks.yardstick import Yardstick

_ROWS_AT_ONCE = 1024


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
        from scipy.sparse import vstack

        columns = interactions.T.tocsr()
        lengths = np.sqrt(np.diff(columns.indptr))
        starts = range(0, columns.shape[0], _ROWS_AT_ONCE)
        blocks = [self._similar(columns, interactions, lengths, start) for start in starts]
        similarities = vstack(blocks, format="csr")
        return lambda rows: (interactions[rows] @ similarities).toarray()

    def _similar(self, columns: Any, interactions: Any, lengths: np.ndarray, start: int) -> Any:
        """Returns the similarities of some candidates to all others, of each the k largest."""
        from scipy.sparse import csr_matrix

        counts = (columns[start : start + _ROWS_AT_ONCE] @ interactions).tocoo()
        others = counts.row + start != counts.col
        rows, cols, both = counts.row[others], counts.col[others], counts.data[others]
        values = both / (lengths[rows + start] * lengths[cols] + float(self._shrink))
        order = np.lexsort((cols, -values, rows))  # ties go to the first in the corpus
        rows, cols, values = rows[order], cols[order], values[order]
        sizes = np.bincount(rows, minlength=counts.shape[0])
        places = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        kept = places < int(self._k)
        return csr_matrix((values[kept], (rows[kept], cols[kept])), shape=counts.shape)
