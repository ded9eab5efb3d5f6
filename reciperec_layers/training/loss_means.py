"""The means over rows of the losses of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

# What a model with one loss brings, so that it can list its metrics before the first step.
_USUAL_NAMES = ("loss", "regularization_loss", "total_loss")


class LossMeans:
    """Means of losses over the rows of an epoch. Their names are those that a step brings.

    Keras's `Mean` has two variables for each; here all are in one, which is added to once a step. With a small batch
    that is a tenth of the step.

    Example:
        >>> means = LossMeans()
        >>> means.update({"loss": 6.0, "total_loss": 6.0}, num_rows=2.0, are_sums=True)
        >>> means.update({"loss": 3.0, "total_loss": 4.0}, num_rows=1.0, are_sums=True)
        >>> {name: round(float(mean), 4) for name, mean in means.results().items()}
        {'loss': 3.0, 'total_loss': 3.3333}
        >>> [metric.name for metric in means.metrics]
        ['loss', 'total_loss']
    """

    def __init__(self) -> None:
        self.metrics = [_LossMean(name, self) for name in _USUAL_NAMES]
        # Sums and the number of rows. Of unknown length: no variable can be made while a graph is being traced. In
        # float64, which counts the rows of any epoch.
        self._sums = tf.Variable(
            tf.zeros(len(_USUAL_NAMES) + 1, tf.float64),
            shape=(None,),
            trainable=False,
            aggregation=tf.VariableAggregation.SUM,
            synchronization=tf.VariableSynchronization.ON_READ,
        )

    def update(self, losses: Mapping[str, Any], num_rows: Any, are_sums: bool) -> None:
        """Adds the losses of a step.

        Args:
            losses: Scalars by name; the same names in the same order in every step.
            num_rows: Rows that they are of.
            are_sums: Whether they are sums over these rows, or means.
        """
        if list(losses) != [metric.name for metric in self.metrics]:
            self.metrics = [_LossMean(name, self) for name in losses]
            with tf.init_scope():  # a graph may just be being traced
                self.reset()
        values = [*losses.values()]
        sums = tf.stack([*values, num_rows]) if are_sums else tf.stack([*values, 1.0]) * num_rows
        self._sums.assign_add(tf.cast(sums, tf.float64), read_value=False)

    def results(self) -> dict[str, tf.Tensor]:
        """Returns the means by name, float32 scalars; 0 before the first step."""
        sums = tf.convert_to_tensor(self._sums)
        sums.set_shape((len(self.metrics) + 1,))  # no operation, which a small step would feel
        means = tf.unstack(tf.cast(tf.math.divide_no_nan(sums[:-1], sums[-1]), tf.float32))
        return {metric.name: mean for metric, mean in zip(self.metrics, means, strict=True)}

    def reset(self) -> None:
        """Forgets all steps."""
        self._sums.assign(tf.zeros(len(self.metrics) + 1, tf.float64))


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
