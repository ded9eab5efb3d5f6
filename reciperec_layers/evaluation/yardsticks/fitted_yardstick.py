"""FittedYardstick: ranks and recommendations that follow from a yardstick's scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_k
from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.columns.names import require_column
from reciperec_layers.evaluation.yardsticks.interaction_matrix import InteractionMatrix
from reciperec_layers.metrics.ranks import true_ranks
from reciperec_layers.seen import Seen

# From rows of the interaction matrix, integers of shape `(n,)`, to scores of shape `(n, num_candidates)`.
Scorer = Callable[[np.ndarray], np.ndarray]

_SCORES_AT_ONCE = 2**23


class FittedYardstick:
    """Ranks and recommends by the scores of a yardstick. `Yardstick.fit` makes it.

    A query without training interactions of the corpus has the scores of popularity: how many training rows each
    candidate has. Ties go to the candidate that comes first in the corpus, as in `metrics.true_ranks`.

    Args:
        name: What to call it.
        options: What it was made with, also what was chosen.
        query: Column of query ids.
        candidate: Column of candidate ids.
        interactions: The training interactions.
        scorer: From rows of their matrix to scores of the corpus.

    Example:
        >>> import pandas as pd
        >>> from reciperec_layers.evaluation import EASE
        >>> train = pd.DataFrame({"user_id": [7, 7, 9], "recipe_id": ["pie", "soup", "pie"]})
        >>> ease = EASE(l2=1).fit(train, "user_id", "recipe_id", ["pie", "soup"])
        >>> ease.held_out_ranks(pd.DataFrame({"user_id": [9], "recipe_id": ["soup"]})).tolist()
        [1]
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, Any],
        query: str,
        candidate: str,
        interactions: InteractionMatrix,
        scorer: Scorer,
    ) -> None:
        self._name, self._options = name, dict(options)
        self._query, self._candidate = query, candidate
        self._interactions, self._scorer = interactions, scorer
        self._is_known = np.diff(interactions.matrix.indptr) > 0

    @property
    def name(self) -> str:
        """What to call it, such as `item-kNN`."""
        return self._name

    @property
    def options(self) -> dict[str, Any]:
        """What it was made with, also what was chosen."""
        return dict(self._options)

    def scores(self, query_ids: Any, exclude: Seen | None = None) -> np.ndarray:
        """Returns the score of every candidate for every query.

        Args:
            query_ids: Ids, shape `(n,)`.
            exclude: Candidates that the queries have seen, whose score is -inf.

        Returns:
            float64 of shape `(n, num_candidates)`, in the order of the corpus.
        """
        ids = to_id_array(query_ids, f"{self._name}: {self._query!r}")
        corpus = self._interactions.corpus
        rows = self._interactions.queries.lookup(ids)
        known = (rows >= 0) & self._is_known[rows]
        scores = np.empty((len(ids), len(corpus)))
        scores[known] = self._scorer(rows[known])
        scores[~known] = self._interactions.counts
        if exclude is not None:
            splits, seen_ids = exclude.rows(ids)
            places, columns = np.repeat(np.arange(len(ids)), np.diff(splits)), corpus.lookup(seen_ids)
            scores[places[columns >= 0], columns[columns >= 0]] = -np.inf
        return scores

    def held_out_ranks(self, test: Any, exclude: Seen | None = None) -> np.ndarray:
        """Returns the rank of each row's candidate, 1 for the best.

        Args:
            test: Held-out interactions.
            exclude: Candidates that the queries have seen, left out of the ranking. A held-out candidate that was
                seen is a miss.

        Returns:
            int64 of shape `(n,)`; `metrics.MISS` for a candidate that was seen or is outside the corpus.
        """
        owner = f"{self._name}: test"
        test = from_arrow(test, owner)
        ids, candidate_ids = (
            to_id_array(test[require_column(test.columns, column, owner)], f"{owner}: column {column!r}")
            for column in (self._query, self._candidate)
        )
        true_rows = self._interactions.corpus.lookup(candidate_ids)
        distinct, numbers = np.unique(ids, return_inverse=True)
        ranks = np.empty(len(ids), np.int64)
        order = np.argsort(numbers, kind="stable")
        for start in range(0, len(order), self._rows_at_once):
            block = order[start : start + self._rows_at_once]
            first, last = numbers[block[0]], numbers[block[-1]]
            scores = self.scores(distinct[first : last + 1], exclude)[numbers[block] - first]
            ranks[block] = true_ranks(scores, true_rows[block]).numpy()
        return ranks

    def recommend(self, query_ids: Any, k: int, exclude: Seen | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns the k best candidates for each query.

        Args:
            query_ids: Ids, shape `(n,)`.
            k: Candidates for each, at least 1.
            exclude: Candidates that the queries have seen, which are left out.

        Returns:
            Scores, float32, and candidate ids, int64 or objects that are `str`, each of shape `(n, k)`, best first.
            Where fewer than k remain, scores are -inf and ids -1 or `""`.
        """
        ids = to_id_array(query_ids, f"{self._name}: {self._query!r}")
        corpus = self._interactions.corpus
        k = check_k(self._name, k, len(corpus), len(ids))
        found_scores = np.full((len(ids), k), -np.inf, np.float32)
        found_rows = np.full((len(ids), k), -1)
        for start in range(0, len(ids), self._rows_at_once):
            block = slice(start, start + self._rows_at_once)
            best = tf.math.top_k(self.scores(ids[block], exclude), min(k, len(corpus)))
            values = best.values.numpy()
            found_scores[block, : values.shape[1]] = values
            found_rows[block, : values.shape[1]] = np.where(values > -np.inf, best.indices.numpy(), -1)
        return found_scores, corpus.reverse_lookup(found_rows)

    @property
    def _rows_at_once(self) -> int:
        return max(1, _SCORES_AT_ONCE // len(self._interactions.corpus))
