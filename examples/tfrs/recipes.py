"""The recipe notebook of TensorFlow Recommenders after its one changed line, and the same in this package's words.

    python examples/tfrs/recipes.py ../shared/data/recipes [--variant base|plain|own]

`base` derives from `tfrs.Model`; `plain` from `keras.Model`, with steps of its own; `own` is a `RetrievalModel`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

import reciperec_layers as rl
import reciperec_layers.tfrs as tfrs  # before: import tensorflow_recommenders as tfrs

parser = argparse.ArgumentParser(description="Train the model of the recipe notebook.")
parser.add_argument("data", type=Path, help="folder of the recipe data")
parser.add_argument("--variant", choices=["base", "plain", "own"], default="base")
parser.add_argument("--epochs", type=int, default=3)
options = parser.parse_args()

interactions = pd.read_csv(options.data / "mock-data_interaction.csv")[["user_id", "recipe_id"]]
interactions = interactions.sample(frac=1, random_state=42)[:8_000]
cut = len(interactions) * 3 // 4
rows = tf.data.Dataset.from_tensor_slices({name: interactions[name].to_numpy() for name in interactions})
train, test = rows.take(cut).batch(80).cache(), rows.skip(cut).batch(10).cache()

user_ids = np.unique(interactions["user_id"])
recipe_ids = np.unique(interactions["recipe_id"])
recipes = tf.data.Dataset.from_tensor_slices(recipe_ids)


def tower(ids: np.ndarray) -> keras.Sequential:
    lookup = keras.layers.IntegerLookup(vocabulary=ids, mask_token=None)
    return keras.Sequential([lookup, keras.layers.Embedding(len(ids) + 1, 32)])


class RecipeModel(tfrs.Model):
    def __init__(self) -> None:
        super().__init__()
        self.user_model, self.recipe_model = tower(user_ids), tower(recipe_ids)
        metrics = tfrs.metrics.FactorizedTopK(candidates=recipes.batch(50).map(self.recipe_model))
        self.task = tfrs.tasks.Retrieval(metrics=metrics)

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        return self.task(self.user_model(features["user_id"]), self.recipe_model(features["recipe_id"]))


class PlainRecipeModel(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.user_model, self.recipe_model = tower(user_ids), tower(recipe_ids)
        metrics = tfrs.metrics.FactorizedTopK(candidates=recipes.batch(50).map(self.recipe_model))
        self.task = tfrs.tasks.Retrieval(metrics=metrics)

    def train_step(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = self.task(self.user_model(features["user_id"]), self.recipe_model(features["recipe_id"]))
            regularization_loss = sum(self.losses)
            total_loss = loss + regularization_loss
        gradients = tape.gradient(total_loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return self.logs(loss, regularization_loss, total_loss)

    def test_step(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        loss = self.task(self.user_model(features["user_id"]), self.recipe_model(features["recipe_id"]))
        regularization_loss = sum(self.losses)
        return self.logs(loss, regularization_loss, loss + regularization_loss)

    def logs(self, loss: tf.Tensor, regularization_loss: tf.Tensor, total_loss: tf.Tensor) -> dict[str, tf.Tensor]:
        metrics = {metric.name: metric.result() for metric in self.metrics}
        return {**metrics, "loss": loss, "regularization_loss": regularization_loss, "total_loss": total_loss}


def own_model() -> rl.RetrievalModel:
    return rl.RetrievalModel(
        rl.IdTower(user_ids, 32, feature="user_id"),
        rl.IdTower(recipe_ids, 32, feature="recipe_id"),
        candidates={"recipe_id": recipe_ids},
    )


model = {"base": RecipeModel, "plain": PlainRecipeModel, "own": own_model}[options.variant]()
optimizer = rl.optimizers.Adagrad(0.1) if options.variant == "own" else keras.optimizers.Adagrad(0.1)
if options.variant == "own":
    model.compile(optimizer, loss=rl.InBatchSoftmax())
else:
    model.compile(optimizer=optimizer)
model.fit(train, epochs=options.epochs, verbose=2)
found = model.evaluate(test, return_dict=True, verbose=0)
for k in (1, 5, 10, 50, 100):
    print(f"top-{k}: {found[f'factorized_top_k/top_{k}_categorical_accuracy']:.4f}")

user = user_ids[0]
if options.variant == "own":
    scores, ids = model.recommend({"user_id": [user]}, k=3)
else:
    index = tfrs.layers.factorized_top_k.BruteForce(model.user_model, k=3)
    index.index_from_dataset(tf.data.Dataset.zip((recipes.batch(100), recipes.batch(100).map(model.recipe_model))))
    scores, ids = index(tf.constant([user]))
print(f"for user {user}: recipes {np.asarray(ids)[0].tolist()}")
