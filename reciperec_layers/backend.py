"""Refuses a Keras backend that the package does not support, before anything else of it is imported."""

from __future__ import annotations

import keras

from reciperec_layers.errors import BackendError, explain

if keras.backend.backend() != "tensorflow":
    raise BackendError(
        explain(
            "reciperec_layers",
            "Keras must run on TensorFlow",
            backend=keras.backend.backend(),
            fix='Set KERAS_BACKEND=tensorflow before keras is imported, or "backend" in keras.json',
        )
    )
