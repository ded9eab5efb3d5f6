"""Damaged and hostile copies of a saved file, to test that loading refuses them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reciperec_layers.testing.array_damage import damaged_array, damaged_hdf5
from reciperec_layers.testing.config_damage import damaged_config

_BOMB = bytes(80_000_000)


def damaged_files(
    path: str | Path,
    *,
    num_cuts: int = 20,
    num_flips: int = 40,
    num_edits: int = 60,
    num_arrays: int = 4,
    seed: int = 0,
) -> Iterator[tuple[str, bytes]]:
    """Yields damaged and hostile copies of a saved file: `.keras`, `.weights.h5`, or an index.

    The name of each copy begins with its kind:

    - `damage`: bytes are lost or changed, as by a bad disk. Loading must fail, or give an unchanged answer.
    - `edit`: somebody changed a value of the config on purpose. Loading must fail with one clear error, or give a
      model, which may be another one.
    - `trap`: the file names something to execute, open or import, or would expand to a huge size. Loading must fail.

    Args:
        path: The file, which stays as it is. The smaller it is, the faster is the test.
        num_cuts: How many copies are cut short.
        num_flips: How many copies have one changed bit.
        num_edits: How many copies have one changed value of the config.
        num_arrays: How many `.npy` arrays have copies that are damaged in each way.
        seed: Of the places; other seeds give other copies.

    Yields:
        Name and content of each copy.

    Example:
        >>> import tempfile
        >>> from reciperec_layers.indexes import BruteForceIndex
        >>> index, path = BruteForceIndex(), Path(tempfile.mkdtemp()) / "pies.index"
        >>> index.assign([[1.0], [2.0]], ids=["pie", "soup"])
        >>> index.save(path)
        >>> sorted({name.partition(":")[0] for name, content in damaged_files(path, num_edits=5)})
        ['damage', 'edit', 'trap']
    """
    content, generator = Path(path).read_bytes(), np.random.default_rng(seed)
    for size in sorted({0, len(content) - 1, *generator.integers(0, len(content), num_cuts).tolist()}):
        yield f"damage: cut to {size} bytes", content[:size]
    for place in generator.integers(0, 8 * len(content), num_flips).tolist():
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        yield f"damage: bit {place % 8} of byte {place // 8}", bytes(changed)
    if zipfile.is_zipfile(io.BytesIO(content)):
        members = _members(content)
        yield from _damaged_archives(members, generator)
        yield from _damaged_members(members, generator, num_edits, num_arrays)
    else:
        yield from damaged_hdf5(content)


def _damaged_archives(members: dict[str, bytes], generator: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    names = list(members)
    for name in names:
        yield f"damage: without {name}", _packed({other: members[other] for other in names if other != name})
        yield f"damage: {name} is empty", _packed({**members, name: b""})
        other = names[generator.integers(len(names))]
        yield f"damage: {name} and {other} swapped", _packed({**members, name: members[other], other: members[name]})
    yield "trap: a member twice", _packed(members, again=names[0])
    for name in ("../trap.npy", "/etc/hosts", "assets/../../trap.npy", "assets\\trap.npy", "trap.npy"):
        yield f"trap: a member {name}", _packed({**members, name: b"trap"})
    folder = "assets/" if "config.json" in members else "learned_"
    yield "trap: a member that expands", _packed({**members, f"{folder}trap.npy": _BOMB}, compressed=True)


def _damaged_members(
    members: dict[str, bytes], generator: np.random.Generator, num_edits: int, num_arrays: int
) -> Iterator[tuple[str, bytes]]:
    arrays = [name for name in members if name.endswith(".npy") and name != "about.npy"]
    copies: dict[str, Iterator[tuple[str, bytes]]] = {
        name: damaged_array(members[name]) for name in generator.permutation(arrays)[:num_arrays].tolist()
    }
    if "about.npy" in members:  # the config of an index
        about = _without_hash(np.load(io.BytesIO(members["about.npy"])).tobytes())
        edited = damaged_config(about, generator, num_edits)
        copies["about.npy"] = ((what, _to_npy(changed)) for what, changed in edited)
    if "config.json" in members:
        copies["config.json"] = damaged_config(members["config.json"], generator, num_edits)
        copies["model.weights.h5"] = damaged_hdf5(members["model.weights.h5"])
    for name, changes in copies.items():
        for what, changed in changes:
            yield f"{what} in {name}", _packed({**members, name: changed})


def _without_hash(about: bytes) -> bytes:
    """Returns the config of an index as older versions wrote it, so that it is read in spite of an edit."""
    return json.dumps({key: value for key, value in json.loads(about).items() if key != "sha256"}).encode()


def _to_npy(content: bytes) -> bytes:
    file = io.BytesIO()
    np.save(file, np.frombuffer(content, np.uint8))
    return file.getvalue()


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _packed(members: dict[str, bytes], again: str | None = None, compressed: bool = False) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if again is not None:
            archive.NameToInfo.pop(again)  # otherwise zipfile warns
            archive.writestr(again, members[again])
    return file.getvalue()
