"""Popularity: the same recommendations for everyone, the baseline that a model has to beat."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any, Literal

import numpy as np
import pandas as pd

from reciperec_layers.arguments import check_integer, check_k, check_number
from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.id_arrays import is_text, to_id_array
from reciperec_layers.columns.names import TIME_COLUMNS, find_column, require_column
from reciperec_layers.data.frame_arguments import check_frame
from reciperec_layers.data.times import time_seconds
from reciperec_layers.errors import ArgumentError, ColumnError, explain
from reciperec_layers.recency import choose_half_life, decayed_counts, far_future
from reciperec_layers.seen import Seen
from reciperec_layers.vocabulary import Vocabulary

_BLOCK_ROWS = 1024
_MISS = np.iinfo(np.int64).max


class Popularity:
    """Ranks candidates by how often they occur in the training data; ties follow the order of the corpus.

    With `half_life`, an interaction counts half as much every half-life before the newest one: where tastes change,
    popularity of late is a much harder baseline than popularity of all time. Rows with a time far after all others, at
    most one in a hundred, do not count then, and a warning names it.

    Args:
        train: Training interactions, at least one row.
        candidate: Name of the candidate column.
        candidates: Frame of the corpus, whose column `candidate` has unique ids; by default the candidates of `train`
            in the order in which they first occur. Candidates that never occur rank last; interactions with other
            candidates are ignored.
        half_life: Half-life in days, above 0; `"recent"`, which chooses the one whose counts predict the newest tenth
            of `train` best; or `None`, the default, which counts all rows alike.
        time: Column of times in `train`, which `half_life` needs; by default the first with a conventional name, such
            as `timestamp`. Datetimes, ISO-8601 text, or numbers of seconds, milliseconds, microseconds or nanoseconds
            since 1970, whichever their size fits. Times without a time zone are UTC.

    Raises:
        ColumnError: A frame has no such column.
        IdError: An id is missing, repeats in the corpus, is neither an integer nor text, or differs in type from the
            ids of the corpus.
        ArgumentError: A frame has no rows, `half_life` is out of range, or a time is missing or cannot be read.

    Example:
        >>> train = pd.DataFrame({"user_id": [7, 7, 9], "recipe_id": ["soup", "pie", "pie"]})
        >>> popularity = Popularity(train, "recipe_id")
        >>> popularity.recommend([9], k=2)
        (array([[2., 1.]], dtype=float32), array([['pie', 'soup']], dtype=object))
        >>> popularity.evaluate(train, ks=[1])["factorized_top_k/top_1_categorical_accuracy"]
        0.66...
        >>> days = pd.to_datetime(["2024-01-01", "2024-01-01", "2024-01-31"])
        >>> train = pd.DataFrame({"recipe_id": ["soup", "soup", "pie"], "time": days})
        >>> Popularity(train, "recipe_id", half_life=15).recommend(1, k=2)
        (array([[1. , 0.5]], dtype=float32), array([['pie', 'soup']], dtype=object))
    """

    def __init__(
        self,
        train: Any,
        candidate: str,
        candidates: Any = None,
        *,
        half_life: float | Literal["recent"] | None = None,
        time: str | None = None,
    ) -> None:
        train = from_arrow(train, "Popularity: train")
        occurred = _ids(train, candidate, "Popularity: train")
        if candidates is None:
            self._corpus = Vocabulary(pd.unique(occurred))
        else:
            self._corpus = Vocabulary(_ids(candidates, candidate, "Popularity: candidates"))
        indices, size = self._corpus.lookup(occurred), len(self._corpus)
        half_life = _checked_half_life(half_life)
        seconds = np.zeros(len(indices))
        if half_life is not None:
            seconds = _seconds(train, time)
            is_believed = ~far_future(seconds, "Popularity")
            indices, seconds = indices[is_believed], seconds[is_believed]
        self._half_life = choose_half_life(indices, seconds, size) if half_life == "recent" else half_life
        self._counts = decayed_counts(indices, seconds, size, self._half_life)
        self._counts.setflags(write=False)
        order = np.argsort(-self._counts, kind="stable")
        self._candidate = candidate
        self._ids = self._corpus.ids[order]
        self._scores = self._counts[order].astype(np.float32)
        self._ranks = np.empty(len(order), dtype=np.int64)
        self._ranks[order] = np.arange(1, len(order) + 1)

    @property
    def half_life(self) -> float | None:
        """Half-life in days, given or chosen, or `None` where all rows count alike."""
        return self._half_life

    @property
    def counts(self) -> np.ndarray:
        """How often each candidate occurs, decayed by the half-life, float64 in corpus order. Read-only."""
        return self._counts

    def recommend(self, queries: int | Any, k: int, exclude: Seen | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns the k most frequent candidates for each query.

        Args:
            queries: Number of queries, or their ids, shape `(n,)`.
            k: Candidates for each, at least 1.
            exclude: Candidates that the queries have seen, which are left out; `queries` must then be ids.

        Returns:
            Counts, decayed by the half-life, float32, and candidate ids, int64 or objects that are `str`, each of
            shape `(n, k)`, best first. Where fewer than k remain, counts are -inf and ids -1 or `""`.
        """
        owner = "Popularity.recommend"
        ids: Any = queries if isinstance(queries, Sized) and not isinstance(queries, (str, bytes)) else None
        n = check_integer(owner, "queries", queries, least=0, example=2) if ids is None else len(ids)
        k = check_k(owner, k, len(self._ids), n)
        if exclude is None:
            return self._pick(np.tile(np.arange(1, k + 1), (n, 1)))
        if ids is None:
            problem = "`exclude` needs the ids of the queries"
            raise ArgumentError(explain(owner, problem, queries=queries, fix="Pass their ids"))
        ids = to_id_array(ids, owner)
        blocks = [ids[start : start + _BLOCK_ROWS] for start in range(0, max(len(ids), 1), _BLOCK_ROWS)]
        return self._pick(np.concatenate([self._unseen_ranks(block, k, exclude) for block in blocks]))

    def evaluate(
        self, test: Any, ks: Iterable[int] = (1, 5, 10, 50, 100), exclude: Seen | None = None
    ) -> dict[str, float]:
        """Returns the share of test rows whose candidate is among the k most frequent, for each k.

        Args:
            test: Held-out interactions, at least one row. A candidate outside the corpus is a miss.
            ks: Numbers of candidates, each at least 1.
            exclude: Candidates that the queries have seen, left out of the ranking. A held-out candidate that was
                seen is a miss.

        Returns:
            Shares by the keys of `RetrievalModel.evaluate`: `factorized_top_k/top_{k}_categorical_accuracy`.
        """
        owner = "Popularity.evaluate"
        ks = [check_integer(owner, "ks", k, example=(1, 10)) for k in ks]
        ranks = self._held_out_ranks(test, exclude, owner)
        return {f"factorized_top_k/top_{k}_categorical_accuracy": float(np.mean(ranks <= k)) for k in ks}

    def held_out_ranks(self, test: Any, exclude: Seen | None = None) -> np.ndarray:
        """Returns the rank of each row's candidate, 1 for the most frequent.

        Args:
            test: As for `evaluate`.
            exclude: As for `evaluate`.

        Returns:
            int64 of shape `(n,)`; 2**63 - 1, which is `metrics.MISS`, for a candidate that was seen or is outside the
            corpus.
        """
        return self._held_out_ranks(test, exclude, "Popularity.held_out_ranks")

    def _held_out_ranks(self, test: Any, exclude: Seen | None, owner: str) -> np.ndarray:
        test = from_arrow(test, owner)
        indices = self._corpus.lookup(_ids(test, self._candidate, owner))
        ranks = np.where(indices >= 0, self._ranks[indices], _MISS)
        if exclude is None:
            return ranks
        query_ids = _ids(test, exclude.query, owner)
        blocks = [slice(start, start + _BLOCK_ROWS) for start in range(0, max(len(ranks), 1), _BLOCK_ROWS)]
        return np.concatenate([self._ranks_among_unseen(ranks[each], query_ids[each], exclude) for each in blocks])

    def _ranks_among_unseen(self, ranks: np.ndarray, query_ids: np.ndarray, exclude: Seen) -> np.ndarray:
        seen_rows, seen_ranks = self._seen(query_ids, exclude)
        above = np.bincount(seen_rows[seen_ranks < ranks[seen_rows]], minlength=len(ranks))
        was_seen = np.bincount(seen_rows[seen_ranks == ranks[seen_rows]], minlength=len(ranks))
        return np.where((was_seen > 0) | (ranks == _MISS), _MISS, ranks - above)

    def _unseen_ranks(self, query_ids: np.ndarray, k: int, exclude: Seen) -> np.ndarray:
        """Returns for each query the ranks of its k most frequent unseen candidates."""
        rows, ranks = self._seen(query_ids, exclude)
        width = k + int(np.bincount(rows, minlength=1).max())
        unseen = np.ones((len(query_ids), width), dtype=bool)
        within = ranks <= width
        unseen[rows[within], ranks[within] - 1] = False
        # A stable sort brings the unseen to the front and keeps their order.
        return 1 + np.argsort(~unseen, axis=1, kind="stable")[:, :k]

    def _seen(self, query_ids: np.ndarray, exclude: Seen) -> tuple[np.ndarray, np.ndarray]:
        """Returns the row and the candidate's rank for every query and every candidate of the corpus it has seen."""
        splits, candidate_ids = exclude.rows(query_ids)
        rows = np.repeat(np.arange(len(query_ids)), np.diff(splits))
        indices = self._corpus.lookup(candidate_ids)
        return rows[indices >= 0], self._ranks[indices[indices >= 0]]

    def _pick(self, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the scores and ids at some ranks, padded beyond the corpus."""
        places = np.minimum(ranks, len(self._ids) + 1) - 1
        none = "" if is_text(self._ids) else -1
        return np.append(self._scores, np.float32(-np.inf))[places], np.append(self._ids, none)[places]


def _checked_half_life(value: Any) -> float | Literal["recent"] | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return check_number("Popularity", "half_life", value, above=0, example=90)
    if value == "recent":
        return "recent"
    problem, fix = '`half_life` must be a number of days, "recent" or None', 'Use for example half_life="recent"'
    raise ArgumentError(explain("Popularity", problem, half_life=value, fix=fix))


def _seconds(train: Any, time: str | None) -> np.ndarray:
    owner = "Popularity: train"
    try:
        column = find_column(train.keys(), TIME_COLUMNS, time, owner)
    except ColumnError as error:
        error.add_note('`half_life` needs times: name their column with time="...".')
        raise
    return time_seconds(train[require_column(train.keys(), column, owner)], owner)


def _ids(frame: Any, column: str, owner: str) -> np.ndarray:
    frame = check_frame(frame, owner, names=[column])
    return to_id_array(frame[require_column(frame.columns, column, owner)], f"{owner}: column {column!r}")
