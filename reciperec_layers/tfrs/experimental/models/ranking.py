"""Ranking: a model of dense and embedded features, whose parts are arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.tfrs.layers.blocks import MLP
from reciperec_layers.tfrs.layers.feature_interaction import DotInteraction
from reciperec_layers.tfrs.models.base import Model
from reciperec_layers.tfrs.tasks import Ranking as RankingTask
from reciperec_layers.tfrs.tasks import Task


class Ranking(Model):
    """Predicts a number in [0, 1] for each row, such as whether it is clicked: DLRM, or DCN with other parts.

    Dense features pass the bottom stack, and the others the embedding layer; their vectors interact, and the top stack
    makes the prediction of what comes out, beside the dense vector.

    Args:
        embedding_layer: From a dict of tensors to a dict of embeddings, each of shape `(batch, dim)` or
            `(batch, 1, dim)`.
        bottom_stack: Layer of the dense features, whose output has `dim` numbers; by default `MLP([256, 64, 16])`.
        feature_interaction: Layer of the list of all vectors; by default `DotInteraction()`, which the extra `cross`
            installs.
        top_stack: Layer that makes the prediction; by default `MLP([512, 256, 1])` with a sigmoid.
        concat_dense: Whether the top stack gets the dense vector beside the interaction.
        task: Task of labels and predictions; by default a `tasks.Ranking` with the binary cross-entropy, the AUC, the
            accuracy, and the means of predictions and labels.

    Call arguments:
        inputs: Dict with `dense_features`, floats of shape `(batch, num_dense)`, and `sparse_features`, the dict for
            the embedding layer.

    Returns:
        Predictions, shape `(batch,)`.

    Raises:
        ArgumentError: A batch is not `(features, labels)` or `(features, labels, weights)`.

    Example:
        >>> class Cities(keras.layers.Layer):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.table = keras.layers.Embedding(3, 4)
        ...     def call(self, columns):
        ...         return {"city": self.table(columns["city"])}
        >>> model = Ranking(Cities(), bottom_stack=MLP([4]))
        >>> columns = {"dense_features": tf.ones((2, 5)), "sparse_features": {"city": tf.constant([0, 2])}}
        >>> model(columns).shape.as_list()
        [2]

    Source:
        `tfrs.experimental.models.Ranking` of TensorFlow Recommenders 0.7.7; DLRM of Naumov et al., 2019.
    """

    def __init__(
        self,
        embedding_layer: keras.layers.Layer,
        bottom_stack: keras.layers.Layer | None = None,
        feature_interaction: keras.layers.Layer | None = None,
        top_stack: keras.layers.Layer | None = None,
        concat_dense: bool = True,
        task: Task | None = None,
    ) -> None:
        super().__init__()
        self._embedding_layer = embedding_layer
        self._concat_dense = concat_dense
        self._bottom_stack = MLP([256, 64, 16], final_activation="relu") if bottom_stack is None else bottom_stack
        self._top_stack = MLP([512, 256, 1], final_activation="sigmoid") if top_stack is None else top_stack
        self._feature_interaction = DotInteraction() if feature_interaction is None else feature_interaction
        self._task = _default_task() if task is None else task

    def compute_loss(self, inputs: Any, training: bool = False) -> tf.Tensor:
        if len(inputs) not in (2, 3):
            problem = "a batch must be (features, labels) or (features, labels, sample weights)"
            raise ArgumentError(explain("Ranking", problem, inputs=inputs, fix="Map the dataset to such tuples"))
        features, labels, *weights = inputs
        outputs = self(features, training=training)
        loss = tf.reduce_mean(self._task(labels, outputs, sample_weight=weights[0] if weights else None))
        # The optimizer sums the gradients of replicas.
        return loss / tf.distribute.get_strategy().num_replicas_in_sync

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> tf.Tensor:
        embeddings = tf.nest.flatten(self._embedding_layer(inputs["sparse_features"]))
        vectors = [each[:, 0] if each.shape.rank == 3 else each for each in embeddings]
        dense = self._bottom_stack(inputs["dense_features"])
        crossed = self._feature_interaction([*vectors, dense])
        joined = tf.concat([dense, crossed], axis=1) if self._concat_dense else crossed
        return tf.reshape(self._top_stack(joined), (-1,))

    @property
    def embedding_trainable_variables(self) -> Sequence[keras.Variable]:
        """Weights of the embedding layer, for an optimizer of their own: see `optimizers.CompositeOptimizer`."""
        return self._embedding_layer.trainable_variables

    @property
    def dense_trainable_variables(self) -> Sequence[keras.Variable]:
        """All other weights that are trained."""
        of_tables = {id(variable) for variable in self.embedding_trainable_variables}
        return [variable for variable in self.trainable_variables if id(variable) not in of_tables]


def _default_task() -> RankingTask:
    return RankingTask(
        loss=keras.losses.BinaryCrossentropy(reduction=None),
        metrics=[keras.metrics.AUC(name="auc"), keras.metrics.BinaryAccuracy(name="accuracy")],
        prediction_metrics=[keras.metrics.Mean("prediction_mean")],
        label_metrics=[keras.metrics.Mean("label_mean")],
    )
