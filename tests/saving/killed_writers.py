"""Kills each writer at points spread over its work, in forks of a process in which TensorFlow has not run yet.

`python -m tests.saving.killed_writers FOLDER KILLS` prints one line of JSON: for each writer how often it was killed,
how often the old contents, the new ones, or something else was found then, and what was left after the next save.
"""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import reciperec_layers as rl
from reciperec_layers.models import verify_bundle
from reciperec_layers.saving.atomic_files import write_beside
from tests.saving import kills


def model(value: int) -> rl.RetrievalModel:
    """A model whose weights all have one value."""
    towers = rl.IdTower([7, 9], 2, feature="user_id"), rl.IdTower([50, 60], 2, feature="recipe_id")
    made = rl.RetrievalModel(*towers, {"recipe_id": [50, 60]}, "recipe_id")
    made.set_weights([np.full_like(weights, value) for weights in made.get_weights()])
    return made


def index(value: int) -> rl.indexes.BruteForceIndex:
    made = rl.indexes.BruteForceIndex()
    made.assign([[float(value)], [float(value)]], ids=[50, 60])
    return made


# For each writer its file, what it is called on, how it is called, and which value can be read from the file.
WRITERS: dict[str, tuple[str, Callable[[int], Any], Callable[[Any, int, Path], None], Callable[[Path], int]]] = {
    "model.save": (
        "model.keras",
        model,
        lambda made, value, path: made.save(path),
        lambda path: value_in(io.BytesIO(whole_zip(path).read("model.weights.h5"))),
    ),
    "save_weights": (
        "model.weights.h5",
        model,
        lambda made, value, path: made.save_weights(path),
        lambda path: value_in(path),
    ),
    "index.save": (
        "pies.index",
        index,
        lambda made, value, path: made.save(path),
        lambda path: only(np.load(path)["embeddings"]),
    ),
    "export": (
        "bundle",
        model,
        lambda made, value, path: made.export(path, k=value),
        lambda path: verify_bundle(path).k,
    ),
}


def whole_zip(path: Path) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(path)
    assert archive.testzip() is None
    return archive


def value_in(file: Any) -> int:
    """Returns the only value of all weights in a file."""
    values = []

    def visit(name: str, each: Any) -> None:
        if isinstance(each, h5py.Dataset) and each.dtype == np.float32:
            values.append(each[()].ravel())

    with h5py.File(file, "r") as opened:
        opened.visititems(visit)
    return only(np.concatenate(values))


def only(values: np.ndarray) -> int:
    (value,) = np.unique(values)
    return int(value)


def kill(name: str, folder: Path, num_kills: int) -> dict[str, int]:
    file, make, write, read = WRITERS[name]
    path = folder / name / file
    path.parent.mkdir()

    def act(value: int, kill_at: int | None) -> None:
        made = make(value)
        num_steps = kills.count_steps(kill_at)
        write(made, value, path)
        if kill_at is None:
            (folder / "steps").write_text(str(num_steps()))

    for _ in range(2):  # the first one also compiles modules, and finds nothing to replace
        assert kills.in_a_process(lambda: act(1, None)) == 0
    num_steps = int((folder / "steps").read_text())
    found = dict.fromkeys(("killed", "old", "new", "broken", "half", "left"), 0)
    for number in range(num_kills):
        before = read(path)
        value = before + 1
        end = kills.in_a_process(
            lambda value=value, number=number: act(value, (number + 1) * num_steps // num_kills - 1)
        )
        found["killed"] += end == -9
        try:
            found[{before: "old", value: "new"}.get(read(path), "broken")] += 1
        except Exception as error:
            print(name, number, repr(error), file=sys.stderr)
            found["broken"] += 1
        found["half"] += len(os.listdir(path.parent)) > 1
        write_beside(path.parent / "next", lambda beside: beside.touch())
        found["left"] += len(os.listdir(path.parent)) - 2
        os.unlink(path.parent / "next")
    return found


if __name__ == "__main__":
    counts = {name: kill(name, Path(sys.argv[1]), int(sys.argv[2])) for name in (sys.argv[3:] or WRITERS)}
    print(json.dumps(counts))
