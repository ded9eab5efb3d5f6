"""Knowledge: what a model knows of queries or candidates, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

HOT, WARM, COLD = "hot", "warm", "cold"

_WORDS = np.array([COLD, WARM, HOT], dtype=object)


@dataclass(frozen=True)
class Knowledge:
    """What a tower knows of some rows: their ids, some features, or nothing.

    Args:
        words: `"hot"`, `"warm"` or `"cold"` for each row, objects of shape `(n,)`; `None` where a tower cannot tell.
        features: Which values tell something beside ids, by column a bool array of shape `(n,)`.

    Example:
        >>> knowledge = Knowledge.of_levels([2, 1], {"age": [False, True]})
        >>> knowledge.frame().values.tolist()
        [['hot', ()], ['warm', ('age',)]]
    """

    words: np.ndarray
    features: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of_levels(cls, levels: Any, features: Mapping[str, Any]) -> Knowledge:
        """Returns the knowledge of levels as `Tower.knowledge` gives them.

        Args:
            levels: Integers of shape `(n,)`.
            features: As for `Tower.known_features`.
        """
        return cls(_WORDS[np.asarray(levels)], {name: np.asarray(known, bool) for name, known in features.items()})

    @classmethod
    def untold(cls, num_rows: int) -> Knowledge:
        """Returns the knowledge of a tower that cannot tell.

        Args:
            num_rows: Number of rows.
        """
        return cls(np.full(num_rows, None, dtype=object))

    def frame(self, index: Any = None) -> Any:
        """Returns a data frame with the columns `knowledge` and `known_columns`, a tuple of names.

        Args:
            index: Index of the rows.
        """
        import pandas as pd  # not needed to train, and slow to import

        told = np.empty(len(self.words), dtype=object)
        told[:] = [tuple(name for name, known in self.features.items() if known[row]) for row in range(len(self.words))]
        return pd.DataFrame({"knowledge": self.words, "known_columns": told}, index=index, dtype=object)
