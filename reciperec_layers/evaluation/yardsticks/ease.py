"""EASE: a linear model from what a query has had to what it may like, solved in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.evaluation.yardsticks.fitted_yardstick import Scorer
from reciperec_layers.evaluation.yardsticks.yardstick import Yardstick


class EASE(Yardstick):
    """Scores candidates by the row of a query, X, times weights B between candidates.

    B has a zero diagonal, so that no candidate predicts itself, and minimizes `||X - X B||^2 + l2 ||B||^2`. With P the
    inverse of `X'X + l2 I`, it is `-P[i, j] / P[j, j]` off the diagonal. It needs 8 bytes by the square of the number
    of candidates, and time by its cube.

    Args:
        l2: Weight of the penalty, above 0; `"auto"` chooses.
        max_candidates: Largest corpus that is accepted. By default 16,384, whose weights take 2.1 GB.

    Raises:
        ArgumentError: An option is out of range.

    Example:
        >>> import pandas as pd
        >>> train = pd.DataFrame({"user_id": [7, 7, 9, 9, 8], "recipe_id": ["pie", "soup", "pie", "soup", "pie"]})
        >>> EASE(l2=1).fit(train, "user_id", "recipe_id", ["stew", "pie", "soup"]).scores([8]).tolist()
        [[0.0, 0.0, 0.5]]

    Source:
        Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019, equation 8; 500 is its l2 for MovieLens
        20M.
    """

    name: ClassVar[str] = "EASE"
    grids: ClassVar[Mapping[str, tuple[Any, ...]]] = {"l2": (500.0, 10.0, 50.0, 200.0, 1000.0)}

    def __init__(self, l2: float | Literal["auto"] = 500.0, max_candidates: int = 16_384) -> None:
        self._l2 = l2 if l2 == "auto" else check_number("EASE", "l2", l2, above=0, example=500)
        self._max_candidates = check_integer("EASE", "max_candidates", max_candidates, example=16_384)

    @property
    def options(self) -> dict[str, Any]:
        return {"l2": self._l2, "max_candidates": self._max_candidates}

    def learn(self, interactions: Any) -> Scorer:
        from scipy.linalg.lapack import dpotrf, dpotri

        size = interactions.shape[1]
        if size > self._max_candidates:
            problem = f"{size:,} candidates need {_gigabytes(size)} of memory, more than is allowed"
            fix = "Leave EASE out, or allow more candidates by max_candidates"
            raise ArgumentError(explain("EASE", problem, max_candidates=self._max_candidates, fix=fix))
        weights = (interactions.T @ interactions).toarray(order="F")
        weights[np.diag_indices(size)] += float(self._l2)
        # The inverse in place; only the lower triangle is computed.
        weights, _ = dpotrf(weights, lower=1, clean=0, overwrite_a=1)
        weights, _ = dpotri(weights, lower=1, overwrite_c=1)
        for row in range(size):
            weights[row, row + 1 :] = weights[row + 1 :, row]
        weights /= -np.diag(weights).copy()
        np.fill_diagonal(weights, 0)
        return lambda rows: interactions[rows] @ weights


def _gigabytes(size: int) -> str:
    return f"{8 * size**2 / 1e9:,.1f} GB"
