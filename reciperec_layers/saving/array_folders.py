"""NumPy arrays as `.npy` files, without pickle: folders of them, and single ones whose header is not trusted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from reciperec_layers.saving.output_paths import to_output_path, unwritable

_KINDS = "biufU"  # numbers, and text of a fixed width
_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


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

    Example:
        >>> read_arrays("no_such_folder")
        {}
    """
    arrays = {}
    for path in sorted(Path(directory).glob("*.npy")):
        with path.open("rb") as file:
            arrays[path.stem] = read_array(file, path.stat().st_size)
    return arrays


def read_array(file: IO[bytes], size_bytes: int) -> np.ndarray:
    """Reads a `.npy` file whose header is not trusted: it must say exactly as many bytes as there are.

    Args:
        file: The file, at its start.
        size_bytes: Its size.

    Raises:
        ValueError: The header is damaged, too long, of objects, or says another size.

    Example:
        >>> import io
        >>> content = io.BytesIO()
        >>> np.save(content, np.array([7, 9]))
        >>> read_array(io.BytesIO(content.getvalue()), 144)
        array([7, 9])
        >>> read_array(io.BytesIO(content.getvalue()), 143)
        Traceback (most recent call last):
        ValueError: the array has 15 bytes and should have 16
    """
    version = npy.read_magic(file)
    if version not in _HEADER_READERS:
        raise ValueError(f"the version {version} of the array's format is unknown")
    shape, is_fortran, dtype = _HEADER_READERS[version](file)  # NumPy refuses headers of more than 10,000 bytes
    if dtype.kind not in _KINDS or dtype.subdtype:
        raise ValueError(f"the dtype of the array is {str(dtype)[:80]}")
    expected, found = math.prod(shape) * dtype.itemsize, size_bytes - file.tell()
    if found != expected or min(shape, default=0) < 0:
        raise ValueError(f"the array has {found} bytes and should have {expected}")
    content = bytearray(expected)
    if file.readinto(content) != expected:  # type: ignore[attr-defined]
        raise ValueError("the array was cut short")
    return np.ndarray(shape, dtype, content, order="F" if is_fortran else "C")
