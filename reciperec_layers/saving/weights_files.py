"""Files of weights (HDF5): what they may contain, and a hash behind their end that tells whether they have changed."""

from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path
from typing import Any

import h5py

# HDF5 ignores what stands behind the end of a file that its first block tells.
_MARK = b"\nreciperec_layers sha256 "
_LENGTH = len(_MARK) + 64 + 1
_PART = 2**20


def append_hash(path: str | Path) -> None:
    """Writes a hash of a file behind its end, as a line of text.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "model.weights.h5"
        >>> with h5py.File(path, "w") as file:
        ...     file["table"] = [1.0, 2.0]
        >>> append_hash(path)
        >>> check_hash(path)
        >>> changed = path.read_bytes().replace(b"table", b"tablf")
        >>> _ = path.write_bytes(changed)
        >>> check_hash(path)
        Traceback (most recent call last):
        ValueError: its content is not the one that was written
    """
    digest = _digest(path, Path(path).stat().st_size)
    with open(path, "ab") as file:
        file.write(_MARK + digest.encode() + b"\n")


def check_hash(path: str | Path) -> None:
    """Checks the hash of `append_hash`. A file that has none, as Keras writes it, is not checked.

    Raises:
        ValueError: The file or its hash has changed.
    """
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        file.seek(max(0, size - _LENGTH))
        end = file.read()
    if _MARK not in end:
        if any(end.endswith(_MARK[:length]) for length in range(8, len(_MARK))):
            raise ValueError("its hash was cut short")
        return
    if end != _MARK + _digest(path, size - _LENGTH).encode() + b"\n":
        raise ValueError("its content is not the one that was written")


def check_hdf5(file: str | Path | io.BytesIO, size_bytes: int) -> tuple[int, int]:
    """Checks that a file of weights has nothing but plain arrays of its own, and returns their number and bytes.

    HDF5 can name other files whose bytes then appear as an array, and can store a huge array in a few bytes.

    Args:
        file: The file, or its content.
        size_bytes: Its size.

    Raises:
        ValueError: It has a link, an external, virtual or filtered array, one that is not of numbers, or arrays that
            are larger than the file.
        OSError: It is damaged; h5py also raises `KeyError`, `RuntimeError` and others.

    Example:
        >>> content = io.BytesIO()
        >>> with h5py.File(content, "w") as written:
        ...     written["profile"] = h5py.ExternalLink("/etc/profile", "/")
        >>> check_hdf5(content, len(content.getvalue()))
        Traceback (most recent call last):
        ValueError: 'profile' is a link
    """
    with h5py.File(file, "r") as root:
        waiting, seen, number, total = [root], set(), 0, 0
        while waiting:
            group = waiting.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"{name[:80]!r} is a link")
                item = group[name]
                address = h5py.h5o.get_info(item.id).addr
                if address in seen:
                    continue
                seen.add(address)
                if isinstance(item, h5py.Group):
                    waiting.append(item)
                else:
                    number, total = number + 1, total + _checked_bytes(name, item)
                    if total > size_bytes:
                        raise ValueError(f"its arrays are larger than the file, which has {size_bytes} bytes")
    return number, total


def _checked_bytes(name: str, item: Any) -> int:
    """Returns the bytes of an array."""
    if not isinstance(item, h5py.Dataset) or item.shape is None or item.dtype.hasobject:
        raise ValueError(f"{name[:80]!r} is not an array of numbers")
    if item.external or item.is_virtual:
        raise ValueError(f"{name[:80]!r} is in another file")
    if item.id.get_create_plist().get_nfilters():
        raise ValueError(f"{name[:80]!r} is compressed")
    return math.prod(item.shape) * item.dtype.itemsize


def _digest(path: str | Path, size: int) -> str:
    """Returns the SHA-256 of the first bytes of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0 and (part := file.read(min(_PART, size))):
            digest.update(part)
            size -= len(part)
    return digest.hexdigest()
