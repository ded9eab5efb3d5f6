"""Callbacks that `fit` adds by itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.errors import DivergedError
from reciperec_layers.training.divergence import NOT_FINITE


class StepNames(keras.callbacks.Callback):
    """Knows the epoch and the step, or the steps of the execution, and names them where training diverges.

    Args:
        owner: Name of the model's class, for messages.

    Example:
        >>> names = StepNames("RetrievalModel")
        >>> names.on_train_batch_begin(3)
        >>> with names.added():
        ...     raise DivergedError("RetrievalModel: the loss is not finite.")
        Traceback (most recent call last):
        reciperec_layers.errors.DivergedError: RetrievalModel.fit: the loss is not finite at step 4 of epoch 1.
    """

    def __init__(self, owner: str) -> None:
        super().__init__()
        self._owner = owner
        self._epoch = 0
        self._batch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._batch = batch

    @contextmanager
    def added(self) -> Iterator[None]:
        """Raises a `DivergedError` of a step again, with the epoch and the step in its message."""
        try:
            yield
        except DivergedError as error:
            steps, first = getattr(self.model, "steps_per_execution", 1), self._batch + 1
            where = f"is not finite at step {first}"
            if steps > 1:
                where = f"became not finite in the steps {first} to {first + steps - 1}"
            named = f"{self._owner}.fit: the loss {where} of epoch {self._epoch + 1}"
            raise DivergedError(str(error).replace(f"{self._owner}: {NOT_FINITE}", named, 1)) from None


class EpochOrder(keras.callbacks.Callback):
    """Tells a dataset of `data.batches` which epoch comes next, also when training is resumed.

    Args:
        dataset: Has a method `set_epoch`.

    Example:
        >>> from reciperec_layers import data
        >>> EpochOrder(data.batches({"user_id": [7, 9]}, batch_size=1, seed=1)).on_epoch_begin(2)
    """

    def __init__(self, dataset: Any) -> None:
        super().__init__()
        self._dataset = dataset

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._dataset.set_epoch(epoch)


class CosineRate(keras.callbacks.Callback):
    """Lets the learning rate fall to 0 over the epochs, along half of a cosine; afterwards it is what it was.

    Args:
        epochs: Over how many. Training may have fewer.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(1.0))
        >>> rate = CosineRate(4)
        >>> rate.set_model(model)
        >>> rate.on_epoch_begin(0)
        >>> round(float(model.optimizer.learning_rate), 3)
        0.962
        >>> rate.on_epoch_end(0)
        >>> float(model.optimizer.learning_rate)
        1.0
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._highest = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        optimizer = self.model.optimizer
        self._highest = float(tf.convert_to_tensor(optimizer.learning_rate))  # under a strategy it is no number
        passed = min(epoch + 0.5, self._epochs - 0.5) / self._epochs  # the middle of the epoch
        optimizer.learning_rate = self._highest * (1 + math.cos(math.pi * passed)) / 2

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = self._highest  # also for whoever saves the model now
