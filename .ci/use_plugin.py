"""Loads models that need examples/plugin: `with MODEL...` where it is installed, `without MODEL...` where it is not."""

from __future__ import annotations

import re
import sys

import keras

import reciperec_layers as rl

ORIGIN = "of the package reciperec-kitchen 1.0, which is not installed."


def load_with(model_file: str) -> str:
    scores, _ = keras.models.load_model(model_file).recommend({"user_id": [7]}, k=2)
    assert scores.shape == (1, 2)
    return "loaded"


def load_without(model_file: str) -> str:
    messages = set()
    for load in (rl.load_model, keras.models.load_model):
        try:
            load(model_file)
        except rl.errors.PluginError as error:
            messages.add(str(error))
        else:
            sys.exit(f"{model_file} was loaded without the package that it needs")
    (message,) = messages
    if not re.search(rf"needs the (tower|encoder) '\w+' {re.escape(ORIGIN)}", message):
        sys.exit(f"{model_file}: the error does not name the package: {message}")
    return message


if __name__ == "__main__":
    for each in sys.argv[2:]:
        print({"with": load_with, "without": load_without}[sys.argv[1]](each))
