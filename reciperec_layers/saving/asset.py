"""Data too large for a config: a config names it by fingerprint, a file carries it, a process keeps it once.

Keras stores a layer's config as JSON and shows it whole in error texts, so a million ids must not be in it. A
`Content` is named there by size and fingerprint. `from_config` finds the live object with that fingerprint, which
is how `clone_model` and `from_config(get_config())` work; when there is none, it makes an object that waits for
`load`, which is how a file is read in a new process.
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
    """Immutable data that travel in the assets of a `.keras` file. See the module's text. Abstract.

    Example:
        >>> from reciperec_layers import Vocabulary
        >>> vocabulary = Vocabulary([7, 9])
        >>> Vocabulary.from_config(vocabulary.get_config()).ids.tolist()
        [7, 9]
    """

    # All of them, since of two equal objects either may be the one that lives on.
    _live: ClassVar[WeakSet[Asset]] = WeakSet()

    @property
    @abstractmethod
    def is_loaded(self) -> bool:
        """Whether the content is here; `False` between `from_config` and `load` in a new process."""

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Returns what names the content: size and fingerprints, never the content."""

    @abstractmethod
    def _set_config(self, config: dict[str, Any]) -> None:
        """Makes this a waiting object that knows no more than its config."""

    @abstractmethod
    def _write(self) -> dict[str, np.ndarray]:
        """Returns the content as arrays by name."""

    @abstractmethod
    def _read(self, arrays: dict[str, np.ndarray]) -> None:
        """Fills this object from what `_write` returned."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Returns the live object of this config, or one that waits for `load`."""
        equal = [live for live in cls._live if type(live) is cls and live.get_config() == config]
        if equal:
            return max(equal, key=lambda live: live.is_loaded)  # the content itself before one that waits for it
        waiting = cls.__new__(cls)
        waiting._set_config(config)
        waiting._remember()
        return waiting

    def save(self, directory: str | Path) -> None:
        """Writes the content as `.npy` files into a directory."""
        self._require()
        write_arrays(directory, self._write())

    def load(self, directory: str | Path | None) -> None:
        """Fills a waiting object from a directory; does nothing when the content is here.

        Raises:
            ModelFileError: The files are missing, damaged, or hold something else than the config names.
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
                explain(owner, "its files do not hold what the config names", config=config, files=found, fix=fix)
            )

    def _remember(self) -> None:
        self._live.add(self)

    def _require(self) -> None:
        if not self.is_loaded:
            problem = "its content is in a file that was not loaded, and this process does not have it"
            fix = "Load the whole model with keras.models.load_model instead of its config"
            raise StateError(explain(type(self).__name__, problem, config=self.get_config(), fix=fix))
