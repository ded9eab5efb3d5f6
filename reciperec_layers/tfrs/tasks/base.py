"""Task: what a model of TFRS's API learns."""

from __future__ import annotations

import abc
from typing import Any

import keras
import tensorflow as tf


class Task(keras.layers.Layer, abc.ABC):
    """A loss with metrics. Abstract: a subclass implements `call`, which updates the metrics and returns the loss.

    Args:
        name: Name of the layer.
        **kwargs: As for every Keras layer.

    Example:
        >>> class Distance(Task):
        ...     def call(self, ours, theirs):
        ...         return tf.reduce_sum((ours - theirs) ** 2)
        >>> float(Distance()(tf.constant([1.0]), tf.constant([3.0])))
        4.0

    Source:
        `tfrs.tasks.Task` of TensorFlow Recommenders 0.7.7.
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """All metrics, those of layers in it first, by the names under which a model reports them."""
        layers = list(self._flatten_layers(include_self=False))
        return [metric for layer in [*layers, self] for metric in layer._metrics]

    @abc.abstractmethod
    def call(self, *args: Any, **kwargs: Any) -> tf.Tensor:
        """Updates the metrics with a batch, and returns its loss."""

    # Keras would run `call`, and so count a batch that is not one.
    def compute_output_spec(self, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        return keras.KerasTensor((), dtype="float32")
