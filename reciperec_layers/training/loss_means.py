"""The means over steps of a step's losses."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_NAMES = ("loss", "regularization_loss", "total_loss")


class LossMeans:
    """Means of `loss`, `regularization_loss` and `total_loss` over the steps of an epoch.

    Keras's `Mean` has two variables for each; here all are in one, which is added to once a step. With a small batch
    that is a tenth of the step.

    Example:
        >>> means = LossMeans()
        >>> means.update([1.0, 0.0, 1.0])
        >>> means.update([2.0, 1.0, 3.0])
        >>> {name: float(mean) for name, mean in means.results().items()}
        {'loss': 1.5, 'regularization_loss': 0.5, 'total_loss': 2.0}
        >>> [metric.name for metric in means.metrics]
        ['loss', 'regularization_loss', 'total_loss']
    """

    def __init__(self) -> None:
        self.metrics = [_LossMean(name) for name in _NAMES]
        # The first one owns the variable, so that Keras resets it once.
        self._sums = self.metrics[0].add_variable((len(_NAMES) + 1,), "zeros", dtype="float32", name="sums_and_steps")
        for metric in self.metrics:
            metric.means = self

    def update(self, losses: Any) -> None:
        """Adds the losses of a step, three scalars."""
        self._sums.value.assign_add(tf.stack([*losses, 1.0]))

    def results(self) -> dict[str, tf.Tensor]:
        """Returns the means by name, float32 scalars; 0 before the first step."""
        sums = tf.convert_to_tensor(self._sums)
        return dict(zip(_NAMES, tf.unstack(tf.math.divide_no_nan(sums[:-1], sums[-1])), strict=True))


class _LossMean(keras.metrics.Metric):
    """One of the means, as Keras lists it and resets it."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.means: Any = None

    def result(self) -> tf.Tensor:
        return self.means.results()[self.name]
