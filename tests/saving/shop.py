"""Models that one process saves and another loads, and what is compared of them.

Values are compared as JSON: Python writes and reads the numbers of float32 exactly.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ReciperecError

USERS = np.array([7, 2**24, 2**24 + 1, 2**63 - 1, -(2**63)])
RECIPES = np.array(["pie", "", "\n", "\r\n", "\u2028", "\0", "a\0", " ", "é", "e\u0301", "🍲", "00123"], dtype=object)
UNKNOWN_USER, UNKNOWN_RECIPE = 8, "cake"
USER_IDS = np.append(USERS[::-1], UNKNOWN_USER)
RECIPE_IDS = np.append(RECIPES[::-1], UNKNOWN_RECIPE)

DAMAGED = ("changed", "missing", "stripped")

PLUGIN = """
from reciperec_layers.towers import IdTower

class BagTower(IdTower):
    "A bag of one word."
"""


@keras.saving.register_keras_serializable("tests.saving")
class Pair(keras.Model):
    """A model of a user's own that holds two towers."""

    def __init__(self, users: Any, recipes: Any, **options: Any) -> None:
        super().__init__(**options)
        self.users = users
        self.recipes = recipes

    def call(self, inputs: Any) -> Any:
        return tf.reduce_sum(self.users(inputs["user_id"]) * self.recipes(inputs["recipe_id"]), axis=-1)

    def get_config(self) -> dict[str, Any]:
        towers = {"users": self.users, "recipes": self.recipes}
        return {**super().get_config(), **{name: keras.saving.serialize_keras_object(towers[name]) for name in towers}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Pair:
        towers = {name: keras.saving.deserialize_keras_object(config.pop(name)) for name in ("users", "recipes")}
        return cls(**towers, **config)


def user_tower() -> rl.IdTower:
    return rl.IdTower(USERS, 4, feature="user_id", num_oov_indices=2, normalize=True, seed=1)


def recipe_tower() -> rl.MLPTower:
    return rl.MLPTower(RECIPES, 4, feature="recipe_id", hidden_units=(5,), regularizer="l2", seed=2)


def functional() -> keras.Model:
    inputs = [keras.Input((), dtype="int64", name="user_id"), keras.Input((), dtype="string", name="recipe_id")]
    joined = keras.layers.Concatenate()([user_tower()(inputs[0]), recipe_tower()(inputs[1])])
    return keras.Model(inputs, keras.layers.Dense(2)(joined))


def retrieval(query_tower: Any = None, index: Any = "brute_force") -> rl.RetrievalModel:
    corpus = {"recipe_id": RECIPES, "recipe_name": [f"Recipe {row}" for row in range(len(RECIPES))]}
    options = {"query_id": "user_id", "keep_columns": ["recipe_name"], "index": index}
    model = rl.RetrievalModel(query_tower or user_tower(), recipe_tower(), corpus, **options)
    popularity = rl.metrics.MeanPopularity(2, candidate_counts=np.repeat(RECIPES, range(len(RECIPES))))
    metrics = [rl.metrics.TopKAccuracy(3), rl.metrics.Coverage(2), popularity]
    model.compile(rl.optimizers.Adagrad(0.5), rl.losses.InBatchSoftmax(temperature=0.5), metrics)
    return model


def train(model: rl.RetrievalModel) -> rl.RetrievalModel:
    rows = {"user_id": USERS, "recipe_id": RECIPES[: len(USERS)]}
    model.fit(rows, epochs=2, shuffle=False, verbose=0)
    return model


def make_all() -> dict[str, Any]:
    called = user_tower()
    called(USER_IDS)
    sequential, pair = keras.Sequential([user_tower()]), Pair(user_tower(), recipe_tower())
    sequential(USER_IDS)
    pair({"user_id": tf.constant(USER_IDS[:2]), "recipe_id": tf.constant(RECIPE_IDS[:2])})
    return {
        "alone": called,
        "never_called": user_tower(),
        "mlp": recipe_tower(),
        "sequential": sequential,
        "functional": functional(),
        "subclassed": pair,
        "retrieval": train(retrieval()),
        "inverted_file": train(retrieval(index={"index": "inverted_file", "num_clusters": 3})),
        "around_a_layer": train(retrieval(keras.Sequential([keras.Input((), dtype="int64"), user_tower()]))),
    }


def observe(name: str, model: Any) -> dict[str, Any]:
    """Everything that must be the same after loading."""
    if isinstance(model, rl.RetrievalModel):
        return _observe_retrieval(model)
    both = {"user_id": tf.constant(USER_IDS), "recipe_id": tf.constant(RECIPE_IDS[: len(USER_IDS)])}
    inputs = {"mlp": tf.constant(RECIPE_IDS), "functional": list(both.values()), "subclassed": both}
    seen = {"output": model(inputs.get(name, tf.constant(USER_IDS))).numpy().tolist()}
    if isinstance(model, rl.towers.SingleIdTower):
        seen |= {"ids": model.vocabulary.ids.tolist(), "config": repr(model.vocabulary.get_config())}
    return seen


def _observe_retrieval(model: rl.RetrievalModel) -> dict[str, Any]:
    scores, ids = model.recommend({"user_id": USER_IDS}, k=4)
    frame = model.recommend({"user_id": USER_IDS[:2]}, k=2, as_frame=True)
    rows = {"user_id": USERS, "recipe_id": RECIPES[: len(USERS)]}
    return {
        "queries": model.predict({"user_id": USER_IDS}, verbose=0).tolist(),
        "candidates": model.candidate_embeddings().to_numpy().tolist(),
        "candidate_ids": model.corpus.vocabulary.ids.tolist(),
        "scores": scores.tolist(),
        "ids": ids.tolist(),
        "names": frame["recipe_name"].tolist(),
        "optimizer": [variable.numpy().tolist() for variable in model.optimizer.variables],
        "evaluated": model.evaluate(rows, verbose=0, return_dict=True),
        "after more training": train(model).predict({"user_id": USER_IDS}, verbose=0).tolist(),
    }


def save_with_plugin(folder: Path) -> None:
    bag = rl.towers.create("bag", vocabulary=USERS, embedding_dim=4, feature="user_id")
    keras.Sequential([keras.Input((), dtype="int64"), bag]).save(folder / "plugin_sequential.keras")
    retrieval(bag).save(folder / "plugin_retrieval.keras")


def load_all(folder: Path) -> dict[str, Any]:
    """Observations of every file, or the error; damaged ones first, while no intact one has brought the content."""
    found: dict[str, Any] = {}
    sys.modules["sklearn"] = None  # type: ignore[assignment] - clusters are in the files
    for path in sorted(folder.glob("*.keras"), key=lambda path: not path.stem.startswith(DAMAGED)):
        load = rl.load_model if path.stem.endswith("sequential") else keras.models.load_model
        try:
            found[path.stem] = observe(path.stem.removeprefix("stripped_"), load(path))
        except (ReciperecError, ValueError) as error:
            found[path.stem] = f"{type(error).__name__}: {error}"
    return found


if __name__ == "__main__":
    task, place = sys.argv[1], Path(sys.argv[2])
    if task == "save":
        save_with_plugin(place)
    else:
        (place / "loaded.json").write_text(json.dumps(load_all(place)), encoding="utf-8")
