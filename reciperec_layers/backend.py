"""Refuses a Keras backend that the package does not support, before anything else of it is imported."""

from __future__ import annotations

import os
import sys

from reciperec_layers.errors import BackendError, explain


def _configured_backend() -> str:
    # Keras imports its backend when it is itself imported, and fails in its own way when that is not installed.
    if "keras" not in sys.modules and os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return os.environ["KERAS_BACKEND"]
    import keras

    return str(keras.backend.backend())


if (_backend := _configured_backend()) != "tensorflow":
    fix = 'Set KERAS_BACKEND=tensorflow before keras is imported, or "backend" in keras.json'
    raise BackendError(explain("reciperec_layers", "Keras must run on TensorFlow", backend=_backend, fix=fix))
