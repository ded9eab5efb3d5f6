"""The means over steps of a step's losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf


class LossMeans:
    """Means of a step's losses over the steps of an epoch. Their names are those that a step brings.

    Keras's `Mean` has two variables for each; here all are in one, which is added to once a step. With a small batch
    that is a tenth of the step.

    Example:
        >>> means = LossMeans()
        >>> means.update({"loss": 1.0, "total_loss": 1.0})
        >>> means.update({"loss": 2.0, "total_loss": 3.0})
        >>> {name: float(mean) for name, mean in means.results().items()}
        {'loss': 1.5, 'total_loss': 2.0}
        >>> [metric.name for metric in means.metrics]
        ['loss', 'total_loss']
    """

    def __init__(self) -> None:
        self.metrics: list[_LossMean] = []
        self._sums: Any = None
        # What a model with one loss brings, so that it can list its metrics before the first step.
        self._start(["loss", "regularization_loss", "total_loss"])

    def update(self, losses: Mapping[str, Any]) -> None:
        """Adds the losses of a step, scalars by name; the same names in the same order in every step."""
        if list(losses) != [metric.name for metric in self.metrics]:
            with tf.init_scope():  # a graph may just be being traced
                self._start(list(losses))
        self._sums.value.assign_add(tf.stack([*losses.values(), 1.0]))

    def results(self) -> dict[str, tf.Tensor]:
        """Returns the means by name, float32 scalars; 0 before the first step."""
        sums = tf.convert_to_tensor(self._sums)
        means = tf.unstack(tf.math.divide_no_nan(sums[:-1], sums[-1]))
        return {metric.name: mean for metric, mean in zip(self.metrics, means, strict=True)}

    def _start(self, names: list[str]) -> None:
        self.metrics = [_LossMean(name) for name in names]
        # The first one owns the variable, so that Keras resets it once.
        self._sums = self.metrics[0].add_variable((len(names) + 1,), "zeros", dtype="float32", name="sums_and_steps")
        for metric in self.metrics:
            metric.means = self


class _LossMean(keras.metrics.Metric):
    """One of the means, as Keras lists it and resets it."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.means: Any = None

    def result(self) -> tf.Tensor:
        return self.means.results()[self.name]
