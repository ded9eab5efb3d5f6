"""One model that retrieves and rates, as in TensorFlow Recommenders' multi-task tutorial.

python examples/tfrs/multi_task.py ../shared/data/ml-latest-small
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from movielens import frame, options, split

import reciperec_layers.tfrs as tfrs

arguments = options("Retrieve and rate.")
ratings = frame(arguments.data, arguments.rows)
train, test = (part.batch(2048).cache() for part in split(ratings))
titles = np.unique(ratings["movie_title"])


def embedding(ids: np.ndarray) -> keras.Sequential:
    lookup = keras.layers.StringLookup(vocabulary=ids, mask_token=None)
    return keras.Sequential([lookup, keras.layers.Embedding(len(ids) + 1, 32)])


class MovielensModel(tfrs.Model):
    def __init__(self, rating_weight: float, retrieval_weight: float) -> None:
        super().__init__()
        self.user_model, self.movie_model = embedding(np.unique(ratings["user_id"])), embedding(titles)
        self.rating_model = tfrs.layers.blocks.MLP([256, 128, 1])
        error = keras.metrics.RootMeanSquaredError(name="rmse")
        self.rating_task = tfrs.tasks.Ranking(loss=keras.losses.MeanSquaredError(), metrics=[error])
        movies = tf.data.Dataset.from_tensor_slices(titles.astype(str))
        metrics = tfrs.metrics.FactorizedTopK(candidates=movies.batch(128).map(self.movie_model))
        self.retrieval_task = tfrs.tasks.Retrieval(metrics=metrics)
        self.rating_weight, self.retrieval_weight = rating_weight, retrieval_weight

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        user, movie = self.user_model(features["user_id"]), self.movie_model(features["movie_title"])
        predictions = self.rating_model(tf.concat([user, movie], axis=1))
        rating_loss = self.rating_task(labels=features["user_rating"][:, tf.newaxis], predictions=predictions)
        retrieval_loss = self.retrieval_task(user, movie, compute_metrics=not training)
        return self.rating_weight * rating_loss + self.retrieval_weight * retrieval_loss


model = MovielensModel(rating_weight=1.0, retrieval_weight=1.0)
model.compile(optimizer=keras.optimizers.Adagrad(0.1))
model.fit(train, epochs=arguments.epochs, verbose=2)
print(model.evaluate(test, return_dict=True, verbose=0))
