"""The checkpoint of a training run: the model of the last finished epoch, and what it was trained with."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from reciperec_layers.errors import ArgumentError, ModelFileError, OutputExistsError, explain
from reciperec_layers.models import RetrievalModel, load_model
from reciperec_layers.saving.atomic_files import write_beside

if TYPE_CHECKING:
    import pandas as pd

_MAX_NAME_BYTES = 255


def checkpoint_path(out: Path, number: int = 1) -> Path:
    """Returns the path, beside the output, at which training keeps the model of the last finished epoch.

    Args:
        out: The output. Of a name that would become too long, the end of the stem is left out.
        number: 1, or more if another training has made a file of the name.

    Example:
        >>> checkpoint_path(Path("recipes.keras")).name
        'recipes.checkpoint.keras'
    """
    ending = f".checkpoint{'' if number == 1 else f'-{number}'}{out.suffix}"
    stem = out.stem
    while stem and len(os.fsencode(stem + ending)) > _MAX_NAME_BYTES:
        stem = stem[:-1]
    return out.with_name(stem + ending)


def existing_checkpoints(out: Path) -> list[Path]:
    """Returns the checkpoints beside an output: of the run that made the first, and of others to the same output.

    Example:
        >>> existing_checkpoints(Path("no_such_model.keras"))
        []
    """
    first = checkpoint_path(out)
    numbers = range(1, 2 + len(list(first.parent.glob(f"*{first.suffix}"))))
    return [path for path in (checkpoint_path(out, number) for number in numbers) if path.exists()]


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
    plain = json.loads(json.dumps(dict(options)))  # as it is read from a file
    return {"options": plain, "data": {name: _fingerprint(frame) for name, frame in frames.items()}}


class KeepCheckpoint(keras.callbacks.Callback):
    """Saves the model after each epoch. The file also holds which epoch that was and what describes the run.

    It is always the same file, beside the output. If another training makes the file first, it is one with a number.

    Args:
        out: The output of the training.
        run: From `describe_run`.
        overwrite: Whether a checkpoint that is there may be replaced.
        resumed: The checkpoint from which training goes on, if it does.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> keep = KeepCheckpoint(folder / "model.keras", {"options": {}, "data": {}})
        >>> keep.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
        >>> keep.on_epoch_end(0)
        >>> keep.path.name
        'model.checkpoint.keras'
    """

    def __init__(self, out: Path, run: dict[str, Any], overwrite: bool = False, resumed: Path | None = None) -> None:
        super().__init__()
        self._out, self._run, self._overwrite = out, run, overwrite
        self.path = resumed

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        number = 1
        while self.path is None:
            path = checkpoint_path(self._out, number)
            try:
                write_beside(path, lambda beside: self._write(beside, epoch + 1), self._overwrite)
                self.path = path
                return
            except OutputExistsError:
                number += 1
        write_beside(self.path, lambda beside: self._write(beside, epoch + 1))

    def remove(self) -> None:
        """Deletes the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _write(self, path: Path, num_epochs: int) -> None:
        self.model.save(path)
        with zipfile.ZipFile(path, "a") as archive:
            # Not a member: a `.keras` file with one more would be refused.
            archive.comment = json.dumps({**self._run, "num_epochs": num_epochs}).encode()


def load_checkpoint(out: Path, run: dict[str, Any], epochs: int) -> tuple[RetrievalModel, int, Path]:
    """Returns the model of a run's checkpoint, the number of epochs that it has been trained, and the file.

    Where several runs to one output were interrupted, it is the longest trained one with these options and data.

    Args:
        out: The output of the run.
        run: From `describe_run`, of the run that is to go on.
        epochs: How many epochs it is to have.

    Raises:
        ArgumentError: There is no checkpoint, or all are of runs with other options or data.
        ModelFileError: The files are not checkpoints.
    """
    paths = existing_checkpoints(out)
    if not paths:
        problem = "there is no checkpoint to go on from"
        raise ArgumentError(explain("--resume", problem, path=checkpoint_path(out), fix="Leave out --resume to begin"))
    found = _read_all(paths)
    differences = {path: _difference(each, run, epochs) for path, each in found.items()}
    own = [path for path, difference in differences.items() if difference is None]
    if not own:
        problem = "; ".join(f"{path.name}: {difference}" for path, difference in differences.items())
        fix = "Use the options and files of the run that was interrupted, or begin again with --overwrite"
        raise ArgumentError(explain("--resume", problem, folder=out.parent, fix=fix))
    path = max(own, key=lambda each: found[each]["num_epochs"])
    model = load_model(path)
    if not isinstance(model, RetrievalModel):
        raise ModelFileError(_not_a_checkpoint(path))
    return model, found[path]["num_epochs"], path


def _read_all(paths: list[Path]) -> dict[Path, dict[str, Any]]:
    """Returns what checkpoints say of their runs. Files that are none are an error only if all are."""
    found = {}
    for path in paths:
        with contextlib.suppress(ModelFileError):
            found[path] = _read(path)
    if not found:
        raise ModelFileError(_not_a_checkpoint(paths[0]))
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            found = json.loads(archive.comment)
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
    for name in {**run["data"], **found["data"]}:
        if found["data"].get(name) != run["data"].get(name):
            return f"the checkpoint was trained with other {name.replace('_', ' ')}"
    if found["num_epochs"] > epochs:
        return f"the checkpoint has been trained for {found['num_epochs']} epochs, more than --epochs {epochs}"
    return None


def _fingerprint(frame: pd.DataFrame) -> str:
    from pandas.util import hash_pandas_object  # slow to import

    digest = hashlib.sha256(json.dumps(list(map(str, frame.columns))).encode())
    digest.update(hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:32]
