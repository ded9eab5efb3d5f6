"""Saved models: checking files before Keras reads them, loading them with clear errors, and inspecting them."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from reciperec_layers.errors import (
    MissingExtraError,
    ModelFileError,
    PluginError,
    VocabularyMismatchError,
    describe_error,
    explain,
)
from reciperec_layers.saving.config_objects import check_objects
from reciperec_layers.saving.input_files import require_file
from reciperec_layers.saving.required_plugins import require_plugins
from reciperec_layers.saving.variable_limit import limited_variables
from reciperec_layers.saving.weights_files import check_hash, check_hdf5
from reciperec_layers.saving.zip_members import check_members

_FIX = "Use a complete `.keras` file, as written by model.save"
_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_MAX_JSON_BYTES = 2**25


@dataclass(frozen=True)
class ModelInfo:
    """Metadata and config of a saved model.

    Args:
        class_name: Name of the model's class.
        keras_version: Version of Keras that saved it.
        date_saved: When it was saved, local time as text.
        size_bytes: Size of the file.
        config: The whole config, which has neither ids nor weights.

    Example:
        >>> ModelInfo("RetrievalModel", "3.15.1", "2026-01-31@12:00:00", 1024, {}).class_name
        'RetrievalModel'
    """

    class_name: str
    keras_version: str
    date_saved: str
    size_bytes: int
    config: dict[str, Any]


def load_model(path: str | Path, **kwargs: Any) -> Any:
    """Loads a model like `keras.models.load_model`, but finds plugins by itself, and checks the file first.

    Nothing in the file is executed, and nothing that it names is opened. Every file that is not a whole model raises
    one of the errors below, before it takes much more memory than its size.

    Args:
        path: A `.keras` file.
        **kwargs: As for `keras.models.load_model`; `safe_mode` stays on unless it is switched off.

    Raises:
        ArgumentTypeError: `path` is not a path.
        ModelFileError: The file is missing, is not a model, is damaged, or names objects that no model is made of.
        PluginError: The model needs a class that is not registered, or from a package that is not installed.

    Example:
        >>> load_model("no.keras")
        Traceback (most recent call last):
        reciperec_layers.errors.ModelFileError: load_model: there is no such file. ...
    """
    info, stored = _checked(path, "load_model")
    path = Path(path)
    try:
        require_plugins(info.config)
        with keras.saving.custom_object_scope(kwargs.get("custom_objects") or {}):
            check_objects(info.config, safe_mode=bool(kwargs.get("safe_mode", True)))
        with limited_variables(*stored, "load_model"):
            model = keras.models.load_model(path, **kwargs)
    except (MissingExtraError, ModelFileError, PluginError, VocabularyMismatchError):
        raise
    except Exception as error:  # Keras, h5py and TensorFlow raise any kind for a file that is damaged
        problem = f"the file cannot be loaded: {describe_error(error)}"
        raise ModelFileError(explain("load_model", problem, path=path, fix=_FIX)) from error
    if not isinstance(model, keras.layers.Layer):
        raise ModelFileError(explain("load_model", "the file holds no model", path=path, found=model, fix=_FIX))
    return model


def inspect_model(path: str | Path) -> ModelInfo:
    """Reads the metadata and config of a saved model without creating it.

    Args:
        path: A `.keras` file.

    Raises:
        ArgumentTypeError: `path` is not a path.
        ModelFileError: The file is missing, is not a model, or is damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "model.keras"
        >>> keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
        >>> inspect_model(path).class_name
        'Sequential'
    """
    return _checked(path, "inspect_model")[0]


def check_weights(filepath: str | Path, owner: str) -> None:
    """Checks a file of weights before Keras reads it: a `.keras` or HDF5 file, or the list of several HDF5 files.

    Args:
        filepath: The file.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentTypeError: `filepath` is not a path.
        ModelFileError: It is missing or damaged, has changed since it was written, or names other files.

    Example:
        >>> check_weights("no.weights.h5", "load_weights")
        Traceback (most recent call last):
        reciperec_layers.errors.ModelFileError: load_weights: there is no such file. ...
    """
    path = require_file(filepath, owner, "a file of weights")
    if path.suffix == ".keras":
        _checked(path, owner)
        return
    try:
        if path.suffix != ".json":
            check_hash(path)
        for file in _shards(path) if path.suffix == ".json" else [path]:
            check_hdf5(require_file(file, owner, "a file of weights"), file.stat().st_size)
    except ModelFileError:
        raise
    except Exception as error:  # h5py raises any kind
        problem = f"the file is damaged ({describe_error(error)})"
        fix = "Use an intact copy of the file, as written by model.save_weights"
        raise ModelFileError(explain(owner, problem, path=path, fix=fix)) from error


def _shards(path: Path) -> list[Path]:
    """Returns the files that the `.weights.json` of sharded weights names, which must lie beside it."""
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise ValueError("it is too large")
    listed = json.loads(path.read_bytes())["weight_map"].values()
    names = {name for each in listed for name in (each if isinstance(each, list) else [each])}
    return [path.with_name(name) for name in sorted({*names, f"{path.stem.replace('.weights', '')}_00000.weights.h5"})]


def _checked(path: str | Path, owner: str) -> tuple[ModelInfo, tuple[int, int]]:
    """Returns what a `.keras` file says about itself, and number and bytes of its weights, after it was read once."""
    path = require_file(path, owner, "a `.keras` file")
    try:
        size_bytes = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            check_members(archive, size_bytes, _is_member, compressed=True)
            config, metadata = (_read_json(archive, name) for name in (_CONFIG, _METADATA))
            weights = archive.read(_WEIGHTS)
            stored = check_hdf5(io.BytesIO(weights), len(weights))
            del weights
            for name in set(archive.namelist()) - {_WEIGHTS}:
                with archive.open(name) as member:
                    while member.read(2**20):  # which compares the checksum at the end
                        pass
    except Exception as error:  # zipfile, json and h5py raise any kind
        problem = f"the file is not a saved model, or was cut short ({describe_error(error)})"
        raise ModelFileError(explain(owner, problem, path=path, fix=_FIX)) from error
    info = ModelInfo(
        class_name=str(config.get("class_name", "")),
        keras_version=str(metadata.get("keras_version", "")),
        date_saved=str(metadata.get("date_saved", "")),
        size_bytes=size_bytes,
        config=config,
    )
    return info, stored


def _is_member(name: str) -> bool:
    return name in (_CONFIG, _METADATA, _WEIGHTS) or name.startswith("assets/")


def _read_json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    if archive.getinfo(name).file_size > _MAX_JSON_BYTES:
        raise ValueError(f"{name} is too large")
    content = json.loads(archive.read(name))
    if not isinstance(content, dict):
        raise ValueError(f"{name} is not an object")
    return content
