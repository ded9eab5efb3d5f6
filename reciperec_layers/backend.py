"""Checks run before the rest of the package is imported: the Keras backend, and quiet imports for the command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from reciperec_layers.errors import BackendError, explain

# The name that `sys.argv[0]` has while Python imports the parent packages of a module run with `-m` is "-m".
_COMMANDS = ("reciperec", "reciperec.exe", "-m")


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Silences stderr, even for C++ code; Python exceptions still propagate."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _import_tensorflow() -> None:
    # TensorFlow prints five lines about missing GPUs at every logging level. They are silenced only if this process is
    # the command, never for a program that imports the package.
    if Path(sys.argv[0]).name in _COMMANDS and "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with _silenced_stderr():
            import_module("tensorflow")


def _configured_backend() -> str:
    # Importing Keras imports its backend, and fails with an error of its own if that is not installed.
    if "keras" not in sys.modules and os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return os.environ["KERAS_BACKEND"]
    _import_tensorflow()
    return str(import_module("keras").backend.backend())


if (_backend := _configured_backend()) != "tensorflow":
    _fix = 'Set KERAS_BACKEND=tensorflow before keras is imported, or "backend" in keras.json'
    raise BackendError(explain("reciperec_layers", "Keras must run on TensorFlow", backend=_backend, fix=_fix))
