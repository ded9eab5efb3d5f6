"""The checkpoint of a training run: the model of the last finished epoch, and what it was trained with."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from reciperec_layers.errors import ArgumentError, ModelFileError, OutputExistsError, explain
from reciperec_layers.models import RetrievalModel, load_model
from reciperec_layers.models.training_choice import TrainingChoice
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
        choice: What was chosen for the run.
        overwrite: Whether a checkpoint that is there may be replaced.
        resumed: The checkpoint from which training goes on, if it does.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> keep = KeepCheckpoint(folder / "model.keras", {"options": {}, "data": {}}, TrainingChoice(0.1, 3, 30))
        >>> keep.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
        >>> keep.on_epoch_end(0)
        >>> keep.path.name
        'model.checkpoint.keras'
    """

    def __init__(
        self,
        out: Path,
        run: dict[str, Any],
        choice: TrainingChoice,
        overwrite: bool = False,
        resumed: Path | None = None,
    ) -> None:
        super().__init__()
        self._out, self._run, self._overwrite = out, {**run, "choice": asdict(choice)}, overwrite
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


@dataclass(frozen=True)
class Kept:
    """What a checkpoint says of its run.

    Args:
        path: The file.
        options: Options of training.
        data: Fingerprints of the data by name.
        num_epochs: How many epochs the model has been trained.
        choice: What was chosen for the run.
    """

    path: Path
    options: dict[str, Any]
    data: dict[str, str]
    num_epochs: int
    choice: TrainingChoice


def load_checkpoint(out: Path, run: dict[str, Any]) -> tuple[RetrievalModel, Kept]:
    """Returns the model of a run's checkpoint, and what the file says of the run.

    Where several runs to one output were interrupted, it is the longest trained one with these options and data.

    Args:
        out: The output of the run.
        run: From `describe_run`, of the run that is to go on.

    Raises:
        ArgumentError: There is no checkpoint, or all are of runs with other options or data.
        ModelFileError: The files are not checkpoints.
    """
    paths = existing_checkpoints(out)
    if not paths:
        problem = "there is no checkpoint to go on from"
        raise ArgumentError(explain("--resume", problem, path=checkpoint_path(out), fix="Leave out --resume to begin"))
    found = _read_all(paths)
    differences = {each.path: _difference(each, run) for each in found}
    own = [each for each in found if differences[each.path] is None]
    if not own:
        problem = "; ".join(f"{path.name}: {difference}" for path, difference in differences.items())
        fix = "Use the options and files of the run that was interrupted, or begin again with --overwrite"
        raise ArgumentError(explain("--resume", problem, folder=out.parent, fix=fix))
    kept = max(own, key=lambda each: each.num_epochs)
    model = load_model(kept.path)
    if not isinstance(model, RetrievalModel):
        raise ModelFileError(_not_a_checkpoint(kept.path))
    return model, kept


def _read_all(paths: list[Path]) -> list[Kept]:
    """Returns what checkpoints say of their runs. Files that are none are an error only if all are."""
    found = []
    for path in paths:
        with contextlib.suppress(ModelFileError):
            found.append(_read(path))
    if not found:
        raise ModelFileError(_not_a_checkpoint(paths[0]))
    return found


def _read(path: Path) -> Kept:
    try:
        with zipfile.ZipFile(path) as archive:
            found = json.loads(archive.comment)
        choice = TrainingChoice(**found["choice"])
        return Kept(path, dict(found["options"]), dict(found["data"]), int(found["num_epochs"]), choice)
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ModelFileError(_not_a_checkpoint(path)) from error


def _not_a_checkpoint(path: Path) -> str:
    fix = "Move the file away, or begin again with --overwrite, which replaces it"
    return explain("--resume", "the file is not a checkpoint of `reciperec train`", path=path, fix=fix)


def _difference(found: Kept, run: dict[str, Any]) -> str | None:
    """Returns in what two runs differ, or `None`."""
    for name in {**run["options"], **found.options}:
        before, now = found.options.get(name), run["options"].get(name)
        if before != now:
            option = f"--{name.replace('_', '-')}"
            said, here = (
                f"with {option} {each}" if each is not None else f"without {option}" for each in (before, now)
            )
            return f"the checkpoint was trained {said}, not {here}"
    for name in {**run["data"], **found.data}:
        if found.data.get(name) != run["data"].get(name):
            return f"the checkpoint was trained with other {name.replace('_', ' ')}"
    return None


def _fingerprint(frame: pd.DataFrame) -> str:
    from pandas.util import hash_pandas_object  # slow to import

    digest = hashlib.sha256(json.dumps(list(map(str, frame.columns))).encode())
    digest.update(hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:32]
