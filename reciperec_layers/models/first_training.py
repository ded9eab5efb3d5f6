"""What a new model leaves to its first `fit`: temperature, number of epochs, and embeddings to start from."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.models.training_choice import Trainee, TrainingChoice, TrainingChooser
from reciperec_layers.saving.own_state import OwnState
from reciperec_layers.seen import Seen
from reciperec_layers.training.callbacks import CosineRate
from reciperec_layers.training.fit_arguments import training_size, with_callbacks

if TYPE_CHECKING:
    from reciperec_layers.models.retrieval_model import RetrievalModel

Columns = dict[str, Any]


class FirstTraining:
    """Chooses for a model that was not trained yet what `compile()` has left open, and prepares each `fit`.

    Args:
        model: The model.
        count: Counts its prior from training rows.
        ranker: From held-out rows, what to exclude and what unknown candidates are, to a function that ranks them.
        draw_seed: Returns the next seed.
    """

    def __init__(
        self,
        model: RetrievalModel,
        count: Callable[[Columns], Any],
        ranker: Callable[[Columns, Seen | None, str], Callable[[], np.ndarray]],
        draw_seed: Callable[[], int],
    ) -> None:
        self._model, self._count, self._ranker, self._draw_seed = model, count, ranker, draw_seed
        self.is_due = False  # only a model of `from_data` has one, until it is trained
        self._chooses = self._lowers_rate = False
        self._choice: TrainingChoice | None = None

    def set_open(self, *, chooses: bool, lowers_rate: bool) -> None:
        """Takes what `compile()` leaves open.

        Args:
            chooses: Whether temperature and number of epochs are to be chosen.
            lowers_rate: Whether the learning rate falls to 0 over the epochs of each `fit`.
        """
        self._chooses, self._lowers_rate = chooses, lowers_rate

    def begin(self) -> None:
        """Notes that the model is trained from here on, with what the prior knows."""
        self.is_due = False
        if self._model.prior is not None:
            with tf.init_scope():
                self._model.prior.open_gate()

    @contextmanager
    def undone_unless_begun(self) -> Generator[None, None, None]:
        """Gives a model back as it was where a first training ends by an error before its first epoch."""
        model = self._model
        if not (self.is_due and model.compiled):
            yield
            return
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)  # its state is a part of that of the model
        before, choice, temperature = OwnState(model), self._choice, getattr(model.in_batch_loss, "temperature", None)
        try:
            yield
        except BaseException:
            if self.is_due:
                if self._chooses and temperature is not None:
                    model.in_batch_loss.temperature = temperature
                before.restore()
                self._choice = choice
            raise

    def choose_for_fit(self, columns: Columns, options: Mapping[str, Any], callbacks: Iterable[Any]) -> TrainingChoice:
        """Returns a choice, which the next `fit` takes.

        Args:
            columns: All rows as tensors.
            options: Arguments of `fit`.
            callbacks: Keras callbacks of the training that chooses the number of epochs.
        """
        self._choice = self._choose(columns, options, callbacks)
        return self._choice

    def options_of_fit(self, all_columns: Callable[[], Columns | None], options: dict[str, Any]) -> dict[str, Any]:
        """Returns the arguments of `fit` with what was left to it; a first training gets its start.

        Args:
            all_columns: Returns all rows as tensors, or `None` where they cannot be had.
            options: Arguments of `fit`.
        """
        choice, self._choice = (self._choice if self.is_due else None), None
        columns = all_columns() if self.is_due and (self._chooses or choice is not None) else None
        if columns is not None:
            size, weights = training_size(columns, options), options.get("sample_weight")
            columns = {name: column[:size] for name, column in columns.items()}
            if choice is None:
                weights = None if weights is None else weights[:size]
                choice = self._choose(columns, {**options, "sample_weight": weights})
        if choice is not None and choice.temperature is not None:
            self._set_temperature(choice.temperature)
        if columns is not None and choice is not None and options.get("epochs", choice.epochs) != 0:
            self._start(columns)
        if options.get("epochs") is None:
            options["epochs"] = 1 if choice is None else choice.epochs
        own: list[keras.callbacks.Callback] = []
        if self._lowers_rate:
            epochs = options["epochs"] if choice is None else max(choice.schedule_epochs, options["epochs"])
            own.append(CosineRate(epochs))
        own.append(keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: self.begin()))
        return {**options, "callbacks": with_callbacks(options.get("callbacks"), own)}

    def _choose(self, columns: Columns, options: Mapping[str, Any], callbacks: Iterable[Any] = ()) -> TrainingChoice:
        model = self._model
        may_set = self._chooses and getattr(model.in_batch_loss, "scores_corpus", False)
        set_temperature = self._set_temperature if may_set else None
        trainee = Trainee(model, self._count, self._start, set_temperature, self._ranker)
        verbose, owner = options.get("verbose", "auto"), type(model).__name__
        say = verbose if callable(verbose) else partial(print, f"{owner}.fit:") if verbose else lambda line: None
        of_rows = options.get("sample_weight"), options.get("batch_size")
        chooser = TrainingChooser(trainee, columns, *of_rows, self._draw_seed(), say)
        temperature = getattr(model.in_batch_loss, "temperature", None)
        self.is_due = False  # `fit` is called for each trial
        try:
            return chooser.choose(options.get("epochs"), callbacks)
        finally:
            self.is_due = True
            if set_temperature is not None and temperature is not None:
                set_temperature(temperature)

    def _start(self, columns: Columns) -> None:
        """Sets the embeddings of ids to those of `warm_start`, where the towers have tables of them."""
        model = self._model
        query_id, candidate_id = model.query_id_column, model.candidate_id
        if query_id is None or candidate_id is None or query_id not in columns:
            return
        sides = (model.query_tower, query_id), (model.candidate_tower, candidate_id)
        if all(tower.table_of_ids(name) is not None for tower, name in sides):
            model.warm_start(columns, self._draw_seed())

    def _set_temperature(self, temperature: float) -> None:
        self._model.in_batch_loss.temperature = temperature
        if self._model.prior is not None:
            self._model.prior.set_temperature(temperature)
