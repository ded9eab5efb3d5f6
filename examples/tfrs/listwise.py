"""Ratings learned as an order within lists, as in TensorFlow Recommenders' list-wise tutorial.

    python examples/tfrs/listwise.py ../shared/data/ml-latest-small

The tutorial takes its losses and its metric from `tensorflow_ranking`; here both are a few lines.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from movielens import frame, options, split

import reciperec_layers.tfrs as tfrs

arguments = options("Learn the order of lists.")
ratings = frame(arguments.data, arguments.rows)
train, test = (
    tfrs.examples.movielens.sample_listwise(part, num_list_per_user=20, num_examples_per_list=5, seed=42)
    .batch(1024)
    .cache()
    for part in split(ratings)
)


@keras.saving.register_keras_serializable("examples")
class SoftmaxLoss(keras.losses.Loss):
    """Cross-entropy of the softmax of the scores of a list with its ratings."""

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return -tf.reduce_sum(tf.nn.softmax(y_true) * tf.nn.log_softmax(y_pred), axis=1)


class NDCG(keras.metrics.Mean):
    """Mean of `sum (2^rating - 1) / log2(1 + rank)`, divided by that of the best order."""

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        discounts = 1 / tf.math.log(2.0 + tf.range(5, dtype=tf.float32))
        by_score = tf.gather(y_true, tf.argsort(y_pred, direction="DESCENDING"), batch_dims=1)
        gains, best = (
            tf.reduce_sum((2.0**order - 1) * discounts, axis=1)
            for order in (by_score, tf.sort(y_true, direction="DESCENDING"))
        )
        super().update_state(gains / best, sample_weight)


class RankingModel(tfrs.Model):
    def __init__(self, loss: keras.losses.Loss) -> None:
        super().__init__()
        self.user_embeddings = self.embedding(np.unique(ratings["user_id"]))
        self.movie_embeddings = self.embedding(np.unique(ratings["movie_title"]))
        self.score_model = tfrs.layers.blocks.MLP([256, 64, 1])
        self.task = tfrs.tasks.Ranking(loss=loss, metrics=[NDCG(name="ndcg")])

    def embedding(self, ids: np.ndarray) -> keras.Sequential:
        lookup = keras.layers.StringLookup(vocabulary=ids, mask_token=None)
        return keras.Sequential([lookup, keras.layers.Embedding(len(ids) + 1, 32)])

    def call(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        users = tf.repeat(self.user_embeddings(features["user_id"])[:, tf.newaxis], 5, axis=1)
        return self.score_model(tf.concat([users, self.movie_embeddings(features["movie_title"])], axis=2))

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        return self.task(labels=features["user_rating"], predictions=tf.squeeze(self(features), axis=2))


for loss in (keras.losses.MeanSquaredError(), SoftmaxLoss()):
    model = RankingModel(loss)
    model.compile(optimizer=keras.optimizers.Adagrad(0.1))
    model.fit(train, epochs=arguments.epochs, verbose=0)
    print(f"{loss.name}: NDCG {model.evaluate(test, return_dict=True, verbose=0)['ndcg']:.4f}")
