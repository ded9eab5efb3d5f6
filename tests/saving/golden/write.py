"""Wrote the files of this folder, each with its answers as JSON beside it, and so tells what is in them.

    python -m tests.saving.golden.write

They were written by reciperec-layers 0.1.0 at commit b6aebfa, the last before the package was restructured, with Keras
3.15.1, TensorFlow 2.21.0, NumPy 2.4.6 and Python 3.11.7. Files of that day must load for ever: none is ever written
again, and this script refuses to. For a new form of file add a new name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

import reciperec_layers as rl
from tests.saving import golden_answers as golden
from tests.saving.golden_bundle import observe_bundle

MODELS = ("int_ids", "text_ids", "inverted_file", "functional_tower")
NAMES = (
    *(f"{name}.keras" for name in (*MODELS, "sequential", "index_layer")),
    "int_ids.weights.h5",
    *(f"{name}.index" for name in ("brute_force", "int8", "inverted_file")),
    "bundle",
)


def text_ids() -> rl.RetrievalModel:
    """Text on both sides, dense layers, running counts, an index of bytes."""
    users, recipes = golden.TEXT_USERS, golden.TEXT_RECIPES
    model = rl.RetrievalModel(
        rl.IdTower(users, 4, feature="user_id", normalize=True, seed=3),
        rl.MLPTower(recipes, 4, feature="recipe_id", hidden_units=(5,), activation="tanh", dropout=0.25, seed=4),
        {"recipe_id": recipes, "tags": [f"🍲{row}\n" for row in range(len(recipes))]},
        query_id="user_id",
        keep_columns=["tags"],
        index="int8",
    )
    loss = rl.losses.InBatchSoftmax(temperature=0.25, sampling_correction="counts", num_hard_negatives=4)
    metrics = [
        rl.metrics.HitRate(3),
        rl.metrics.Precision(3),
        rl.metrics.MRR(),
        rl.metrics.AUC(),
        rl.metrics.Coverage(2),
        rl.metrics.MeanPopularity(2, candidate_counts=np.repeat(recipes, range(len(recipes)))),
    ]
    model.compile(rl.optimizers.Adam(0.1, beta_1=0.8, amsgrad=True), loss, metrics)
    return model


def inverted_file() -> rl.RetrievalModel:
    """So many clusters that the index scores 64 of some 200 blocks; still it finds what a search of all would."""
    model = rl.RetrievalModel(
        rl.IdTower(golden.USERS, 4, feature="user_id", initializer=golden.normal(5), seed=5),
        rl.IdTower(golden.MANY_RECIPES, 4, feature="recipe_id", initializer=golden.normal(6), seed=6),
        {"recipe_id": golden.MANY_RECIPES},
        index={"index": "inverted_file", "scored_fraction": 0.05, "num_clusters": 200, "seed": 7, "k": 5},
    )
    model.compile(rl.optimizers.RowwiseAdagrad(0.2), rl.losses.InBatchSoftmax(reduction="mean"))
    return model


def functional_tower() -> rl.RetrievalModel:
    """A functional Keras model of the package's layers and Keras's own, which the model wraps as a tower."""
    inputs = {
        "user_id": keras.Input((), dtype="int64", name="user_id"),
        "minutes": keras.Input((), dtype="float32", name="minutes"),
    }
    lookup = rl.layers.IdLookup(golden.USERS, num_oov_indices=1)
    users = rl.layers.EmbeddingTable(len(golden.USERS) + 1, 4, golden.normal(8), "l2")(lookup(inputs["user_id"]))
    minutes = keras.layers.Dense(2, kernel_initializer=golden.normal(9))(keras.layers.Reshape((1,))(inputs["minutes"]))
    joined = keras.layers.Concatenate()([users, minutes])
    tower = keras.Model(inputs, rl.layers.MLP(6, 4, hidden_units=(5,), activation="tanh", seed=10)(joined))
    model = rl.RetrievalModel(
        tower,
        rl.IdTower(golden.RECIPES, 4, feature="recipe_id", initializer=golden.normal(11)),
        {"recipe_id": golden.RECIPES},
    )
    optimizer = rl.optimizers.LossScaleOptimizer(rl.optimizers.SGD(0.1, momentum=0.5), initial_scale=8.0)
    model.compile(optimizer, rl.losses.InBatchSoftmax(), [rl.metrics.TopKAccuracy(3)], corpus_metrics_in_training=True)
    return model


def sequential() -> keras.Sequential:
    """A plain Keras model that starts with a tower."""
    tower = rl.IdTower(golden.USERS, 4, num_oov_indices=2, normalize=True, regularizer="l2", seed=12)
    model = keras.Sequential(
        [keras.Input((), dtype="int64"), tower, keras.layers.Dense(1, kernel_initializer=golden.normal(13))]
    )
    model.compile(rl.optimizers.SGD(0.1), "mse", metrics=["mae"])
    return model


def index_layer() -> keras.Sequential:
    """A plain Keras model that ends with an index, so that its candidates are in the model's file."""
    index = rl.indexes.InvertedFileIndex(num_clusters=3, k=3)
    index.assign(np.random.default_rng(14).normal(size=(12, 4)), golden.TEXT_RECIPES)
    return keras.Sequential([keras.Input((4,)), index])


def index_of(name: str) -> rl.indexes.Index:
    """Returns an index to save alone."""
    options = {"num_clusters": 200, "scored_fraction": 0.05, "seed": 15} if name == "inverted_file" else {}
    index = rl.indexes.create(name, k=5, **options)
    ids = golden.TEXT_RECIPES if name == "int8" else golden.MANY_RECIPES if options else golden.RECIPES
    index.assign(np.random.default_rng(16).normal(size=(len(ids), 4)), ids)
    return index


def check_no_near_ties(name: str, model: rl.RetrievalModel) -> None:
    """Refuses answers that rounding on another machine could change: what is compared must not be nearly equal."""
    probes = golden.retrieval_rows(name)[1]
    candidates = model.candidate_embeddings()
    scores = model.predict({column: probes[column] for column in ("user_id", "minutes")}, verbose=0) @ candidates.T
    scores = np.asarray(scores)
    best = -np.sort(-scores, axis=1)[:, :5]
    rows = candidates.index.get_indexer(probes["recipe_id"])
    gaps = np.abs(scores - np.take_along_axis(scores, rows[:, np.newaxis], axis=1))
    gaps[np.arange(len(rows)), rows] = np.inf
    smallest = min(np.abs(np.diff(best, axis=1)).min(), gaps.min()) / np.abs(scores).max()
    if smallest < 5e-6:  # rounding is below 5e-7: embeddings of 4 numbers, from equal weights
        sys.exit(f"{name}: two scores are as near as {smallest:.1e}; choose other seeds")


def check_loaded_is_saved(name: str, loaded: dict[str, Any], saved: dict[str, Any]) -> None:
    """Refuses answers of a file that are not those of the model that was saved."""
    # Keras saves no state of its dropouts: they begin again, in this version and in every other.
    ignored = {"next_losses"} if name == "text_ids" else set()
    wrong = [key for key in saved if key not in ignored and loaded[key] != saved[key]]
    if wrong:
        sys.exit(f"{name}: the file answers otherwise than the model: {', '.join(wrong)}")


def write(folder: Path) -> None:
    targets = [folder / name for name in NAMES] + [folder / f"{name}.json" for name in NAMES]
    present = [path.name for path in targets if path.exists()]
    if present:
        sys.exit(f"golden files are never written again. Already there: {', '.join(present)}")

    answers: dict[str, Any] = {}
    for make in (golden.int_ids, text_ids, inverted_file, functional_tower):
        name, model = make.__name__, make()
        model.fit(golden.retrieval_rows(name)[0], epochs=5, shuffle=False, verbose=0)
        check_no_near_ties(name, model)
        model.save(folder / f"{name}.keras")
        if name == "int_ids":
            model.save_weights(folder / "int_ids.weights.h5")
            model.export(folder / "bundle", k=3)
        answers[f"{name}.keras"] = found = golden.observe_retrieval(
            name, keras.models.load_model(folder / f"{name}.keras")
        )
        check_loaded_is_saved(name, found, golden.observe_retrieval(name, model))
    answers["int_ids.weights.h5"] = answers["int_ids.keras"]
    answers["bundle"] = observe_bundle(folder / "bundle")

    model = sequential()
    model.fit(golden.USERS, golden.MINUTES[:, np.newaxis] / 60, epochs=3, shuffle=False, verbose=0)
    model.save(folder / "sequential.keras")
    answers["sequential.keras"] = golden.observe_sequential(model)

    model = index_layer()
    model.save(folder / "index_layer.keras")
    answers["index_layer.keras"] = golden.observe_index_layer(model)

    for name in ("brute_force", "int8", "inverted_file"):
        index = index_of(name)
        index.save(folder / f"{name}.index")
        answers[f"{name}.index"] = golden.observe_index(index)

    for name, found in answers.items():
        text = json.dumps(found, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(golden.FOLDER if len(sys.argv) < 2 else Path(sys.argv[1]))
