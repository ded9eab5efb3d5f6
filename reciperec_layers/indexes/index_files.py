"""Files of a single index: a NumPy archive of its arrays, its config as JSON, and its registered name."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from reciperec_layers.columns.text_arrays import decode_text, encode_text
from reciperec_layers.errors import ArgumentTypeError, ModelFileError, explain
from reciperec_layers.saving.atomic_files import write_beside
from reciperec_layers.vocabulary import Vocabulary

_FORMAT = "reciperec_layers.index"
_VERSION = 1
_LEARNED = "learned_"
# Raised by NumPy, zipfile and json for a damaged file; zipfile raises RuntimeError for encryption and unknown
# compression.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    AttributeError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def to_arrays(embeddings: np.ndarray, vocabulary: Vocabulary, learned: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Converts the contents of an index to arrays by name.

    Args:
        embeddings: float32 of shape `(num_candidates, embedding_dim)`.
        vocabulary: The ids of the candidates.
        learned: What the index learned from them.

    Example:
        >>> sorted(to_arrays(np.zeros((1, 2)), Vocabulary([7]), {"clusters": np.zeros(1)}))
        ['embeddings', 'ids', 'learned_clusters']
    """
    if vocabulary.dtype == "string":
        ids = dict(zip(("id_offsets", "id_utf8"), encode_text(vocabulary.ids), strict=True))
    else:
        ids = {"ids": vocabulary.ids}
    return {"embeddings": embeddings, **ids, **{f"{_LEARNED}{name}": array for name, array in learned.items()}}


def from_arrays(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, Vocabulary, dict[str, np.ndarray]]:
    """Inverts `to_arrays`.

    Raises:
        KeyError: An array is missing.
        ValueError: The arrays do not fit together.

    Example:
        >>> arrays = to_arrays(np.zeros((1, 2)), Vocabulary(["pie"]), {})
        >>> from_arrays(arrays)[1].ids.tolist()
        ['pie']
    """
    ids = arrays["ids"] if "ids" in arrays else decode_text(arrays["id_offsets"], arrays["id_utf8"])
    learned = {name.removeprefix(_LEARNED): array for name, array in arrays.items() if name.startswith(_LEARNED)}
    return arrays["embeddings"], Vocabulary(ids), learned


def write_index(
    filepath: str | Path, name: str, config: dict[str, Any], arrays: dict[str, np.ndarray], overwrite: bool
) -> None:
    """Writes an index to a file, atomically.

    Args:
        filepath: The file.
        name: Registered name of the class.
        config: Config of the index.
        arrays: Its contents.
        overwrite: Whether an existing file may be replaced.

    Raises:
        OutputExistsError: The file exists and `overwrite` is not set.
        OutputError: It cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pies.index"
        >>> write_index(path, "brute_force", {}, {"ids": np.array([7])}, overwrite=True)
        >>> read_index(path)[2]["ids"].tolist()
        [7]
    """
    about = json.dumps({"format": _FORMAT, "format_version": _VERSION, "index": name, "config": config})
    contents: dict[str, Any] = {"about": np.frombuffer(about.encode(), np.uint8), **arrays}

    # NumPy before 2.1 takes `allow_pickle=False` for an array of this name.
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise ValueError(f"Object arrays cannot be saved when allow_pickle=False: {', '.join(objects)}")

    def write(path: Path) -> None:
        with path.open("wb") as file:  # given a path, NumPy would append ".npz"
            np.savez(file, **contents)

    write_beside(filepath, write, overwrite)


def read_index(filepath: str | Path) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    """Returns the registered name of the class, its config, and the arrays of a file. Nothing in it is executed.

    Raises:
        ArgumentTypeError: `filepath` is not a path.
        ModelFileError: The file is missing, is not an index, or is damaged.

    Example:
        >>> read_index("no.index")
        Traceback (most recent call last):
        reciperec_layers.errors.ModelFileError: load_index: there is no such file. ...
    """
    if not isinstance(filepath, (str, os.PathLike)):
        fix = 'Pass the path of a file, for example "recipes.index"'
        raise ArgumentTypeError(explain("load_index", "`filepath` must be a path", filepath=filepath, fix=fix))
    path = Path(filepath)
    if not path.is_file():
        problem = "it is a folder, not a saved index" if path.is_dir() else "there is no such file"
        raise ModelFileError(explain("load_index", problem, path=path, fix="Check the path"))
    fix = "Use a whole file, as index.save writes it"
    try:
        # NumPy does not close a file that it opened and cannot read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(arrays.pop("about").tobytes())
        if about["format"] != _FORMAT:
            raise ValueError("the format is another one")
    except _UNREADABLE as error:
        problem = "the file is not a saved index, or was cut short"
        raise ModelFileError(explain("load_index", problem, path=path, fix=fix)) from error
    if about.get("format_version") != _VERSION:
        problem = f"only version {_VERSION} of the format is known"
        received = {"format_version": about.get("format_version"), "path": path}
        raise ModelFileError(explain("load_index", problem, fix="Use the version that saved it", **received))
    name, config = about.get("index"), about.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        received = {"index": name, "config": config, "path": path}
        raise ModelFileError(explain("load_index", "the name or the config is missing", fix=fix, **received))
    return name, config, arrays
