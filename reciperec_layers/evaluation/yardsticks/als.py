"""ALS: factors by alternating least squares, by the package `implicit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.errors import MissingExtraError, explain
from reciperec_layers.evaluation.yardsticks.fitted_yardstick import Scorer
from reciperec_layers.evaluation.yardsticks.yardstick import Yardstick


class ALS(Yardstick):
    """Scores by the inner product of factors that alternating least squares find, by the package `implicit`.

    The factors minimize the squared errors over all pairs of a query and a candidate, towards 1 with weight `alpha`
    where they have interacted, else towards 0 with weight 1, and `regularization` times the squared factors.

    Args:
        factors: Number of factors, at least 1.
        regularization: Weight of the penalty, at least 0; `"auto"` chooses.
        alpha: Weight of an interaction, above 0; `"auto"` chooses.
        iterations: How often both sides are solved, at least 1.
        seed: Seed of the first factors.

    Raises:
        ArgumentError: An option is out of range.

    Example:
        >>> ALS(factors=32)
        ALS(factors=32, regularization=0.01, alpha=1.0, iterations=15, seed=42)

    Source:
        Hu, Koren and Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008; the defaults are
        those of `implicit` 0.7.
    """

    name: ClassVar[str] = "ALS"
    grids: ClassVar[Mapping[str, tuple[Any, ...]]] = {"regularization": (0.01, 1.0, 10.0), "alpha": (1.0, 10.0, 40.0)}

    def __init__(
        self,
        factors: int = 100,
        regularization: float | Literal["auto"] = 0.01,
        alpha: float | Literal["auto"] = 1.0,
        iterations: int = 15,
        seed: int = 42,
    ) -> None:
        owner = "ALS"
        self._factors = check_integer(owner, "factors", factors, example=100)
        self._regularization = regularization
        if regularization != "auto":
            self._regularization = check_number(owner, "regularization", regularization, least=0, example=0.01)
        self._alpha = alpha if alpha == "auto" else check_number(owner, "alpha", alpha, above=0, example=1)
        self._iterations = check_integer(owner, "iterations", iterations, example=15)
        self._seed = check_integer(owner, "seed", seed, least=0, example=42)

    @property
    def options(self) -> dict[str, Any]:
        return {
            "factors": self._factors,
            "regularization": self._regularization,
            "alpha": self._alpha,
            "iterations": self._iterations,
            "seed": self._seed,
        }

    def learn(self, interactions: Any) -> Scorer:
        try:
            from implicit.cpu.als import AlternatingLeastSquares
            from threadpoolctl import threadpool_limits
        except ImportError as error:
            fix = 'Install it: pip install "reciperec-layers[baselines]"'
            raise MissingExtraError(explain("ALS", "it needs implicit, which is not installed", fix=fix)) from error
        options = {name: value for name, value in self.options.items() if name != "seed"}
        # implicit runs its own threads and warns if those of BLAS run beside them.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(**options, random_state=self._seed)
            model.fit(interactions.astype(np.float32), show_progress=False)
        queries, candidates = np.asarray(model.user_factors), np.asarray(model.item_factors).T
        return lambda rows: queries[rows] @ candidates
