"""Damaged and hostile copies of arrays: `.npy` and HDF5."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np
from numpy.lib import format as npy

_FILE = "/etc/hosts"
_HASH = b"\nreciperec_layers sha256 "


def damaged_array(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields damaged and hostile copies of a `.npy` file, each with the name of what it is.

    Args:
        content: The file.

    Example:
        >>> file = io.BytesIO()
        >>> np.save(file, np.array([7, 9]))
        >>> "trap: a pickle" in dict(damaged_array(file.getvalue()))
        True
    """
    array = np.load(io.BytesIO(content))
    data = array.tobytes()
    order = {"fortran_order": False}
    yield "trap: a huge shape", _npy({"descr": array.dtype.str, "shape": (10**12,), **order}, data)
    yield "trap: objects", _npy({"descr": "|O", "shape": array.shape, **order}, pickle.dumps(array.tolist()))
    yield "trap: a pickle", pickle.dumps(array)
    yield "trap: fields", _npy({"descr": [("trap", array.dtype.str)], "shape": array.shape, **order}, data)
    yield "trap: a long header", _npy({"descr": array.dtype.str, "shape": array.shape, **order}, data, padding=60_000)
    yield "damage: another version", content[:6] + b"\x09" + content[7:]
    if array.size:
        fewer = {"descr": array.dtype.str, "shape": (array.size - 1,), **order}
        yield "damage: a smaller shape", _npy(fewer, data)
        yield "damage: a larger shape", _npy({**fewer, "shape": (array.size + 1,)}, data)
        if array.dtype.kind in "if" and array.dtype.itemsize == 8:
            yield "damage: another dtype", _npy({**fewer, "descr": "<u8", "shape": array.shape}, data)
            yield "damage: another sign", _to_npy(-1 - array)
        yield "damage: one more axis", _to_npy(array[np.newaxis])


def damaged_hdf5(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields damaged and hostile copies of a file of weights, each with the name of what it is.

    Args:
        content: The file.

    Example:
        >>> file = io.BytesIO()
        >>> with h5py.File(file, "w") as weights:
        ...     weights["table"] = np.zeros(2)
        >>> len(list(damaged_hdf5(file.getvalue())))
        27
    """
    content = content.partition(_HASH)[0]  # as of an older version, so that the file is opened
    names = []
    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    changes: dict[str, Callable[[Any, str, np.ndarray], object]] = {
        "trap: an external link": lambda file, name, old: _put(file, name, h5py.ExternalLink(_FILE, "/trap")),
        "trap: a soft link": lambda file, name, old: _put(file, name, h5py.SoftLink(f"/{names[-1]}")),
        "trap: an external array": lambda file, name, old: file.create_dataset(
            name, old.shape or (1,), old.dtype, external=[(_FILE, 0, max(1, old.nbytes))]
        ),
        "trap: a virtual array": lambda file, name, old: file.create_virtual_dataset(name, _virtual(old)),
        "trap: a compressed array": lambda file, name, old: file.create_dataset(
            name, data=np.atleast_1d(old), compression="gzip"
        ),
        "trap: a huge array": lambda file, name, old: file.create_dataset(name, (10**12,), old.dtype, chunks=(1024,)),
        "trap: texts": lambda file, name, old: _put(file, name, ["trap"]),
        "damage: a group for an array": lambda file, name, old: file.create_group(name),
        "damage: another shape": lambda file, name, old: _put(file, name, np.append(old.ravel(), old.ravel())),
        "damage: no array": lambda file, name, old: None,
    }
    for place, name in enumerate((names[0], names[len(names) // 2], names[-1])):
        for what, change in changes.items():
            if what != "trap: a soft link" or name != names[-1]:
                yield f"{what}, {('first', 'middle', 'last')[place]}", _hdf5(content, name, change)


def _put(file: Any, name: str, value: Any) -> None:
    file[name] = value


def _virtual(old: np.ndarray) -> Any:
    layout = h5py.VirtualLayout(old.shape or (1,), old.dtype)
    layout[...] = h5py.VirtualSource(_FILE, "trap", old.shape or (1,), old.dtype)
    return layout


def _hdf5(content: bytes, name: str, change: Callable[[Any, str, np.ndarray], object]) -> bytes:
    file = io.BytesIO(content)
    with h5py.File(file, "r+") as opened:
        old = np.array(opened[name])
        del opened[name]
        change(opened, name, old)
    return file.getvalue()


def _npy(header: dict[str, Any], data: bytes, padding: int = 0) -> bytes:
    file = io.BytesIO()
    npy.write_array_header_2_0(file, header)
    written = file.getvalue()
    if padding:
        text = written[12:].rstrip() + b" " * padding + b"\n"
        written = written[:8] + len(text).to_bytes(4, "little") + text
    return written + data


def _to_npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
