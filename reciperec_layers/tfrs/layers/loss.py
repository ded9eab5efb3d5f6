"""The steps from scores to the logits of a softmax, as layers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer

MAX_FLOAT = float(np.finfo(np.float32).max / 100)
MIN_FLOAT = float(np.finfo(np.float32).min / 100)


class HardNegativeMining(keras.layers.Layer):
    """Keeps of each row the positive, and the negatives with the highest logits.

    Args:
        num_hard_negatives: How many negatives, >= 1; all where there are fewer.

    Call arguments:
        logits: Floats of shape `(num_queries, num_candidates)`.
        labels: One-hot, of the same shape.

    Returns:
        Logits and labels, both of shape `(num_queries, num_hard_negatives + 1)`, in no particular order.

    Example:
        >>> logits, labels = HardNegativeMining(1)(tf.constant([[1.0, 2.0, 3.0]]), tf.constant([[1.0, 0.0, 0.0]]))
        >>> sorted(logits.numpy().ravel().tolist())
        [1.0, 3.0]

    Source:
        `tfrs.layers.loss.HardNegativeMining` of TensorFlow Recommenders 0.7.7.
    """

    def __init__(self, num_hard_negatives: int) -> None:
        super().__init__()
        name = "num_hard_negatives"
        self._num_hard_negatives = check_integer("HardNegativeMining", name, num_hard_negatives, example=10)

    def call(self, logits: Any, labels: Any) -> tuple[tf.Tensor, tf.Tensor]:
        logits, labels = tf.convert_to_tensor(logits), tf.convert_to_tensor(labels)
        num_kept = tf.minimum(self._num_hard_negatives + 1, tf.shape(logits)[1])
        _, columns = tf.math.top_k(logits + labels * MAX_FLOAT, num_kept, sorted=False)
        return tf.gather(logits, columns, batch_dims=1), tf.gather(labels, columns, batch_dims=1)


class RemoveAccidentalHits(keras.layers.Layer):
    """Gives negatives that are the positive of their row a logit so low that they do not count.

    Call arguments:
        labels: One-hot of shape `(num_queries, num_candidates)`.
        logits: Floats of the same shape.
        candidate_ids: Integers or strings of shape `(num_candidates,)`.

    Returns:
        The logits.

    Example:
        >>> logits, labels = tf.zeros((1, 3)), tf.constant([[1.0, 0.0, 0.0]])
        >>> (RemoveAccidentalHits()(labels, logits, tf.constant([7, 7, 9])) < 0).numpy()
        array([[False,  True, False]])

    Source:
        `tfrs.layers.loss.RemoveAccidentalHits` of TensorFlow Recommenders 0.7.7.
    """

    def call(self, labels: Any, logits: Any, candidate_ids: Any) -> tf.Tensor:
        labels, ids = tf.convert_to_tensor(labels), tf.reshape(tf.convert_to_tensor(candidate_ids), (-1,))
        own = tf.gather(ids, tf.argmax(labels, axis=1))
        is_hit = tf.cast(own[:, tf.newaxis] == ids, labels.dtype) - labels
        return logits + is_hit * MIN_FLOAT


class SamplingProbablityCorrection(keras.layers.Layer):
    """Subtracts the log of the probability that a candidate is drawn. The name is that of TensorFlow Recommenders.

    Call arguments:
        logits: Floats of shape `(num_queries, num_candidates)`.
        candidate_sampling_probability: Floats of shape `(num_candidates,)`, clipped to 1e-6 .. 1.

    Returns:
        The logits.

    Example:
        >>> SamplingProbablityCorrection()(tf.ones((1, 2)), tf.constant([1.0, 0.5])).numpy().round(2)
        array([[1.  , 1.69]], dtype=float32)

    Source:
        `tfrs.layers.loss.SamplingProbablityCorrection` of TensorFlow Recommenders 0.7.7.
    """

    def call(self, logits: Any, candidate_sampling_probability: Any) -> tf.Tensor:
        return logits - tf.math.log(tf.clip_by_value(candidate_sampling_probability, 1e-6, 1.0))
