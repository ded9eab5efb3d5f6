"""Ratings from crossed features, as in TensorFlow Recommenders' tutorial of the deep and cross network.

    python examples/tfrs/dcn.py ../shared/data/ml-latest-small

Needs keras-rs: `pip install "reciperec-layers[cross]"`.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from movielens import frame, options, split

import reciperec_layers.tfrs as tfrs

arguments = options("Predict ratings with a deep and cross network.")
ratings = frame(arguments.data, arguments.rows)
train, test = (part.batch(4096).cache() for part in split(ratings))
FEATURES = ["user_id", "movie_title"]


class DCN(tfrs.Model):
    def __init__(self, use_cross_layer: bool, deep_layer_sizes: list[int], projection_dim: int | None = None) -> None:
        super().__init__()
        self._embeddings = {}
        for name in FEATURES:
            ids = np.unique(ratings[name])
            lookup = keras.layers.StringLookup(vocabulary=ids, mask_token=None)
            self._embeddings[name] = keras.Sequential([lookup, keras.layers.Embedding(len(ids) + 1, 32)])
        self._cross_layer = tfrs.layers.dcn.Cross(projection_dim=projection_dim) if use_cross_layer else None
        self._deep_layers = [keras.layers.Dense(size, activation="relu") for size in deep_layer_sizes]
        self._logit_layer = keras.layers.Dense(1)
        error = keras.metrics.RootMeanSquaredError("RMSE")
        self.task = tfrs.tasks.Ranking(loss=keras.losses.MeanSquaredError(), metrics=[error])

    def call(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        x = tf.concat([self._embeddings[name](features[name]) for name in FEATURES], axis=1)
        if self._cross_layer is not None:
            x = self._cross_layer(x)
        for layer in self._deep_layers:
            x = layer(x)
        return self._logit_layer(x)

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        return self.task(labels=features["user_rating"][:, tf.newaxis], predictions=self(features))


for name, crosses, rank in (("DCN", True, None), ("DCN of low rank", True, 16), ("deep network", False, None)):
    model = DCN(crosses, [192, 192], rank)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    model.fit(train, epochs=arguments.epochs, verbose=0)
    print(f"{name}: RMSE {model.evaluate(test, return_dict=True, verbose=0)['RMSE']:.4f}")
