"""Uses the installed package as a stranger would: `save FILE` writes a model, `load FILE` reads it."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

import keras
import numpy as np

import reciperec_layers as rl

USERS = ["ann", "bob", "zoë"]
PROBE = np.array(["zoë", "ann", "nobody"], dtype=object)


def save(model_file: str) -> None:
    installed = Path(rl.__file__)
    if "site-packages" not in installed.parts or not (files("reciperec_layers") / "py.typed").is_file():
        sys.exit(f"the package must come from the wheel and be typed. It came from {installed}")
    tower = rl.IdTower(USERS, embedding_dim=4)
    keras.Sequential([keras.Input((), dtype="string"), tower]).save(model_file)
    np.save(f"{model_file}.npy", tower(keras.ops.convert_to_tensor(PROBE)))


def load(model_file: str) -> None:
    model = keras.models.load_model(model_file)
    np.testing.assert_array_equal(model(keras.ops.convert_to_tensor(PROBE)), np.load(f"{model_file}.npy"))
    print(f"{rl.__name__} {rl.__version__}: saved and loaded, equal embeddings")


if __name__ == "__main__":
    {"save": save, "load": load}[sys.argv[1]](sys.argv[2])
