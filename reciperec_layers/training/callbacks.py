"""Callbacks that `fit` adds by itself."""

from __future__ import annotations

import math
from typing import Any

import keras

from reciperec_layers.errors import DivergedError, explain


class StopOnDivergence(keras.callbacks.Callback):
    """Stops training with an error at the first loss that is not finite.

    Args:
        owner: Name of the model's class, for messages.

    Raises:
        DivergedError: The loss is NaN or infinite; names the epoch and the step, or the steps of the execution.

    Example:
        >>> StopOnDivergence("RetrievalModel").on_train_batch_end(3, {"total_loss": float("nan")})
        Traceback (most recent call last):
        reciperec_layers.errors.DivergedError: RetrievalModel.fit: the loss is not finite at step 4 of epoch 1...
    """

    def __init__(self, owner: str) -> None:
        super().__init__()
        self._owner = owner
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = float((logs or {}).get("total_loss", 0.0))
        if not math.isfinite(loss):
            steps, last = getattr(self.model, "steps_per_execution", 1), batch + 1
            where = f"at step {last}" if steps == 1 else f"in the steps {last + 1 - steps} to {last}"
            problem = f"the loss {'is' if steps == 1 else 'became'} not finite {where} of epoch {self._epoch + 1}"
            fix = (
                "Try a lower learning rate, normalize=True with a temperature near 0.1, or clipnorm=1.0, and check "
                "that all sample weights are finite"
            )
            raise DivergedError(explain(f"{self._owner}.fit", problem, total_loss=loss, fix=fix))


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
