"""How the weights in a file differ from those of a model, for a file that is intact and of another model."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

_WEIGHTS = "model.weights.h5"
_MAX_LISTED = 3


def weights_difference(save_weights: Callable[[Path], Any], filepath: str | Path) -> str | None:
    """Returns how the weights of a model differ from those in a file, or `None` if all have place and shape in it.

    What the model would write is compared, since only Keras knows under which names it looks for weights.

    Args:
        save_weights: Writes the weights of the model to a path that ends in `.weights.h5`.
        filepath: A `.keras` file, or an HDF5 file of weights.

    Raises:
        OSError: A file cannot be read or written; zipfile and h5py also raise others.

    Example:
        >>> path = Path(tempfile.mkdtemp()) / "model.weights.h5"
        >>> def written(shape, path):
        ...     with h5py.File(path, "w") as file:
        ...         file.create_dataset("tower/vars/0", shape)
        >>> written((3, 4), path)
        >>> weights_difference(lambda own: written((3, 8), own), path)
        'tower/0 has shape (3, 8) in the model and (3, 4) in the file'
    """
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / _WEIGHTS
        save_weights(own)
        expected = _shapes(own)
    if Path(filepath).suffix == ".keras":
        with zipfile.ZipFile(filepath) as archive:
            found = _shapes(io.BytesIO(archive.read(_WEIGHTS)))
    else:
        found = _shapes(filepath)
    missing = [_shown(name) for name in expected if name not in found]
    shapes = [
        f"{_shown(name)} has shape {shape} in the model and {found[name]} in the file"
        for name, shape in expected.items()
        if found.get(name, shape) != shape
    ]
    lacks = [f"the file has no {_listed(missing)}"] if missing else []
    return "; ".join([*lacks, *([_listed(shapes)] if shapes else [])]) or None


def _shapes(file: Any) -> dict[str, tuple[int, ...]]:
    shapes = {}

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            shapes[name] = item.shape

    with h5py.File(file, "r") as root:
        root.visititems(add)
    # An optimizer may be in one of the two alone, and follows the weights.
    return {name: shape for name, shape in shapes.items() if not name.startswith("optimizer/")}


def _shown(name: str) -> str:
    return name.replace("/vars/", "/")


def _listed(parts: list[str]) -> str:
    more = f" and {len(parts) - _MAX_LISTED} more" if len(parts) > _MAX_LISTED else ""
    return ", ".join(parts[:_MAX_LISTED]) + more
