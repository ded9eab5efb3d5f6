"""The two-tower model that is trained on every side: one table of users, one of items, in-batch softmax, Adagrad.

All sides train with `fit` on the same batches, which lie in memory as whole tensors, so that what is measured is the
training step. The libraries are imported in the process of their side.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

LEARNING_RATE = 0.1


def draw_rows(num_rows: int, shape: tuple[int, int], exponent: float, seed: int) -> np.ndarray:
    """Returns row numbers, where the probability of the r-th row is proportional to `r ** -exponent`."""
    generator = np.random.default_rng(seed)
    if not exponent:
        return generator.integers(0, num_rows, shape)
    cumulative = np.cumsum(np.arange(1, num_rows + 1) ** -exponent)
    rows = np.searchsorted(cumulative, generator.random(shape) * cumulative[-1])
    return generator.permutation(num_rows)[rows]  # frequent rows are not neighbours in memory


def make_ids(num_ids: int, seed: int) -> np.ndarray:
    """Returns distinct ids in no order, of which ten times as many could be."""
    return 10 * np.random.default_rng(seed).permutation(num_ids) + 3


def draw_batches(
    num_users: int, num_items: int, batch_size: int, steps: int, user_exponent: float, item_exponent: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the table rows of users and items, each of shape `(steps, batch_size)`."""
    shape = (steps, batch_size)
    return draw_rows(num_users, shape, user_exponent, seed=1), draw_rows(num_items, shape, item_exponent, seed=2)


def timed_fit(model: Any, users: np.ndarray, items: np.ndarray) -> Callable[[], dict[str, float]]:
    """Returns a function that trains one epoch and gives the milliseconds of a step."""
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices({"user_id": users, "item_id": items}).prefetch(2)
    steps, batch_size = users.shape

    def run() -> dict[str, float]:
        start = time.perf_counter()
        model.fit(batches, verbose=0)
        seconds = time.perf_counter() - start
        return {"ms_a_step": 1000 * seconds / steps, "examples_a_second": steps * batch_size / seconds}

    run()
    return run


def reciperec(
    num_users: int,
    num_items: int,
    dim: int,
    batch_size: int,
    steps: int,
    user_exponent: float = 0.0,
    item_exponent: float = 0.0,
    steps_per_execution: int = 1,
) -> Callable[[], dict[str, float]]:
    """This package: ids are looked up."""
    import reciperec_layers as rl

    user_ids, item_ids = make_ids(num_users, seed=3), make_ids(num_items, seed=4)
    model = rl.RetrievalModel(
        query_tower=rl.IdTower(user_ids, dim, feature="user_id"),
        candidate_tower=rl.IdTower(item_ids, dim, feature="item_id"),
        candidate_id="item_id",
    )
    model.compile(rl.optimizers.Adagrad(LEARNING_RATE), steps_per_execution=steps_per_execution)
    users, items = draw_batches(num_users, num_items, batch_size, steps, user_exponent, item_exponent)
    return timed_fit(model, user_ids[users], item_ids[items])


def tfrs(
    num_users: int,
    num_items: int,
    dim: int,
    batch_size: int,
    steps: int,
    user_exponent: float = 0.0,
    item_exponent: float = 0.0,
    steps_per_execution: int = 1,
) -> Callable[[], dict[str, float]]:
    """TensorFlow Recommenders as in its retrieval tutorial: `IntegerLookup` and `Embedding`, no metrics."""
    import tensorflow as tf
    import tensorflow_recommenders

    legacy = tf.keras  # noqa: TID251 - this process has legacy Keras, which TensorFlow Recommenders builds on

    class Model(tensorflow_recommenders.Model):
        def __init__(self, users: Any, items: Any) -> None:
            super().__init__()
            self.users, self.items = users, items
            self.task = tensorflow_recommenders.tasks.Retrieval()

        def compute_loss(self, features: Any, training: bool = False) -> Any:
            queries, candidates = self.users(features["user_id"]), self.items(features["item_id"])
            return self.task(queries, candidates, compute_metrics=False)

    def tower(ids: np.ndarray) -> Any:
        lookup = legacy.layers.IntegerLookup(vocabulary=ids, mask_token=None)
        return legacy.Sequential([lookup, legacy.layers.Embedding(len(ids) + 1, dim)])

    user_ids, item_ids = make_ids(num_users, seed=3), make_ids(num_items, seed=4)
    model = Model(tower(user_ids), tower(item_ids))
    model.compile(legacy.optimizers.Adagrad(LEARNING_RATE), steps_per_execution=steps_per_execution)
    users, items = draw_batches(num_users, num_items, batch_size, steps, user_exponent, item_exponent)
    return timed_fit(model, user_ids[users], item_ids[items])


def plain_keras(
    num_users: int, num_items: int, dim: int, batch_size: int, steps: int
) -> Callable[[], dict[str, float]]:
    """Keras 3 alone: `Embedding` and `Adagrad`. The batches are table rows: nothing is looked up."""
    import keras
    import tensorflow as tf

    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.users = keras.layers.Embedding(num_users + 1, dim)
            self.items = keras.layers.Embedding(num_items + 1, dim)

        def call(self, features: Any) -> Any:
            return keras.ops.matmul(
                self.users(features["user_id"]), keras.ops.transpose(self.items(features["item_id"]))
            )

        def compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool = True) -> Any:
            positives = tf.range(tf.shape(y_pred)[0])
            return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(positives, y_pred))

    model = Model()
    model.compile(keras.optimizers.Adagrad(LEARNING_RATE))
    return timed_fit(model, *draw_batches(num_users, num_items, batch_size, steps, 0.0, 0.0))
