"""Files of a single index: a NumPy archive of its arrays, its config as JSON, and its registered name."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from reciperec_layers.columns.text_arrays import decode_text, encode_text
from reciperec_layers.errors import ModelFileError, describe_error, explain
from reciperec_layers.saving.array_folders import read_array
from reciperec_layers.saving.atomic_files import write_beside
from reciperec_layers.saving.input_files import require_file
from reciperec_layers.saving.zip_members import check_members
from reciperec_layers.vocabulary import Vocabulary

_FORMAT = "reciperec_layers.index"
_VERSION = 1
_LEARNED = "learned_"
_MAX_ABOUT_BYTES = 2**20
_ARRAYS = ("about", "embeddings", "ids", "id_offsets", "id_utf8")


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
        ValueError: The arrays do not fit together, or have another dtype.

    Example:
        >>> arrays = to_arrays(np.zeros((1, 2), np.float32), Vocabulary(["pie"]), {})
        >>> from_arrays(arrays)[1].ids.tolist()
        ['pie']
    """
    embeddings = arrays["embeddings"]
    ids = arrays["ids"] if "ids" in arrays else decode_text(arrays["id_offsets"], arrays["id_utf8"])
    if embeddings.dtype != np.float32 or embeddings.ndim != 2 or ids.dtype not in (np.int64, object) or ids.ndim != 1:
        raise ValueError("the embeddings or ids have an unexpected shape or dtype")
    learned = {name.removeprefix(_LEARNED): array for name, array in arrays.items() if name.startswith(_LEARNED)}
    return embeddings, Vocabulary(ids), learned


def write_index(
    filepath: str | Path, name: str, config: dict[str, Any], arrays: dict[str, np.ndarray], overwrite: bool
) -> None:
    """Writes an index to a file, atomically, with a hash of its contents.

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
    about = {"format": _FORMAT, "format_version": _VERSION, "index": name, "config": config}
    about["sha256"] = _digest(name, config, arrays)
    contents: dict[str, Any] = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays}

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
    path = require_file(filepath, "load_index", "a saved index")
    fix = "Use a whole file, as index.save writes it"
    try:
        arrays = _read_arrays(path)
        about = json.loads(arrays.pop("about").tobytes())
        if about["format"] != _FORMAT:
            raise ValueError("the format is another one")
    except Exception as error:  # zipfile, NumPy and json raise any kind for a damaged file
        problem = f"the file is not a saved index, or was cut short ({describe_error(error)})"
        raise ModelFileError(explain("load_index", problem, path=path, fix=fix)) from error
    if about.get("format_version") != _VERSION:
        problem = f"only version {_VERSION} of the format is known"
        received = {"format_version": about.get("format_version"), "path": path}
        raise ModelFileError(explain("load_index", problem, fix="Use the version that saved it", **received))
    name, config = about.get("index"), about.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        received = {"index": name, "config": config, "path": path}
        raise ModelFileError(explain("load_index", "the name or the config is missing", fix=fix, **received))
    if "sha256" in about and about["sha256"] != _digest(name, config, arrays):  # older files have none
        problem = "the content of the file is not the one that was written"
        raise ModelFileError(explain("load_index", problem, path=path, fix=fix))
    return name, config, arrays


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of an archive; NumPy would also read unknown and compressed ones."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        check_members(archive, path.stat().st_size, _is_member, compressed=False)
        for member in archive.infolist():
            with archive.open(member) as file:
                arrays[member.filename.removesuffix(".npy")] = read_array(file, member.file_size)
    if arrays["about"].size > _MAX_ABOUT_BYTES:
        raise ValueError("what the file says about itself is too long")
    return arrays


def _is_member(member: str) -> bool:
    name = member.removesuffix(".npy")
    return name != member and "/" not in name and (name in _ARRAYS or name.startswith(_LEARNED))


def _digest(name: str, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps([name, config], sort_keys=True).encode())
    for key, array in sorted(arrays.items()):
        digest.update(f"{key}:{array.dtype.str}:{array.shape};".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
