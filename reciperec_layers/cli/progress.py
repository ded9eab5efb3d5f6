"""Training progress on standard error."""

from __future__ import annotations

import sys
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from reciperec_layers.models.training_choice import HELD_OUT_NDCG


class TrainingProgress(keras.callbacks.Callback):
    """Shows epoch, step and loss: in a terminal as a transient bar, elsewhere as one line per epoch.

    Args:
        first_epoch: Number of epochs that were trained before.
        prefix: What each line begins with.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = keras.ops.ones((4, 1))
        >>> history = model.fit(x, x, epochs=2, verbose=0, callbacks=[TrainingProgress()])
    """

    def __init__(self, first_epoch: int = 0, prefix: str = "") -> None:
        super().__init__()
        self._prefix = prefix
        self._first_epoch = first_epoch
        self._console = Console(stderr=True, markup=False, highlight=False, emoji=False)
        self._bar: Progress | None = None
        self._ndcg: float | None = None
        self._epoch = 0

    def on_train_begin(self, logs: Any = None) -> None:
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=True)
            steps = self.params["steps"]
            done, total = self._first_epoch * steps, self.params["epochs"] * steps
            self._task = self._bar.add_task("training", completed=done, total=total)
            self._bar.start()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._bar is not None:
            step = f"step {batch + 1}/{self.params['steps']}"
            description = f"{self._describe_epoch()}, {step}, {self._watched(logs or {})}"
            self._bar.update(self._task, advance=1, description=description)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._ndcg = (logs or {}).get(HELD_OUT_NDCG)
        if self._bar is None:
            print(f"{self._describe_epoch()}: {self._watched(logs or {})}", file=sys.stderr)

    def on_train_end(self, logs: Any = None) -> None:
        self.stop()

    def stop(self) -> None:
        """Removes the bar, even if training was interrupted."""
        if self._bar is not None:
            self._bar.stop()

    def _describe_epoch(self) -> str:
        return f"{self._prefix}epoch {self._epoch + 1}/{self.params['epochs']}"

    def _watched(self, logs: dict[str, Any]) -> str:
        """Returns the loss, and the quality after the last epoch where some rows are held out."""
        of_held_out = "" if self._ndcg is None else f", held-out NDCG {self._ndcg:.4f}"
        return f"loss {logs.get('loss', 0.0):.4g}{of_held_out}"
