"""Folders of NumPy arrays, one file each, without pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reciperec_layers.saving.output_paths import to_output_path, unwritable


def write_arrays(directory: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes arrays as `.npy` files into a directory, without pickle.

    The files are not renamed into place one by one: the directory is part of a file or folder that is.

    Raises:
        OutputError: The directory is missing or cannot be written to.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> write_arrays(folder, {"ids": np.array([7, 9])})
        >>> read_arrays(folder)
        {'ids': array([7, 9])}
    """
    folder = to_output_path(directory, "save", "folder")
    try:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
    except OSError as error:
        raise unwritable(directory, error, "save", "folder") from error


def read_arrays(directory: str | Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a directory by name, or an empty dict if the directory does not exist.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is damaged, or holds a pickle.
        EOFError: A file is empty.

    Example:
        >>> read_arrays("no_such_folder")
        {}
    """
    paths = sorted(Path(directory).glob("*.npy"))
    return {path.stem: np.load(path, allow_pickle=False) for path in paths}
