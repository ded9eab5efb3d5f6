"""Towers of several dense layers that read the time, too: TensorFlow Recommenders' deep and context tutorials.

python examples/tfrs/deep.py ../shared/data/ml-latest-small
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from movielens import frame, options, split

import reciperec_layers.tfrs as tfrs

arguments = options("Retrieve with deep towers that read the time.")
ratings = frame(arguments.data, arguments.rows)
train, test = (part.batch(2048).cache() for part in split(ratings))
titles = np.unique(ratings["movie_title"])
times = ratings["timestamp"].to_numpy()
buckets = np.linspace(times.min(), times.max(), num=1000).tolist()


def embedding(ids: np.ndarray) -> keras.Sequential:
    lookup = keras.layers.StringLookup(vocabulary=ids, mask_token=None)
    return keras.Sequential([lookup, keras.layers.Embedding(len(ids) + 1, 32)])


class UserModel(keras.Model):
    """Embeds the id, the bucket of the time, and the time itself."""

    def __init__(self) -> None:
        super().__init__()
        self.user_embedding = embedding(np.unique(ratings["user_id"]))
        bucket = keras.layers.Discretization(bin_boundaries=buckets, dtype="int64")
        self.timestamp_embedding = keras.Sequential([bucket, keras.layers.Embedding(len(buckets) + 1, 32)])
        self.normalized_timestamp = keras.layers.Normalization(axis=None)
        self.normalized_timestamp.adapt(times)

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        time = tf.reshape(self.normalized_timestamp(inputs["timestamp"]), (-1, 1))
        return tf.concat(
            [self.user_embedding(inputs["user_id"]), self.timestamp_embedding(inputs["timestamp"]), time], axis=1
        )


class DeepModel(keras.Model):
    """Dense layers on top of embeddings."""

    def __init__(self, embedding_model: keras.Model, layer_sizes: list[int]) -> None:
        super().__init__()
        self.embedding_model = embedding_model
        self.dense_layers = keras.Sequential([keras.layers.Dense(size, "relu") for size in layer_sizes[:-1]])
        self.dense_layers.add(keras.layers.Dense(layer_sizes[-1]))

    def call(self, inputs: tf.Tensor | dict[str, tf.Tensor]) -> tf.Tensor:
        return self.dense_layers(self.embedding_model(inputs))


class MovielensModel(tfrs.Model):
    def __init__(self, layer_sizes: list[int]) -> None:
        super().__init__()
        self.query_model = DeepModel(UserModel(), layer_sizes)
        self.candidate_model = DeepModel(embedding(titles), layer_sizes)
        movies = tf.data.Dataset.from_tensor_slices(titles.astype(str))
        metrics = tfrs.metrics.FactorizedTopK(candidates=movies.batch(128).map(self.candidate_model))
        self.task = tfrs.tasks.Retrieval(metrics=metrics)

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        queries = self.query_model({"user_id": features["user_id"], "timestamp": features["timestamp"]})
        return self.task(queries, self.candidate_model(features["movie_title"]), compute_metrics=not training)


for sizes in ([32], [64, 32]):
    model = MovielensModel(sizes)
    model.compile(optimizer=keras.optimizers.Adagrad(0.1))
    model.fit(train, epochs=arguments.epochs, verbose=2)
    found = model.evaluate(test, return_dict=True, verbose=0)
    print(f"layers {sizes}: top-100 {found['factorized_top_k/top_100_categorical_accuracy']:.4f}")
