"""Rankings: ranks and recommendations of a model and of its baselines, computed once and shared."""

from __future__ import annotations

import time as clock
import warnings
from collections.abc import Collection
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from reciperec_layers.candidates.candidate_filters import corpus_rows
from reciperec_layers.candidates.knowledge import COLD, HOT, WARM
from reciperec_layers.columns.frames import to_frame
from reciperec_layers.columns.names import require_column, time_column
from reciperec_layers.data import Popularity, seen
from reciperec_layers.errors import (
    ArgumentError,
    ArgumentTypeError,
    ColumnError,
    MissingExtraError,
    StateError,
    explain,
)
from reciperec_layers.evaluation.paired_bootstrap import PairedDifference, paired_difference
from reciperec_layers.evaluation.sign_test import compared_hits
from reciperec_layers.evaluation.yardsticks.chosen_yardsticks import Yardsticks, chosen_yardsticks
from reciperec_layers.evaluation.yardsticks.fitted_yardstick import FittedYardstick
from reciperec_layers.metrics import RankMetric, Recall
from reciperec_layers.models import RetrievalModel

MODEL, POPULARITY, RECENT_POPULARITY = "model", "popularity", "recent popularity"

_OWNER = "compare"


class Rankings:
    """Ranks of held-out candidates, and recommendations, by a model and by its baselines.

    The baselines are popularity in training and, where the training interactions have times, recent popularity:
    `data.Popularity(half_life="recent")`; and yardsticks, where they are asked for. A held-out candidate outside the
    corpus is a miss for all.

    Args:
        model: A model with candidates.
        test: Held-out interactions: the columns that the query tower reads, and the candidate id.
        train: Training interactions: the query id and the candidate id. `None` for the model alone.
        query: Column of query ids in both frames; by default the model's.
        exclude_seen: Whether to leave the training candidates of a query out of its ranking.
        batch_size: Number of rows to rank at once.
        time: Column of times in `train`, as for `data.Popularity`. By default the first with a conventional name; if
            its times cannot be read, a warning says so, and recent popularity is left out.
        yardsticks: `"all"`, or a list of names and `Yardstick` objects. Of all, a warning names those that cannot be
            made.

    Raises:
        StateError: The model has no candidates.
        ArgumentError: The query column is not known, times of the column `time` cannot be read, or a yardstick is not
            known.
        ArgumentTypeError: `model` is not a `RetrievalModel`, or `test` or `train` is not a data frame.
        ColumnError: A frame lacks a column.

    Example:
        >>> from reciperec_layers import IdTower
        >>> train = pd.DataFrame({"user_id": [7, 7, 9], "recipe_id": ["pie", "soup", "pie"]})
        >>> test = pd.DataFrame({"user_id": [9, 5], "recipe_id": ["soup", "pie"]})
        >>> towers = IdTower([7, 9], 4, feature="user_id"), IdTower(["pie", "soup"], 4, feature="recipe_id")
        >>> rankings = Rankings(RetrievalModel(*towers, {"recipe_id": ["pie", "soup"]}), test, train)
        >>> rankings.ranks["popularity"].tolist()
        [1, 1]
    """

    def __init__(
        self,
        model: RetrievalModel,
        test: Any,
        train: Any = None,
        query: str | None = None,
        exclude_seen: bool = True,
        batch_size: int = 1024,
        time: str | None = None,
        yardsticks: Yardsticks = None,
    ) -> None:
        test, train = to_frame(test, f"{_OWNER}: test"), to_frame(train, f"{_OWNER}: train")
        check_model_and_frames(model, test, train)
        if model.corpus is None:
            fix = "Create it with candidates=..."
            raise StateError(explain(_OWNER, "the model has no candidates", candidates=None, fix=fix))
        self.model, self.test, self.train, self.corpus = model, test, train, model.corpus
        self.query, self.candidate = _query_column(model, query), model.corpus.id_column
        for frame, name in ((test, "test"), (train, "train")):
            for column in (self.query, self.candidate):
                if frame is not None:
                    require_column(frame.columns, column, f"{_OWNER}: {name}")
        self.exclude = None if train is None or not exclude_seen else seen(train, self.query, self.candidate)
        if train is not None and time is not None:
            require_column(train.columns, time, f"{_OWNER}: train")
        self._batch_size, self._time = batch_size, time
        self._yardsticks, self._leave_out = chosen_yardsticks(yardsticks, _OWNER), yardsticks == "all"
        self._seconds: dict[str, float] = {}
        self._recommended: dict[int, dict[str, tuple[np.ndarray, np.ndarray]]] = {}

    @cached_property
    def baselines(self) -> dict[str, Popularity | FittedYardstick]:
        """Popularity, recent popularity and the yardsticks by name; none without training interactions."""
        if self.train is None:
            return {}
        candidates = pd.DataFrame({self.candidate: self.corpus.vocabulary.ids})
        found: dict[str, Popularity | FittedYardstick] = {}
        with _Seconds(self._seconds, POPULARITY):
            found[POPULARITY] = Popularity(self.train, self.candidate, candidates)
        time = self._time or time_column(self.train.columns)
        if time is not None:
            try:
                with _Seconds(self._seconds, RECENT_POPULARITY):
                    recent = Popularity(self.train, self.candidate, candidates, half_life="recent", time=time)
                found[RECENT_POPULARITY] = recent
            except (ArgumentError, ColumnError) as error:
                if self._time is not None:
                    raise
                warnings.warn(f"{_OWNER}: recent popularity is left out. {error}", stacklevel=2)
                time = None
        for yardstick in self._yardsticks:
            try:
                with _Seconds(self._seconds, yardstick.name):
                    corpus = self.corpus.vocabulary
                    found[yardstick.name] = yardstick.fit(self.train, self.query, self.candidate, corpus, time)
            except (ArgumentError, MissingExtraError) as error:
                if not self._leave_out:
                    raise
                warnings.warn(f"{_OWNER}: {yardstick.name} is left out. {error}", stacklevel=2)
        return found

    @property
    def half_life(self) -> float | None:
        """Half-life of recent popularity in days; `None` where all rows count alike, or where there are no times."""
        recent = self.baselines.get(RECENT_POPULARITY)
        return recent.half_life if isinstance(recent, Popularity) else None

    @property
    def seconds(self) -> dict[str, float]:
        """How long each baseline took to make, choosing its options included."""
        return {name: self._seconds[name] for name in self.baselines}

    @cached_property
    def ranks(self) -> dict[str, np.ndarray]:
        """Rank of the candidate of each test row, int64 of shape `(n,)`, by recommender."""
        return {MODEL: self.model_ranks, **self.baseline_ranks}

    @cached_property
    def model_ranks(self) -> np.ndarray:
        """Rank of the candidate of each test row by the model, int64 of shape `(n,)`."""
        for name in self.model.columns_read(list(self.test.columns), "evaluate"):
            require_column(self.test.columns, name, f"{_OWNER}: test")
        return self.model.held_out_ranks(self.test, self.exclude, "miss", self._batch_size)

    @cached_property
    def baseline_ranks(self) -> dict[str, np.ndarray]:
        """Rank of the candidate of each test row, int64 of shape `(n,)`, by baseline."""
        return {name: each.held_out_ranks(self.test, self.exclude) for name, each in self.baselines.items()}

    def outcomes(self, k: int, ranks: np.ndarray | None = None, chosen: np.ndarray | None = None) -> dict[str, int]:
        """Returns by baseline whether a model beats it in hits among the k best: 1; is behind: -1; or is level: 0.

        Args:
            k: How many.
            ranks: Ranks of the test rows by seeds of a model, shape `(num_seeds, n)`; by default those of this one.
            chosen: Which test rows to look at, shape `(n,)`; by default all.
        """
        chosen = np.ones(len(self.test), bool) if chosen is None else chosen
        hits = np.mean(np.atleast_2d(self.model_ranks if ranks is None else ranks)[:, chosen] <= k, axis=0)
        queries = pd.factorize(self.test[self.query].to_numpy()[chosen])[0]
        return {name: compared_hits(queries, hits, each[chosen] <= k) for name, each in self.baseline_ranks.items()}

    def differences(
        self,
        metric: RankMetric | None = None,
        chosen: np.ndarray | None = None,
        ranks: np.ndarray | None = None,
        baselines: Collection[str] | None = None,
    ) -> dict[str, PairedDifference]:
        """Returns by baseline how much better or worse a model is, with an interval.

        Args:
            metric: A metric of ranks; by default recall at 10.
            chosen: Which test rows to look at, shape `(n,)`, at least one; by default all.
            ranks: As for `outcomes`.
            baselines: Names of the baselines to compare with; by default all.
        """
        metric = Recall(10) if metric is None else metric
        chosen = np.ones(len(self.test), bool) if chosen is None else chosen
        of_model = np.atleast_2d(self.model_ranks if ranks is None else ranks)[:, chosen]
        queries, sizes = self.test[self.query].to_numpy()[chosen], self.num_candidates[chosen]
        return {
            name: paired_difference(queries, of_model, each[chosen], metric, num_candidates=sizes)
            for name, each in self.baseline_ranks.items()
            if baselines is None or name in baselines
        }

    def losses(self, k: int, name: str = "The model", ranks: np.ndarray | None = None) -> list[str]:
        """Returns a sentence for each baseline that a model is behind, with the interval of the difference.

        Args:
            k: As for `outcomes`, which decides; the numbers are recall at k.
            name: What to call the model.
            ranks: As for `outcomes`.
        """
        behind = [baseline for baseline, outcome in self.outcomes(k, ranks).items() if outcome < 0]
        differences = self.differences(Recall(k), ranks=ranks, baselines=behind)
        return [f"{name} loses to {baseline}: {found}." for baseline, found in differences.items()]

    @cached_property
    def num_candidates(self) -> np.ndarray:
        """Number of candidates that the query of each test row chooses from, int64 of shape `(n,)`."""
        total = np.full(len(self.test), len(self.corpus), np.int64)
        if self.exclude is None:
            return total
        return total - corpus_rows(self.corpus, *self.exclude.rows(self.test[self.query])).row_lengths().numpy()

    @cached_property
    def query_knowledge(self) -> np.ndarray:
        """What the model knows of the query of each test row, as `RetrievalModel.query_knowledge`, shape `(n,)`."""
        return self.model.query_knowledge(self.test)["knowledge"].to_numpy()

    @property
    def query_shares(self) -> dict[str, float] | None:
        """Shares of the test rows whose query is hot, warm and cold; `None` where the query tower cannot tell."""
        if not self.model.query_tower.knowledge_levels:
            return None
        return {word: float(np.mean(self.query_knowledge == word)) for word in (HOT, WARM, COLD)}

    @cached_property
    def candidate_knowledge(self) -> np.ndarray:
        """What the model knows of the candidate of each test row, shape `(n,)`; `None` outside the corpus.

        A candidate is hot if it also occurs in the training interactions, where they are given.
        """
        trained_ids = None if self.train is None else self.train[self.candidate].unique()
        of_corpus = self.model.candidate_knowledge(trained_ids=trained_ids)["knowledge"].to_numpy()
        rows = self.corpus.vocabulary.lookup(self.test[self.candidate])
        words = of_corpus[rows]
        words[rows < 0] = None
        return words

    def recommended(self, k: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Returns scores and ids of the k best candidates by recommender, one row per distinct query.

        Queries are in the order of their first test rows.

        Args:
            k: Number of candidates per query, at most the size of the corpus.
        """
        if k not in self._recommended:
            first_rows = self.test[~self.test.duplicated(self.query)]
            found = {MODEL: self.model.recommend(first_rows, k, self.exclude)}
            for name, baseline in self.baselines.items():
                found[name] = baseline.recommend(first_rows[self.query], k, self.exclude)
            self._recommended[k] = found
        return self._recommended[k]


class _Seconds:
    """Notes under a name how long a block took."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name = seconds, name

    def __enter__(self) -> None:
        self._began = clock.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._name] = clock.perf_counter() - self._began


def check_model_and_frames(model: Any, test: Any, train: Any, needs_train: bool = False) -> None:
    """Raises `ArgumentTypeError` unless the model is a `RetrievalModel` and the data are data frames.

    Args:
        model: The value passed as model.
        test: The value passed as test interactions.
        train: The value passed as training interactions.
        needs_train: Whether `train` must not be `None`.

    Example:
        >>> check_model_and_frames(None, pd.DataFrame(), pd.DataFrame())
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentTypeError: compare: `model` must be a RetrievalModel. Received: model=None. ...
    """
    if not isinstance(model, RetrievalModel):
        fix = "Pass the model first, then test and train"
        raise ArgumentTypeError(explain(_OWNER, "`model` must be a RetrievalModel", model=model, fix=fix))
    for name, frame in (("test", test), ("train", train)):
        if not isinstance(frame, pd.DataFrame) and not (name == "train" and frame is None and not needs_train):
            fix = "Pass the data frame that the batches were made from"
            raise ArgumentTypeError(explain(_OWNER, f"`{name}` must be a data frame", **{name: frame}, fix=fix))


def _query_column(model: RetrievalModel, query: str | None) -> str:
    query = model.query_id_column if query is None else query
    if query is None:
        fix = 'Pass query="...", or create the model with query_id="..."'
        problem = "the query column is not known"
        raise ArgumentError(explain(_OWNER, problem, query_columns=model.query_columns, fix=fix))
    return query
