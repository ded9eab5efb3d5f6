"""Ratings predicted from user and film, as in TensorFlow Recommenders' ranking tutorial.

python examples/tfrs/ranking.py ../shared/data/ml-latest-small
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from movielens import frame, options, split

import reciperec_layers.tfrs as tfrs

arguments = options("Predict ratings.")
ratings = frame(arguments.data, arguments.rows)
train, test = (part.batch(4096).cache() for part in split(ratings))


def embedding(ids: np.ndarray) -> keras.Sequential:
    lookup = keras.layers.StringLookup(vocabulary=ids, mask_token=None)
    return keras.Sequential([lookup, keras.layers.Embedding(len(ids) + 1, 32)])


class RatingModel(tfrs.Model):
    def __init__(self) -> None:
        super().__init__()
        self.user_embeddings = embedding(np.unique(ratings["user_id"]))
        self.movie_embeddings = embedding(np.unique(ratings["movie_title"]))
        self.ratings = tfrs.layers.blocks.MLP([256, 64, 1])
        error = keras.metrics.RootMeanSquaredError(name="rmse")
        self.task = tfrs.tasks.Ranking(loss=keras.losses.MeanSquaredError(), metrics=[error])

    def call(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        user, movie = self.user_embeddings(features["user_id"]), self.movie_embeddings(features["movie_title"])
        return self.ratings(tf.concat([user, movie], axis=1))

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        return self.task(labels=features["user_rating"][:, tf.newaxis], predictions=self(features))


model = RatingModel()
model.compile(optimizer=keras.optimizers.Adagrad(0.1))
model.fit(train, epochs=arguments.epochs, verbose=2)
print(model.evaluate(test, return_dict=True, verbose=0))
