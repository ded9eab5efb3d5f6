"""The temperature and the number of epochs of a training, chosen on rows that are held out of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.candidates.collected_columns import collected_columns
from reciperec_layers.columns.tensors import num_rows
from reciperec_layers.metrics import MISS
from reciperec_layers.saving.own_state import OwnState
from reciperec_layers.seen import Seen
from reciperec_layers.training.held_out_rows import held_out_rows
from reciperec_layers.training.temperature_search import next_lower, search_temperature

if TYPE_CHECKING:
    from reciperec_layers.models.retrieval_model import RetrievalModel

# Over so many epochs the learning rate falls to 0, and training has no more. The second is taken where the first was
# too short.
SCHEDULES = (30, 60)
# Training ends after this part of its epochs that are no better than the best.
_PATIENCE = 1 / 6
# A lower temperature learns more slowly. After this part of its epochs it is given up if it is behind the best so far
# by such a share of NDCG: on Gowalla .071 was behind .1 by 6 % there, and by 4 % in the end.
_LOOK, _FAR_BEHIND = 1 / 3, 0.03
# Where there are too few rows to choose on.
_EPOCHS_UNTOLD = 10
# In the logs of the training that chooses the number of epochs.
HELD_OUT_NDCG = "held_out_ndcg"
# While one training takes long.
_SECONDS_BETWEEN_LINES = 10.0
# Of a trial of one temperature.
_STEPS_OF_TRIAL = 100
# By so many standard errors an epoch must be better than popularity: the best of many is a little better by luck.
_STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class TrainingChoice:
    """What `RetrievalModel.choose_training` found.

    Args:
        temperature: Of the loss; `None` where it was not searched.
        epochs: How many epochs were best, or how many were asked for; 60 where the last of 30 were the best. 0 where
            none was better than the prior alone, or by less than two standard errors of the difference.
        schedule_epochs: Over how many epochs the learning rate falls to 0, of which training may have fewer.
        num_held_out: On how many rows this was chosen; 0 where there were too few rows to hold some out.
        ndcg: Of the held-out rows after the best epoch that was tried: the mean of `1 / log2(1 + rank)`, in [0, 1].
        ndcg_of_prior: The same of the model before training, which ranks by popularity.

    Example:
        >>> TrainingChoice(temperature=0.14, epochs=12, schedule_epochs=30).epochs
        12
    """

    temperature: float | None
    epochs: int
    schedule_epochs: int
    num_held_out: int = 0
    ndcg: float | None = None
    ndcg_of_prior: float | None = None


@dataclass(frozen=True)
class Trainee:
    """A model to choose for, and what a training of it begins with.

    Args:
        model: Compiled, and not trained yet.
        count: Counts the prior from training rows, tensors by column.
        start: Sets embeddings to start from.
        set_temperature: Sets that of the loss; `None` where it stays as it is.
        ranker: From held-out rows, what to exclude and what unknown candidates are, to a function that ranks them.
    """

    model: RetrievalModel
    count: Callable[[dict[str, Any]], Any]
    start: Callable[[dict[str, Any]], Any]
    set_temperature: Callable[[float], Any] | None
    ranker: Callable[[dict[str, Any], Seen | None, str], Callable[[], np.ndarray]]


class TrainingChooser:
    """Trains a model on nine of ten rows, again and again from where it started, and looks at the tenth.

    Args:
        trainee: The model. In the end it is as it was before.
        columns: Tensors by column, of all rows.
        sample_weight: Array of shape `(num_rows,)`, or `None`.
        batch_size: As for `fit`.
        seed: Seed of what is held out.
        say: Gets one line after each step.
    """

    def __init__(
        self,
        trainee: Trainee,
        columns: dict[str, Any],
        sample_weight: Any,
        batch_size: int | None,
        seed: int | None,
        say: Callable[[str], Any],
    ) -> None:
        self._trainee, self._say, model = trainee, say, trainee.model
        self._model = model
        self._options: dict[str, Any] = {"batch_size": batch_size, "verbose": 0}
        time = None if model.prior is None else model.prior.time
        times = columns[time].numpy() if time in columns else None
        query = model.query_id_column
        queries = collected_columns(columns, [query])[query] if query in columns else None
        held_out = held_out_rows(num_rows(next(iter(columns.values()))), queries, times, seed)
        self.num_held_out = 0 if held_out is None else int(held_out.sum())
        if held_out is None:
            return
        self._train, self._held_out = _parts(columns, ~held_out), _parts(columns, held_out)
        if sample_weight is not None:
            self._options["sample_weight"] = sample_weight[~held_out]
        self._rank = trainee.ranker(self._held_out, self._seen(), "miss")

    def choose(self, epochs: int | None, callbacks: Sequence[Any] = ()) -> TrainingChoice:
        """Returns temperature and number of epochs.

        Args:
            epochs: How many are asked for, or `None` to choose.
            callbacks: Keras callbacks of the training that chooses the number of epochs.
        """
        if not self.num_held_out:
            if epochs is None:
                epochs = _EPOCHS_UNTOLD
                self._say(f"too few rows to hold some out and choose: {epochs} epochs")
            return TrainingChoice(None, epochs, epochs)
        if not self._model.optimizer.built:
            self._model.optimizer.build(self._model.trainable_variables)  # its state is a part of that of the model
        before = OwnState(self._model)
        try:
            self._trainee.count(self._train)
            gains_of_prior = self._gains()
            ndcg_of_prior = float(np.mean(gains_of_prior))
            self._trainee.start(self._train)
            self._start = OwnState(self._model)
            self._say(f"popularity alone: NDCG {ndcg_of_prior:.4f} of {self.num_held_out:,} held-out rows")
            temperature = None if self._trainee.set_temperature is None else search_temperature(self._trial)
            if epochs is not None:
                return TrainingChoice(temperature, epochs, epochs, self.num_held_out, None, ndcg_of_prior)
            return self._choose_epochs(temperature, gains_of_prior, callbacks)
        finally:
            before.restore()

    def _choose_epochs(
        self, temperature: float | None, gains_of_prior: np.ndarray, callbacks: Sequence[Any]
    ) -> TrainingChoice:
        schedule, longer = SCHEDULES
        patience = math.ceil(schedule * _PATIENCE)

        def training(temperature: float | None, rival: Sequence[float] = ()) -> _Training:
            watch = HeldOutGains(self._gains, gains_of_prior, patience, rival[: math.ceil(schedule * _LOOK)])
            lines = _Lines(self._say, _at(temperature), schedule)
            self._fit(temperature, schedule, [watch, *(callbacks or [lines])])
            self._say(f"{_at(temperature)}{watch.best_epoch} of {schedule} epochs: NDCG {watch.best:.4f}")
            return _Training(temperature, watch.best_epoch, watch.best, watch.gains, watch.means)

        best = training(temperature)
        # Short trials like high temperatures, which learn what is common first.
        while best.epochs and best.temperature is not None and (lower := next_lower(best.temperature)) is not None:
            found = training(lower, best.means)
            if found.ndcg <= best.ndcg:
                break
            best = found
        epochs = best.epochs
        if epochs > schedule - patience:
            epochs = schedule = longer
        ndcg, ndcg_of_prior = best.ndcg, float(np.mean(gains_of_prior))
        if epochs and not exceeds_luck(best.gains - gains_of_prior):
            self._say(f"NDCG {ndcg:.4f} is above that of popularity by less than {_STANDARD_ERRORS:g} standard errors")
            epochs, ndcg = 0, ndcg_of_prior
        text = f"{_at(best.temperature)}{epochs} epochs" if epochs else "popularity, which no epoch clearly beats"
        self._say(f"chosen: {text}")
        found_on = self.num_held_out, ndcg, ndcg_of_prior
        return TrainingChoice(best.temperature, epochs, schedule, *found_on)

    def _trial(self, temperature: float) -> float:
        self._fit(temperature, 1, steps_per_epoch=_STEPS_OF_TRIAL)
        ndcg = self._ndcg()
        self._say(f"temperature {temperature:g}: NDCG {ndcg:.4f}")
        return ndcg

    def _fit(
        self,
        temperature: float | None,
        epochs: int,
        callbacks: Iterable[Any] = (),
        steps_per_epoch: int | None = None,
    ) -> None:
        self._start.restore()
        if temperature is not None and self._trainee.set_temperature is not None:
            self._trainee.set_temperature(temperature)
        options = {**self._options, "steps_per_epoch": steps_per_epoch}
        self._model.fit(self._train, epochs=epochs, callbacks=list(callbacks), **options)

    def _ndcg(self) -> float:
        return float(np.mean(self._gains()))

    def _gains(self) -> np.ndarray:
        """Returns what each held-out row adds to NDCG."""
        ranks = self._rank()
        return np.where(ranks == MISS, 0, 1 / np.log2(1.0 + ranks))

    def _seen(self) -> Seen | None:
        query, candidate = self._model.query_id_column, self._model.candidate_id
        if query is None or candidate is None or query not in self._train:
            return None
        ids = collected_columns(self._train, [query, candidate])
        return Seen(query, candidate, ids[query], ids[candidate])


@dataclass(frozen=True, eq=False)
class _Training:
    """A training on nine of ten rows: the best of its epochs, 0 for the prior, and what held-out rows gained there.

    `means` are the NDCG after each epoch.
    """

    temperature: float | None
    epochs: int
    ndcg: float
    gains: np.ndarray
    means: Sequence[float]


def exceeds_luck(differences: np.ndarray) -> bool:
    """Returns whether the mean of differences is above 0 by more than two of its standard errors.

    Args:
        differences: Of held-out rows, shape `(num_rows,)`.

    Example:
        >>> exceeds_luck(np.array([0.1, 0.2, 0.1, 0.2])), exceeds_luck(np.array([-0.1, 0.2, -0.1, 0.2]))
        (True, False)
    """
    return bool(np.mean(differences) > _STANDARD_ERRORS * np.std(differences, ddof=1) / math.sqrt(len(differences)))


class HeldOutGains(keras.callbacks.Callback):
    """Ranks the held-out rows after each epoch, and stops training that gets no better, or is far behind a rival.

    Args:
        gains_now: Returns what each held-out row adds to NDCG.
        gains_of_prior: The same before training.
        patience: For how many epochs training may get no better.
        rival: NDCG of another training after each of its first epochs, at the end of which the two are compared.

    Example:
        >>> watch = HeldOutGains(lambda: np.array([0.4, 0.6]), np.zeros(2), patience=5, rival=[])
        >>> watch.on_epoch_end(0)
        >>> watch.best, watch.best_epoch
        (0.5, 1)
    """

    def __init__(
        self, gains_now: Callable[[], np.ndarray], gains_of_prior: np.ndarray, patience: int, rival: Sequence[float]
    ) -> None:
        super().__init__()
        self._gains_now, self._patience, self._rival = gains_now, patience, rival
        self.means: list[float] = []
        self.gains, self.best, self.best_epoch = gains_of_prior, float(np.mean(gains_of_prior)), 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        gains = self._gains_now()
        ndcg = float(np.mean(gains))
        self.means.append(ndcg)
        if logs is not None:
            logs[HELD_OUT_NDCG] = ndcg
        if ndcg > self.best:
            self.gains, self.best, self.best_epoch = gains, ndcg, epoch + 1
        is_behind = len(self.means) == len(self._rival) and max(self.means) < (1 - _FAR_BEHIND) * max(self._rival)
        if is_behind or epoch + 1 - self.best_epoch >= self._patience:
            self.model.stop_training = True


class _Lines(keras.callbacks.Callback):
    """Says after some of the epochs how far training is."""

    def __init__(self, say: Callable[[str], Any], at: str, epochs: int) -> None:
        super().__init__()
        self._say, self._at, self._epochs = say, at, epochs
        self._began = self._said = monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        now, done = monotonic(), epoch + 1
        if now - self._said < _SECONDS_BETWEEN_LINES or done == self._epochs:
            return
        left, ndcg = (now - self._began) * (self._epochs - done) / done, (logs or {}).get(HELD_OUT_NDCG, math.nan)
        self._say(f"{self._at}epoch {done} of {self._epochs}: NDCG {ndcg:.4f}, at most {left:.0f} s left")
        self._said = now


def _at(temperature: float | None) -> str:
    return "" if temperature is None else f"temperature {temperature:g}, "


def _parts(columns: dict[str, Any], chosen: np.ndarray) -> dict[str, Any]:
    rows = np.flatnonzero(chosen)
    return {name: tf.gather(column, rows) for name, column in columns.items()}
