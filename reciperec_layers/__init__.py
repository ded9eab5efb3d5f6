"""Two-tower retrieval for Keras 3: towers, models, losses, exact metrics and indexes that save and load whole.

Importing the package registers its classes with Keras, so that `keras.models.load_model` finds them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reciperec_layers import backend as _backend  # noqa: F401 - first: it refuses another Keras backend
from reciperec_layers import errors, features, indexes, layers, losses, metrics, models, optimizers, towers
from reciperec_layers.losses import InBatchSoftmax
from reciperec_layers.models import RetrievalModel, inspect_model, load_model
from reciperec_layers.saving.keras_names import serializable
from reciperec_layers.towers import IdTower, MLPTower, Tower
from reciperec_layers.version import __version__
from reciperec_layers.vocabulary import Vocabulary

if TYPE_CHECKING:
    from reciperec_layers import data, evaluation, plots, testing

__all__ = [
    "IdTower",
    "InBatchSoftmax",
    "MLPTower",
    "RetrievalModel",
    "Tower",
    "Vocabulary",
    "__version__",
    "data",
    "errors",
    "evaluation",
    "features",
    "indexes",
    "inspect_model",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "plots",
    "serializable",
    "testing",
    "towers",
]

_ON_FIRST_USE = ("data", "evaluation", "plots", "testing")  # they import pandas or hypothesis; training does not


def __getattr__(name: str) -> Any:
    if name in _ON_FIRST_USE:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
