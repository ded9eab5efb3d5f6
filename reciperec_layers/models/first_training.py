"""What a new model leaves to its first `fit`: temperature, number of epochs, and embeddings to start from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.errors import explain
from reciperec_layers.models.training_choice import Trainee, TrainingChoice, TrainingChooser
from reciperec_layers.seen import Seen
from reciperec_layers.training.callbacks import CosineRate
from reciperec_layers.training.fit_arguments import list_of_callbacks, to_weight_array, training_size, with_callbacks

if TYPE_CHECKING:
    from reciperec_layers.models.retrieval_model import RetrievalModel

Columns = dict[str, Any]

# To see whether anything is known of queries.
_NUM_LOOKED_AT = 1000


class FirstTraining:
    """Chooses for a model that was not trained yet what `compile()` has left open, and prepares each `fit`.

    Args:
        model: The model.
        count: Counts its prior from training rows.
        ranker: From held-out rows, what to exclude and what unknown candidates are, to a function that ranks them.
        sampling: Returns a context in which training draws a sample of the corpus, as trials do.
        draw_seed: Returns the next seed.
        is_due: Whether anything is chosen at all; until the model is trained.
    """

    def __init__(
        self,
        model: RetrievalModel,
        count: Callable[[Columns], Any],
        ranker: Callable[[Columns, Seen | None, str], Callable[[], np.ndarray]],
        sampling: Callable[[], AbstractContextManager[Any]],
        draw_seed: Callable[[], int],
        is_due: bool,
    ) -> None:
        self._model, self._count, self._ranker, self._draw_seed = model, count, ranker, draw_seed
        self._sampling = sampling
        self.is_due = is_due
        self._chooses = self._lowers_rate = False
        self._choice: TrainingChoice | None = None

    def set_open(self, *, chooses: bool, lowers_rate: bool) -> None:
        """Takes what `compile()` leaves open.

        Args:
            chooses: Whether temperature and number of epochs are to be chosen.
            lowers_rate: Whether the learning rate falls to 0 over the epochs of each `fit`.
        """
        self._chooses, self._lowers_rate = chooses, lowers_rate

    @property
    def left_open(self) -> dict[str, bool]:
        """Arguments of `set_open`, as they were last given."""
        return {"chooses": self._chooses, "lowers_rate": self._lowers_rate}

    def begin(self) -> None:
        """Notes that the model is trained from here on, with what the prior knows."""
        self.is_due = False
        if self._model.prior is not None:
            with tf.init_scope():
                self._model.prior.open_gate()

    def choose_for_fit(self, columns: Columns, options: Mapping[str, Any], callbacks: Sequence[Any]) -> TrainingChoice:
        """Returns a choice, which the next `fit` takes.

        Args:
            columns: All rows as tensors.
            options: Arguments of `fit`.
            callbacks: Keras callbacks of the training that chooses the number of epochs.
        """
        self._choice = self._choose(columns, options, callbacks)
        return self._choice

    def options_of_fit(self, all_columns: Callable[[], Columns | None], options: dict[str, Any]) -> dict[str, Any]:
        """Returns the arguments of `fit` with what was left to it, and a callback that starts a first training.

        Until Keras calls that, nothing of the model has changed: a `fit` with a wrong argument can be corrected.

        Args:
            all_columns: Returns all rows as tensors, or `None` where they cannot be had.
            options: Arguments of `fit`.
        """
        choice = self._choice if self.is_due else None
        columns = all_columns() if self.is_due and (self._chooses or choice is not None) else None
        start: Callable[[], Any] | None = None
        if columns is not None:
            options = options | to_weight_array(options, columns, f"{type(self._model).__name__}.fit")
            size, weights = training_size(columns, options), options.get("sample_weight")
            columns = {name: column[:size] for name, column in columns.items()}
            self._warn_of_strangers(columns)
            if choice is None:
                weights = None if weights is None else weights[:size]
                choice = self._choose(columns, {**options, "sample_weight": weights})
            if options.get("epochs", choice.epochs) != 0:
                start = self._starter(columns)
        if options.get("epochs") is None:
            options["epochs"] = 1 if choice is None else choice.epochs
        own: list[keras.callbacks.Callback] = []
        given = list_of_callbacks(options.get("callbacks"))
        if self._lowers_rate and not any(isinstance(each, CosineRate) for each in given):
            epochs = options["epochs"] if choice is None else max(choice.schedule_epochs, options["epochs"])
            own.append(CosineRate(epochs))
        own.append(_Beginning(partial(self._prepare, choice, start), self.begin))
        return {**options, "callbacks": with_callbacks(options.get("callbacks"), own)}

    def _warn_of_strangers(self, columns: Columns) -> None:
        """Warns where the tower of queries knows nothing of the first rows, as with ids of another table."""
        known = self._model.query_knowledge({name: column[:_NUM_LOOKED_AT] for name, column in columns.items()})
        if (known["knowledge"] == "cold").all():
            problem = f"the query tower knows nothing of the first {len(known):,} rows"
            fix = "Check their ids, or make the model from these rows"
            text = explain(f"{type(self._model).__name__}.fit", problem, fix=fix)
            warnings.warn(text, UserWarning, stacklevel=4)

    def _choose(self, columns: Columns, options: Mapping[str, Any], callbacks: Sequence[Any] = ()) -> TrainingChoice:
        model = self._model
        may_set = self._chooses and getattr(model.in_batch_loss, "scores_corpus", False)
        set_temperature = self._set_temperature if may_set else None
        trainee = Trainee(model, self._count, lambda columns: self._starter(columns)(), set_temperature, self._ranker)
        verbose, owner = options.get("verbose", "auto"), type(model).__name__
        say = verbose if callable(verbose) else partial(print, f"{owner}.fit:") if verbose else lambda line: None
        of_rows = options.get("sample_weight"), options.get("batch_size")
        chooser = TrainingChooser(trainee, columns, *of_rows, self._draw_seed(), say)
        temperature = getattr(model.in_batch_loss, "temperature", None)
        self.is_due = False  # `fit` is called for each trial
        try:
            with self._sampling() if may_set else nullcontext():
                return chooser.choose(options.get("epochs"), callbacks)
        finally:
            self.is_due = True
            if set_temperature is not None and temperature is not None:
                set_temperature(temperature)

    def _prepare(self, choice: TrainingChoice | None, start: Callable[[], Any] | None) -> None:
        self._choice = None
        if choice is not None and choice.temperature is not None:
            self._set_temperature(choice.temperature)
        if start is not None:
            start()

    def _starter(self, columns: Columns) -> Callable[[], Any]:
        """Returns a function that calls `warm_start`, by a seed drawn now, where the towers have tables of ids."""
        model = self._model
        query_id, candidate_id = model.query_id_column, model.candidate_id
        if query_id is None or candidate_id is None or query_id not in columns:
            return lambda: None
        sides = (model.query_tower, query_id), (model.candidate_tower, candidate_id)
        if all(tower.table_of_ids(name) is not None for tower, name in sides):
            return partial(model.warm_start, columns, self._draw_seed())
        return lambda: None

    def _set_temperature(self, temperature: float) -> None:
        self._model.in_batch_loss.temperature = temperature
        if self._model.prior is not None:
            self._model.prior.set_temperature(temperature)


class _Beginning(keras.callbacks.Callback):
    """Prepares a training once, when Keras has accepted its arguments, and notes its first epoch."""

    def __init__(self, prepare: Callable[[], Any], begin: Callable[[], Any]) -> None:
        super().__init__()
        self._prepare: Callable[[], Any] | None = prepare
        self._begin = begin

    def on_train_begin(self, logs: Any = None) -> None:
        prepare, self._prepare = self._prepare, None  # which holds all rows
        if prepare is not None:
            prepare()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begin()
