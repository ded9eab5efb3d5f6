"""Assets: data too large for a config, which names them by fingerprint while the file carries them.

Keras stores the config of a layer as JSON and prints it in error messages, so it must not hold a million ids. A config
names an `Asset` by size and fingerprint instead. `from_config` returns the live asset with that fingerprint, which is
how `clone_model` and `from_config(get_config())` work. If there is none, it creates an asset that waits for `load`,
which is how a file is read in a new process.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self
from weakref import WeakSet

import numpy as np

from reciperec_layers.errors import ModelFileError, StateError, explain
from reciperec_layers.saving.array_folders import read_arrays, write_arrays


class Asset(ABC):
    """Abstract base of immutable data stored in the assets of a `.keras` file; see the module docstring.

    Example:
        >>> from reciperec_layers import Vocabulary
        >>> vocabulary = Vocabulary([7, 9])
        >>> Vocabulary.from_config(vocabulary.get_config()).ids.tolist()
        [7, 9]
    """

    # All assets, since either of two equal ones may outlive the other.
    _live: ClassVar[WeakSet[Asset]] = WeakSet()

    @property
    @abstractmethod
    def is_loaded(self) -> bool:
        """Whether the data are in memory; `False` between `from_config` and `load` in a new process."""

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Returns sizes and fingerprints that identify the asset, never its data."""

    @abstractmethod
    def _set_config(self, config: dict[str, Any]) -> None:
        """Makes this an asset that knows only its config and waits for `load`."""

    @abstractmethod
    def _write(self) -> dict[str, np.ndarray]:
        """Returns the data as arrays by name."""

    @abstractmethod
    def _read(self, arrays: dict[str, np.ndarray]) -> None:
        """Fills the asset from arrays that `_write` returned."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Returns the live asset with this config, or a new one that waits for `load`."""
        equal = [live for live in cls._live if type(live) is cls and live.get_config() == config]
        if equal:
            return max(equal, key=lambda live: live.is_loaded)  # prefer a loaded asset
        waiting = cls.__new__(cls)
        waiting._set_config(config)
        waiting._remember()
        return waiting

    def save(self, directory: str | Path) -> None:
        """Writes the data as `.npy` files into a directory."""
        self._require()
        write_arrays(directory, self._write())

    def load(self, directory: str | Path | None) -> None:
        """Fills a waiting asset from a directory; does nothing if it is loaded already.

        Raises:
            ModelFileError: The files are missing or damaged, or do not match the config.
        """
        if self.is_loaded:
            return
        owner, config = type(self).__name__, self.get_config()
        fix = "Save the model again, or use an intact copy of the file"
        try:
            if directory is None:
                raise FileNotFoundError("no directory")
            self._read(read_arrays(directory))
        except (OSError, KeyError, ValueError, EOFError) as error:
            self._set_config(config)
            raise ModelFileError(explain(owner, f"its files are missing or damaged ({error})", fix=fix)) from error
        if self.get_config() != config:
            found = self.get_config()
            self._set_config(config)
            raise ModelFileError(
                explain(owner, "its files do not match the config", config=config, files=found, fix=fix)
            )

    def _remember(self) -> None:
        self._live.add(self)

    def _require(self) -> None:
        if not self.is_loaded:
            problem = "its data are in a file that was not loaded, and this process does not have them"
            fix = "Load the whole model with keras.models.load_model instead of its config"
            raise StateError(explain(type(self).__name__, problem, config=self.get_config(), fix=fix))
