"""Ranking: the task of a model that predicts a number for each row."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.tfrs.tasks.base import Task


class Ranking(Task):
    """A Keras loss of labels and predictions, with metrics.

    Args:
        loss: Keras loss; by default `keras.losses.BinaryCrossentropy()`.
        metrics: Keras metrics of labels and predictions.
        prediction_metrics: Keras metrics of the predictions, such as means.
        label_metrics: Keras metrics of the labels.
        loss_metrics: Keras metrics of the loss.
        name: Name of the layer.

    Call arguments:
        labels: Shape `(batch,)` or `(batch, 1)`, as the loss takes them.
        predictions: Of the same shape.
        sample_weight: Numbers of shape `(batch,)`.
        training: Not used.
        compute_metrics: Whether metrics are updated.

    Returns:
        The loss, float32 of the shape that the loss has, `()` by default.

    Example:
        >>> task = Ranking(loss=keras.losses.MeanSquaredError())
        >>> float(task(labels=tf.constant([3.0, 5.0]), predictions=tf.constant([4.0, 4.0])))
        1.0

    Source:
        `tfrs.tasks.Ranking` of TensorFlow Recommenders 0.7.7.
    """

    def __init__(
        self,
        loss: keras.losses.Loss | None = None,
        metrics: list[keras.metrics.Metric] | None = None,
        prediction_metrics: list[keras.metrics.Metric] | None = None,
        label_metrics: list[keras.metrics.Metric] | None = None,
        loss_metrics: list[keras.metrics.Metric] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self._loss = keras.losses.BinaryCrossentropy() if loss is None else loss
        self._ranking_metrics = list(metrics or [])
        self._prediction_metrics = list(prediction_metrics or [])
        self._label_metrics = list(label_metrics or [])
        self._loss_metrics = list(loss_metrics or [])

    def call(
        self,
        labels: Any,
        predictions: Any,
        sample_weight: Any = None,
        training: bool = False,
        compute_metrics: bool = True,
    ) -> tf.Tensor:
        loss = self._loss(labels, predictions, sample_weight=sample_weight)
        if compute_metrics:
            for metric in self._ranking_metrics:
                metric.update_state(labels, predictions, sample_weight=sample_weight)
            for metric in self._prediction_metrics:
                metric.update_state(predictions, sample_weight=sample_weight)
            for metric in self._label_metrics:
                metric.update_state(labels, sample_weight=sample_weight)
            for metric in self._loss_metrics:
                metric.update_state(loss)
        return loss
