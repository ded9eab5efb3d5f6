"""Keras models with an index in them that one process saves and another loads, and what is seen of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reciperec_layers import indexes

TEXTS = ["", "\n", "\0", "a\0", "a", "\u2028", "🍲"]
INTEGERS = [-(2**63), 2**63 - 1, 2**53 + 1, 2**53, -1, 0, 7]
DIM = 4
REGISTERED = ("brute_force", "int8", "inverted_file")


@keras.saving.register_keras_serializable("tests.indexes")
class Finder(keras.Model):
    """A model of a user's own that holds an index."""

    def __init__(self, index: Any, **options: Any) -> None:
        super().__init__(**options)
        self.index = index

    def call(self, inputs: Any) -> Any:
        return self.index(inputs, k=3)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "index": keras.saving.serialize_keras_object(self.index)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Finder:
        return cls(keras.saving.deserialize_keras_object(config.pop("index")), **config)


def embeddings(size: int = len(TEXTS), seed: int = 0) -> np.ndarray:
    """Whole numbers, so that scores are exact."""
    return np.random.default_rng(seed).integers(-9, 10, (size, DIM)).astype(np.float32)


def queries() -> np.ndarray:
    return embeddings(5, seed=1)


def model_around(form: str, index: Any) -> Any:
    if form == "functional":
        inputs = keras.Input((DIM,))
        return keras.Model(inputs, index(keras.layers.Rescaling(2.0)(inputs), k=4))
    if form == "sequential":
        return keras.Sequential([keras.Input((DIM,)), keras.layers.Rescaling(2.0), index])
    if form == "subclassed":
        model = Finder(index)
        model(queries())
        return model
    return index


def make(kind: str, ids: Any = TEXTS) -> Any:
    form, _, name = kind.partition("-")
    index = indexes.create(name, k=3, name="shelf", **({"seed": 5} if name == "inverted_file" else {}))
    index.assign(embeddings(len(ids)), ids)
    return model_around(form, index)


def index_of(model: Any) -> indexes.Index:
    if isinstance(model, indexes.Index):
        return model
    return model.index if isinstance(model, Finder) else model.get_layer("shelf")


def observe(model: Any) -> dict[str, Any]:
    """Everything that must be the same after loading, as JSON has it."""
    index = index_of(model)
    scores, ids = (each.numpy().tolist() for each in model(queries()))
    texts = [[item.decode() if isinstance(item, bytes) else item for item in row] for row in ids]
    arrays = {name: array.tolist() for name, array in index.arrays().items()}
    return {"ids": texts, "scores": scores, "arrays": arrays, "config": repr(index.get_config())}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    loaded = {path.stem: observe(keras.models.load_model(path)) for path in sorted(place.glob("*.keras"))}
    (place / "loaded.json").write_text(json.dumps(loaded), encoding="utf-8")
