"""The recipe notebook of TensorFlow Recommenders, as it is and with one changed import.

    python benchmarks/tfrs_notebook.py ../shared/data/recipes [--repeats 3]

Towers of `IntegerLookup` and `Embedding`, `FactorizedTopK` of `recipes.batch(50).map(recipe_model)`, Adagrad at .1,
batches of 80 in training and of 10 in evaluation, metrics on in training as there. "no metrics" leaves them out of
training. TFRS runs on legacy Keras in a process of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import Side, compare, numbers, parser, print_table

USER, RECIPE = "user_id", "recipe_id"


def read(folder: str, sizes: list[int], seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Returns training rows, test rows and the recipes."""
    rows = pd.read_csv(Path(folder) / "mock-data_interaction.csv")[[USER, RECIPE]]
    rows = rows.sample(n=sum(sizes), random_state=seed)
    train, test = ({name: part[name].to_numpy() for name in part} for part in (rows[: sizes[0]], rows[sizes[0] :]))
    return train, test, pd.read_csv(Path(folder) / "mock-data_recipe.csv")[RECIPE].to_numpy()


def notebook(folder: str, sizes: list[int], seed: int, is_ours: bool) -> Callable[[], dict[str, float]]:
    """Returns a function that trains and evaluates anew, and gives seconds and accuracies."""
    import tensorflow as tf

    package: Any
    kit: Any
    if is_ours:
        import keras as kit

        import reciperec_layers.tfrs as package
    else:
        import tensorflow_recommenders as package

        kit = tf.keras  # noqa: TID251 - this process has legacy Keras, which TensorFlow Recommenders builds on
    train, test, recipes = read(folder, sizes, seed)
    users = np.unique(np.concatenate([train[USER], test[USER]]))

    def tower(ids: np.ndarray) -> Any:
        lookup = kit.layers.IntegerLookup(vocabulary=ids, mask_token=None)
        return kit.Sequential([lookup, kit.layers.Embedding(len(ids) + 1, 32)])

    class Recipes(package.Model):
        def __init__(self, metrics_in_training: bool = True) -> None:
            super().__init__()
            self.user_model, self.recipe_model = tower(users), tower(np.unique(recipes))
            candidates = tf.data.Dataset.from_tensor_slices(np.unique(recipes)).batch(50).map(self.recipe_model)
            self.task = package.tasks.Retrieval(metrics=package.metrics.FactorizedTopK(candidates))
            self.metrics_in_training = metrics_in_training

        def compute_loss(self, features: Any, training: bool = False) -> Any:
            embeddings = self.user_model(features[USER]), self.recipe_model(features[RECIPE])
            return self.task(*embeddings, compute_metrics=self.metrics_in_training or not training)

    def seconds_of(action: Callable[[], Any]) -> tuple[float, Any]:
        begin = time.perf_counter()
        found = action()
        return time.perf_counter() - begin, found

    batches = tf.data.Dataset.from_tensor_slices(train).shuffle(sizes[0], seed=42).batch(80).cache()
    test_batches = tf.data.Dataset.from_tensor_slices(test).batch(10).cache()
    for each in (batches, test_batches):
        list(each)

    def run() -> dict[str, float]:
        kit.utils.set_random_seed(seed)
        found = {}
        model, fast = Recipes(), Recipes(metrics_in_training=False)
        for each in (model, fast):
            each.compile(kit.optimizers.Adagrad(0.1))
        for name, each in (("fit", model), ("fit, no metrics", fast)):
            each.fit(batches, epochs=1, verbose=0)  # tracing does not count
            found[name], _ = seconds_of(lambda each=each: each.fit(batches, epochs=2, verbose=0))
        for name, steps in (("evaluate", 1), ("evaluate, 32 steps", 32)):
            model.compile(kit.optimizers.Adagrad(0.1), steps_per_execution=steps)
            model.evaluate(test_batches, verbose=0)
            found[name], logs = seconds_of(lambda: model.evaluate(test_batches, return_dict=True, verbose=0))
        accuracies = {k: logs[f"factorized_top_k/top_{k}_categorical_accuracy"] for k in (1, 5, 10, 50, 100)}
        return found | {f"top-{k}": float(value) for k, value in accuracies.items()}

    return run


def main() -> None:
    options = parser("Time the recipe notebook beside TensorFlow Recommenders.", repeats=3)
    options.add_argument("data", help="folder of the recipe data")
    options.add_argument("--sizes", type=numbers, default="6_000,2_000", help="rows to train and to test on")
    options.add_argument("--seed", type=int, default=42)
    options = options.parse_args()
    arguments = {"folder": options.data, "sizes": options.sizes, "seed": options.seed}
    sides = {
        "reciperec_layers.tfrs": Side(notebook, {**arguments, "is_ours": True}),
        "TFRS": Side(notebook, {**arguments, "is_ours": False}, legacy_keras=True),
    }
    found = compare(sides, options)["median"].unstack("side")
    is_accuracy = found.index.str.startswith("top-")
    found["ratio"] = (found["TFRS"] / found["reciperec_layers.tfrs"]).where(~is_accuracy)
    print_table("The recipe notebook, seconds and accuracies", found.reset_index(), options, seconds=4)


if __name__ == "__main__":
    main()
