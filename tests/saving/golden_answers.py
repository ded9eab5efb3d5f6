"""What is asked of the files in `tests/saving/golden/`: `write.py` keeps the answers, `test_golden.py` asks again.

The questions stay as they are, and so does `int_ids`, the model that takes the golden weights. Only public names of the
package are used. As a program it loads all files in a process of its own:

    python -m tests.saving.golden_answers ANSWERS.json
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

FOLDER = Path(__file__).parent / "golden"

USERS = np.array([7, 2**24, 2**24 + 1, 2**53 + 1, 2**63 - 1, -(2**63)])
RECIPES = np.array([3, 2**24, 2**24 + 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 0, -5, 11, 12, 13])
TEXT_USERS = np.array(["ann", "", "\n", "Zoë", "用户", "7"], dtype=object)
TEXT_RECIPES = np.array(
    ["pie", "", "\n", "\r\n", "\u2028", "\0", "a\0", " ", "é", "e\u0301", "🍲", "00123"], dtype=object
)
MANY_RECIPES = np.arange(300) * 7 + 2**40
MINUTES = np.array([5.0, 10.0, 20.0, 30.0, 45.0, 60.0], np.float32)
QUERIES = np.array([[1.0, 0.5, -0.25, 0.125], [-1.0, 0.25, 2.0, 0.0], [0.0, -3.0, 0.5, 1.0]], np.float32)


def normal(seed: int) -> keras.initializers.Initializer:
    """Returns an initializer that spreads embeddings so far that no two scores are nearly equal."""
    return keras.initializers.RandomNormal(stddev=0.5, seed=seed)


def int_ids() -> rl.RetrievalModel:
    """Returns the model of `int_ids.keras` as it was before training; the weights file is loaded into it."""
    corpus = {
        "recipe_id": RECIPES,
        "recipe_name": [f"Crème Nr. {row}\n" for row in range(len(RECIPES))],
        "minutes": np.arange(len(RECIPES)) * 5,
    }
    model = rl.RetrievalModel(
        rl.IdTower(USERS, 4, feature="user_id", num_oov_indices=2, id_dropout=0.25, initializer=normal(1), seed=1),
        rl.IdTower(RECIPES, 4, feature="recipe_id", num_oov_indices=0, initializer=normal(2), regularizer="l2"),
        corpus,
        query_id="user_id",
        keep_columns=["recipe_name", "minutes"],
    )
    counts = dict(zip(RECIPES.tolist(), range(1, len(RECIPES) + 1), strict=True))
    loss = rl.losses.InBatchSoftmax(
        temperature=0.5, sampling_correction="counts", candidate_counts=counts, remove_accidental_hits=True
    )
    metrics = [
        rl.metrics.TopKAccuracy(3),
        rl.metrics.Recall(4),
        rl.metrics.NDCG(5, name="gain", per="row"),
        rl.metrics.MAP(6),
        rl.metrics.MeanPopularity(2, candidate_counts=counts, as_percentile=True),
    ]
    model.compile(rl.optimizers.Adagrad(0.5, initial_accumulator_value=0.2, clipnorm=5.0), loss, metrics)
    return model


def retrieval_rows(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the rows that a model is trained with, and those it is asked about; one user of the latter is unknown."""
    users, recipes, unknown = USERS, RECIPES, 8
    if name == "text_ids":
        users, recipes, unknown = TEXT_USERS, TEXT_RECIPES, "nobody"
    elif name == "inverted_file":
        recipes = MANY_RECIPES
    rows = {"user_id": users, "recipe_id": recipes[[0, 1, 2, 3, 4, 0]], "minutes": MINUTES}
    probes = {
        "user_id": np.append(users[1:], np.array([unknown], users.dtype)),
        "recipe_id": recipes[[1, 2, 3, 4, 0, 5]],
    }
    return rows, {**probes, "minutes": MINUTES[::-1]}


def observe_retrieval(name: str, model: rl.RetrievalModel) -> dict[str, Any]:
    """Returns the answers of a retrieval model, then trains it by two steps.

    The loss of the first tells that weights and loss are the same, that of the second that the optimizer's slots are.
    """
    rows, probes = retrieval_rows(name)
    features = {column: probes[column] for column in ("user_id", "minutes")}
    scores, ids = model.recommend(features, k=4)
    frame = model.recommend(features, k=2, as_frame=True)
    kept = ("rank", "score", *model.corpus.names)
    nearest = model.similar(probes["recipe_id"][:3], k=2)
    index, embeddings = model.candidate_index(), model.candidate_embeddings()
    found = {
        "queries": model.predict(features, verbose=0).tolist(),
        "scores": scores.tolist(),
        "ids": ids.tolist(),
        "kept": {column: frame[column].tolist() for column in kept if column not in features},
        "similarities": nearest[0].tolist(),
        "similar_ids": nearest[1].tolist(),
        "candidates": embeddings.to_numpy().tolist(),
        "candidate_ids": embeddings.index.tolist(),
        "index": rl.indexes.INDEXES.name_of(type(index)),
        "learned": {key: array.tolist() for key, array in index.learned.items()},
        "ranks": model.held_out_ranks(probes).tolist(),
        "metrics": model.evaluate(probes, verbose=0, return_dict=True),
        "iterations": int(model.optimizer.iterations.numpy()),
        "next_losses": model.fit(rows, epochs=2, shuffle=False, verbose=0).history["loss"],
    }
    # The files have losses of a whole batch, as version 0.1 reported them.
    of_batch = len(MINUTES) if model.in_batch_loss.reduction == "sum" else 1
    for key in ("loss", "regularization_loss", "total_loss"):
        found["metrics"][key] *= of_batch
    found["next_losses"] = [of_batch * loss for loss in found["next_losses"]]
    return found


def observe_sequential(model: keras.Sequential) -> dict[str, Any]:
    """Returns the answers of a plain Keras model that starts with a tower, then trains it by two steps."""
    _, probes = retrieval_rows("int_ids")
    users, targets = tf.constant(probes["user_id"]), tf.constant(MINUTES[:, np.newaxis] / 60)
    found = {
        "outputs": model.predict(users, verbose=0).tolist(),
        "metrics": model.evaluate(users, targets, verbose=0, return_dict=True),
        "iterations": int(model.optimizer.iterations.numpy()),
    }
    return {**found, "next_losses": model.fit(users, targets, epochs=2, shuffle=False, verbose=0).history["loss"]}


def observe_index_layer(model: keras.Model) -> dict[str, Any]:
    """Returns the answers of a plain Keras model whose last layer is an index."""
    scores, ids = model(tf.constant(QUERIES))
    return {"scores": scores.numpy().tolist(), "ids": [[text.decode() for text in row] for row in ids.numpy().tolist()]}


def observe_index(index: rl.indexes.Index) -> dict[str, Any]:
    """Returns the answers of an index."""
    scores, ids = index.search(QUERIES, k=4)
    others = index.search(QUERIES, exclude=ids[:, :2].tolist())
    return {
        "k": index.k,
        "scores": scores.tolist(),
        "ids": ids.tolist(),
        "other_scores": others[0].tolist(),
        "other_ids": others[1].tolist(),
        "candidate_ids": index.ids.tolist(),
        "candidates": index.embeddings.numpy().tolist(),
        "learned": {key: array.tolist() for key, array in index.learned.items()},
    }


def load_all() -> dict[str, Any]:
    """Returns the answers of every file as Keras and the package load it, or the error.

    Of a retrieval model also what it recommends when `rl.load_model` loads it.
    """
    sys.modules["sklearn"] = None  # type: ignore[assignment] - nothing may be learned again
    found: dict[str, Any] = {}
    for path in sorted(FOLDER.iterdir()):
        try:
            if path.suffix == ".keras":
                model = keras.models.load_model(path)
                loaded_by_us = rl.load_model(path)
                if isinstance(model, rl.RetrievalModel):
                    found[path.name] = observe_retrieval(path.stem, model)
                    features = retrieval_rows(path.stem)[1]
                    again = [array.tolist() for array in loaded_by_us.recommend(features, k=4)]
                    found[f"rl.load_model: {path.name}"] = dict(zip(("scores", "ids"), again, strict=True))
                elif path.stem == "index_layer":
                    found[path.name] = observe_index_layer(model)
                else:
                    found[path.name] = observe_sequential(model)
            elif path.suffix == ".index":
                found[path.name] = observe_index(rl.indexes.load_index(path))
            elif path.name.endswith(".weights.h5"):
                model = int_ids()
                model.load_weights(path)
                found[path.name] = observe_retrieval("int_ids", model)
        except Exception as error:  # so that one file that does not load hides no other
            found[path.name] = f"{type(error).__name__}: {error}"
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(load_all()), encoding="utf-8")
