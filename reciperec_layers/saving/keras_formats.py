"""Which of Keras's forms of saving keep a model of this package whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reciperec_layers.errors import ArgumentError, explain


def check_model_format(filepath: Any, zipped: bool | None, owner: str) -> None:
    """Raises unless Keras would write a zipped `.keras` file, the only form that has a place for ids and corpus.

    Args:
        filepath: Where to save.
        zipped: As for `keras.Model.save`.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: It would be a folder, an `.h5` file, or none of Keras's forms.

    Example:
        >>> check_model_format("recipes.h5", None, "RetrievalModel.save")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: RetrievalModel.save: an .h5 file would lack the ids and the corpus. ...
    """
    text = str(filepath)
    if zipped is False or text.startswith("hf://"):
        problem = "a folder, as Keras writes it, would lack the ids and the corpus"
    elif text.endswith((".h5", ".hdf5")):
        problem = "an .h5 file would lack the ids and the corpus"
    elif not text.endswith(".keras"):
        problem = "the file of a model must end with .keras"
    else:
        return
    fix = "Save a zipped file whose name ends with .keras"
    raise ArgumentError(explain(owner, problem, filepath=_shown(filepath), zipped=zipped, fix=fix))


def check_weights_format(filepath: Any, owner: str, max_shard_size: Any = None) -> None:
    """Raises unless Keras would write one `.weights.h5` file.

    Args:
        filepath: Where to save.
        owner: Name of the caller, for messages.
        max_shard_size: As for `keras.Model.save_weights`.

    Raises:
        ArgumentError: It would be several files, which cannot be replaced in one step, or another form.

    Example:
        >>> check_weights_format("recipes.h5", "RetrievalModel.save_weights")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: ...: the file of weights must end with .weights.h5. ...
    """
    if max_shard_size is not None:
        problem = "weights in several files could not be replaced in one step"
        fix = "Leave out max_shard_size: one file takes any size"
        raise ArgumentError(explain(owner, problem, max_shard_size=max_shard_size, fix=fix))
    if not str(filepath).endswith(".weights.h5"):
        problem = "the file of weights must end with .weights.h5"
        fix = 'Use for example "recipes.weights.h5"'
        raise ArgumentError(explain(owner, problem, filepath=_shown(filepath), fix=fix))


def is_remote(filepath: Any) -> bool:
    """Whether Keras would write to another machine, as to `gs://...`, where there are no renames.

    Example:
        >>> is_remote("gs://recipes/model.keras")
        True
    """
    return "://" in str(filepath)


def _shown(filepath: Any) -> Any:
    return Path(filepath) if isinstance(filepath, str) else filepath
