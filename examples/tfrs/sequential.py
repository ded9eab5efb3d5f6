"""The next film after those that were watched, by a GRU, as in TensorFlow Recommenders' sequential tutorial.

python examples/tfrs/sequential.py ../shared/data/ml-latest-small
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from movielens import frame, options

import reciperec_layers.tfrs as tfrs

arguments = options("Retrieve the next film.")
ratings = frame(arguments.data, arguments.rows).sort_values(["user_id", "timestamp"], kind="stable")
titles = np.unique(ratings["movie_title"]).astype(str)
LENGTH = 10


def windows() -> dict[str, np.ndarray]:
    """Returns for each film of a user that has some before it, the last of these, with gaps in front."""
    before, after = [], []
    for _, watched in ratings.groupby("user_id")["movie_title"]:
        films = [""] * LENGTH + watched.astype(str).tolist()
        for place in range(LENGTH + 1, len(films)):
            before.append(films[place - LENGTH : place])
            after.append(films[place])
    return {"context_movie": np.array(before), "label_movie": np.array(after)}


rows = tf.data.Dataset.from_tensor_slices(windows())
rows = rows.shuffle(100_000, seed=42, reshuffle_each_iteration=False)
cut = int(rows.cardinality()) * 4 // 5
train, test = rows.take(cut).batch(2048).cache(), rows.skip(cut).batch(2048).cache()


def lookup() -> keras.layers.StringLookup:
    return keras.layers.StringLookup(vocabulary=titles, mask_token=None)


query_model = keras.Sequential([lookup(), keras.layers.Embedding(len(titles) + 1, 32), keras.layers.GRU(32)])
candidate_model = keras.Sequential([lookup(), keras.layers.Embedding(len(titles) + 1, 32)])


class Model(tfrs.Model):
    def __init__(self) -> None:
        super().__init__()
        self._query_model, self._candidate_model = query_model, candidate_model
        movies = tf.data.Dataset.from_tensor_slices(titles)
        metrics = tfrs.metrics.FactorizedTopK(candidates=movies.batch(128).map(candidate_model))
        self._task = tfrs.tasks.Retrieval(metrics=metrics)

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        watched, following = features["context_movie"], features["label_movie"]
        return self._task(self._query_model(watched), self._candidate_model(following), compute_metrics=not training)


model = Model()
model.compile(optimizer=keras.optimizers.Adagrad(0.1))
model.fit(train, epochs=arguments.epochs, verbose=2)
print(model.evaluate(test, return_dict=True, verbose=0))
