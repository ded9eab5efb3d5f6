"""Yardstick: contract of the recommenders that a model is compared with."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from reciperec_layers.columns.frames import to_frame
from reciperec_layers.columns.names import require_column
from reciperec_layers.data import seen
from reciperec_layers.data.times import time_seconds
from reciperec_layers.evaluation.yardsticks.fitted_yardstick import FittedYardstick, Scorer
from reciperec_layers.evaluation.yardsticks.interaction_matrix import InteractionMatrix
from reciperec_layers.vocabulary import Vocabulary, to_vocabulary

_HELD_OUT_SHARE = 0.1
_DEEPEST = 100


class Yardstick(ABC):
    """A recommender that learns from training interactions alone. Base of `ItemKNN`, `EASE` and `ALS`.

    An option that is `"auto"` is chosen from the values in `grids` on the newest tenth of the training rows, or on a
    random tenth where there are no times, by the mean of 1 / log2(1 + rank) over the held-out rows within the 100 best;
    then everything is learned from all training rows. Test rows are never looked at.

    A subclass has a `name` for tables and sentences, and in `grids`, by option, the values among which `"auto"`
    chooses, the default first.

    Example:
        >>> class Newest(Yardstick):
        ...     name = "newest"
        ...     @property
        ...     def options(self):
        ...         return {}
        ...     def learn(self, interactions):
        ...         return lambda rows: np.tile(np.arange(interactions.shape[1]), (len(rows), 1))
        >>> train = pd.DataFrame({"user_id": [7, 9], "recipe_id": ["pie", "soup"]})
        >>> Newest().fit(train, "user_id", "recipe_id", ["pie", "soup", "stew"]).recommend([7], 2)[1].tolist()
        [['stew', 'soup']]
    """

    name: ClassVar[str]
    grids: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """The constructor's arguments."""

    @abstractmethod
    def learn(self, interactions: Any) -> Scorer:
        """Learns, and returns a function that scores.

        Args:
            interactions: `scipy.sparse.csr_matrix` of float64 ones, of shape `(num_queries, num_candidates)`.

        Returns:
            Function from row numbers, integers of shape `(n,)`, to scores of shape `(n, num_candidates)`. It is not
            asked for rows without interactions.
        """

    def choices(self) -> list[Yardstick]:
        """Returns this yardstick with each combination of values for the options that are `"auto"`."""
        open_options = [name for name, value in self.options.items() if value == "auto"]
        values = itertools.product(*(self.grids[name] for name in open_options))
        return [type(self)(**self.options | dict(zip(open_options, each, strict=True))) for each in values]

    def fit(
        self, train: Any, query: str, candidate: str, candidates: Any, time: str | None = None, seed: int = 42
    ) -> FittedYardstick:
        """Returns the yardstick made from training interactions.

        Args:
            train: Training interactions, at least one row.
            query: Column of query ids.
            candidate: Column of candidate ids; those outside the corpus are left out.
            candidates: The ids of the corpus, unique, or a `Vocabulary` of them.
            time: Column of times, to choose on the newest rows.
            seed: Seed of the rows to choose on without times.

        Raises:
            MissingExtraError: SciPy, or what the yardstick needs, is not installed.
            ArgumentError: The corpus is too large for it, or times cannot be read.
            ColumnError: The frame lacks a column.
        """
        train, corpus = to_frame(train, f"{self.name}: train"), to_vocabulary(candidates)
        for column in (query, candidate, *([] if time is None else [time])):
            require_column(train.columns, column, f"{self.name}: train")
        choices = self.choices()
        order = _oldest_first(train, time, seed)
        num_held_out = int(len(order) * _HELD_OUT_SHARE)
        chosen = choices[0]
        if len(choices) > 1 and num_held_out:
            chosen = _best(choices, train, order, num_held_out, query, candidate, corpus)
        return _made(chosen, InteractionMatrix(train, query, candidate, corpus), query, candidate)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.options.items())})"


def _oldest_first(train: pd.DataFrame, time: str | None, seed: int) -> np.ndarray:
    if time is None:
        return np.random.default_rng(seed).permutation(len(train))
    return np.argsort(time_seconds(train[time], "yardsticks: train"), kind="stable")


def _best(
    choices: list[Yardstick],
    train: pd.DataFrame,
    order: np.ndarray,
    num_held_out: int,
    query: str,
    candidate: str,
    corpus: Vocabulary,
) -> Yardstick:
    """Returns the choice that ranks the held-out rows best, the first of equals."""
    rest, held_out = train.iloc[order[:-num_held_out]], train.iloc[order[-num_held_out:]]
    interactions, exclude = InteractionMatrix(rest, query, candidate, corpus), seen(rest, query, candidate)

    def gain(choice: Yardstick) -> float:
        ranks = _made(choice, interactions, query, candidate).held_out_ranks(held_out, exclude)
        return float(np.where(ranks <= _DEEPEST, 1 / np.log2(1.0 + ranks), 0).mean())

    return max(choices, key=gain)


def _made(choice: Yardstick, interactions: InteractionMatrix, query: str, candidate: str) -> FittedYardstick:
    scorer = choice.learn(interactions.matrix)
    return FittedYardstick(choice.name, choice.options, query, candidate, interactions, scorer)
