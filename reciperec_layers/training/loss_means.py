"""The means over steps of a step's losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

# What a model with one loss brings, so that it can list its metrics before the first step.
_USUAL_NAMES = ("loss", "regularization_loss", "total_loss")


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
        self.metrics = [_LossMean(name, self) for name in _USUAL_NAMES]
        # Sums and the number of steps. Of unknown length: no variable can be made while a graph is being traced.
        self._sums = tf.Variable(
            tf.zeros(len(_USUAL_NAMES) + 1),
            shape=(None,),
            trainable=False,
            aggregation=tf.VariableAggregation.SUM,
            synchronization=tf.VariableSynchronization.ON_READ,
        )

    def update(self, losses: Mapping[str, Any]) -> None:
        """Adds the losses of a step, scalars by name; the same names in the same order in every step."""
        if list(losses) != [metric.name for metric in self.metrics]:
            self.metrics = [_LossMean(name, self) for name in losses]
            with tf.init_scope():  # a graph may just be being traced
                self.reset()
        self._sums.assign_add(tf.stack([*losses.values(), 1.0]), read_value=False)

    def results(self) -> dict[str, tf.Tensor]:
        """Returns the means by name, float32 scalars; 0 before the first step."""
        sums = tf.convert_to_tensor(self._sums)
        sums.set_shape((len(self.metrics) + 1,))  # no operation, which a small step would feel
        means = tf.unstack(tf.math.divide_no_nan(sums[:-1], sums[-1]))
        return {metric.name: mean for metric, mean in zip(self.metrics, means, strict=True)}

    def reset(self) -> None:
        """Forgets all steps."""
        self._sums.assign(tf.zeros(len(self.metrics) + 1))


class _LossMean(keras.metrics.Metric):
    """One of the means, as Keras lists it and resets it."""

    def __init__(self, name: str, means: LossMeans) -> None:
        super().__init__(name=name)
        self._means = means

    def result(self) -> tf.Tensor:
        return self._means.results()[self.name]

    def reset_state(self) -> None:
        if self is self._means.metrics[0]:  # for all
            self._means.reset()
