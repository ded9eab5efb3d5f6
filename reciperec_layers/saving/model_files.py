"""Saved models: loading them with clear errors, and inspecting them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from reciperec_layers.errors import ModelFileError, ReciperecError, explain
from reciperec_layers.saving.required_plugins import require_plugins

_FIX = "Use a complete `.keras` file, as written by model.save"


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
    """Loads a model like `keras.models.load_model`, but finds plugins by itself and raises clearer errors.

    Args:
        path: A `.keras` file.
        **kwargs: As for `keras.models.load_model`; `safe_mode` stays on unless it is switched off.

    Raises:
        ModelFileError: The file is missing, is not a model, or is damaged.
        PluginError: The model needs a class from a package that is not installed.

    Example:
        >>> load_model("no.keras")
        Traceback (most recent call last):
        reciperec_layers.errors.ModelFileError: load_model: there is no such file. ...
    """
    require_plugins(inspect_model(path).config)
    try:
        return keras.models.load_model(path, **kwargs)
    except ReciperecError:
        raise
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelFileError(
            explain("load_model", f"the file cannot be loaded: {reason}", path=Path(path), fix=_FIX)
        ) from error


def inspect_model(path: str | Path) -> ModelInfo:
    """Reads the metadata and config of a saved model without creating it.

    Args:
        path: A `.keras` file.

    Raises:
        ModelFileError: The file is missing, is not a model, or is damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "model.keras"
        >>> keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
        >>> inspect_model(path).class_name
        'Sequential'
    """
    path = Path(path)
    if path.is_dir():
        raise ModelFileError(explain("load_model", "it is a folder, not a `.keras` file", path=path, fix=_FIX))
    if not path.is_file():
        raise ModelFileError(explain("load_model", "there is no such file", path=path, fix="Check the path"))
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            if broken is not None:
                raise zipfile.BadZipFile(f"{broken} is damaged")
            config = json.loads(archive.read("config.json"))
            metadata = json.loads(archive.read("metadata.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
        problem = "the file is not a saved model, or was cut short"
        raise ModelFileError(explain("load_model", problem, path=path, fix=_FIX)) from error
    return ModelInfo(
        class_name=config.get("class_name", ""),
        keras_version=metadata.get("keras_version", ""),
        date_saved=metadata.get("date_saved", ""),
        size_bytes=path.stat().st_size,
        config=config,
    )
