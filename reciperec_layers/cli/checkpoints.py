"""The checkpoint of a training run: the model of the last finished epoch, and what it was trained with."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from reciperec_layers.errors import ArgumentError, ModelFileError, explain
from reciperec_layers.models import RetrievalModel, load_model
from reciperec_layers.saving.atomic_files import write_beside

if TYPE_CHECKING:
    import pandas as pd

_MEMBER = "training_run.json"


def checkpoint_path(out: Path) -> Path:
    """Returns the path, beside the output, at which training keeps the model of the last finished epoch.

    Example:
        >>> checkpoint_path(Path("recipes.keras")).name
        'recipes.checkpoint.keras'
    """
    return out.with_suffix(f".checkpoint{out.suffix}")


def describe_run(options: Mapping[str, Any], **frames: pd.DataFrame) -> dict[str, Any]:
    """Returns what two runs must share for one to go on where the other was interrupted.

    Args:
        options: Options of training.
        **frames: The data, by what errors call them.

    Example:
        >>> import pandas as pd
        >>> run = describe_run({"seed": 1}, rows=pd.DataFrame({"user_id": [7]}))
        >>> run["options"], sorted(run["data"])
        ({'seed': 1}, ['rows'])
    """
    return {"options": dict(options), "data": {name: _fingerprint(frame) for name, frame in frames.items()}}


class KeepCheckpoint(keras.callbacks.Callback):
    """Saves the model after each epoch. The file also holds which epoch that was and what describes the run.

    Args:
        path: The file, which is replaced.
        run: From `describe_run`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "model.checkpoint.keras"
        >>> keep = KeepCheckpoint(path, {"options": {}, "data": {}})
        >>> keep.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
        >>> keep.on_epoch_end(0)
        >>> path.exists()
        True
    """

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        super().__init__()
        self._path = path
        self._run = run

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        write_beside(self._path, lambda beside: self._write(beside, epoch + 1))

    def _write(self, path: Path, num_epochs: int) -> None:
        self.model.save(path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(_MEMBER, json.dumps({**self._run, "num_epochs": num_epochs}))


def load_checkpoint(path: Path, run: dict[str, Any], epochs: int) -> tuple[RetrievalModel, int]:
    """Returns the model of a checkpoint and the number of epochs that it has been trained.

    Args:
        path: The file.
        run: From `describe_run`, of the run that is to go on.
        epochs: How many epochs it is to have.

    Raises:
        ArgumentError: There is no such file, or it is of a run with other options or data.
        ModelFileError: It is not a checkpoint.
    """
    if not path.exists():
        problem = "there is no checkpoint to go on from"
        raise ArgumentError(explain("--resume", problem, path=path, fix="Leave out --resume to begin"))
    found = _read(path)
    difference = _difference(found, run, epochs)
    if difference is not None:
        fix = "Use the options and files of the run that was interrupted, or begin again with --overwrite"
        raise ArgumentError(explain("--resume", difference, checkpoint=path, fix=fix))
    model = load_model(path)
    if not isinstance(model, RetrievalModel):
        raise ModelFileError(_not_a_checkpoint(path))
    return model, found["num_epochs"]


def _read(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            found = json.loads(archive.read(_MEMBER))
        return {
            "options": dict(found["options"]),
            "data": dict(found["data"]),
            "num_epochs": int(found["num_epochs"]),
        }
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ModelFileError(_not_a_checkpoint(path)) from error


def _not_a_checkpoint(path: Path) -> str:
    fix = "Move the file away, or begin again with --overwrite, which replaces it"
    return explain("--resume", "the file is not a checkpoint of `reciperec train`", path=path, fix=fix)


def _difference(found: dict[str, Any], run: dict[str, Any], epochs: int) -> str | None:
    """Returns in what two runs differ, or `None`."""
    names = [*run["options"], *(name for name in found["options"] if name not in run["options"])]
    for name in names:
        before, now = (each["options"].get(name) for each in (found, run))
        if before != now:
            return f"the checkpoint was trained with --{name.replace('_', '-')} {before}, not {now}"
    for name, fingerprint in run["data"].items():
        if found["data"].get(name) != fingerprint:
            return f"the checkpoint was trained with other {name.replace('_', ' ')}"
    if found["num_epochs"] > epochs:
        return f"the checkpoint has been trained for {found['num_epochs']} epochs, more than --epochs {epochs}"
    return None


def _fingerprint(frame: pd.DataFrame) -> str:
    from pandas.util import hash_pandas_object  # slow to import

    digest = hashlib.sha256(json.dumps(list(map(str, frame.columns))).encode())
    digest.update(hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:32]
