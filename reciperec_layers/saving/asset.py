"""Assets: data too large for a config, which names them by fingerprint while the file carries them.

Keras stores the config of a layer as JSON and prints it in error messages, so it must not hold a million ids. A config
names an `Asset` by size and fingerprint instead. `from_config` returns the live asset with that fingerprint, which is
how `clone_model` and `from_config(get_config())` work. If there is none, it creates an asset that waits for `load`,
which is how a file is read in a new process.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from threading import RLock
from typing import Any, Self, cast
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import numpy as np

from reciperec_layers.errors import ModelFileError, StateError, describe_error, explain
from reciperec_layers.saving.array_folders import read_arrays, write_arrays

# The live assets by class and config. All of them, since either of two equal ones may outlive the other: each one keeps
# the set of its equals. Many threads make and load assets.
_LOCK = RLock()
_LIVE: WeakValueDictionary[tuple[type, str], WeakSet[Asset]] = WeakValueDictionary()
_EQUALS: WeakKeyDictionary[Asset, WeakSet[Asset]] = WeakKeyDictionary()


class Asset(ABC):
    """Abstract base of immutable data stored in the assets of a `.keras` file; see the module docstring.

    Example:
        >>> from reciperec_layers import Vocabulary
        >>> vocabulary = Vocabulary([7, 9])
        >>> Vocabulary.from_config(vocabulary.get_config()).ids.tolist()
        [7, 9]
    """

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
        with _LOCK:
            equal = _LIVE.get(_key(cls, config), ())
            found = max(equal, key=lambda live: live.is_loaded, default=None)  # prefer a loaded asset
            if found is not None:
                return cast(Self, found)
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
        read = type(self).__new__(type(self))  # so that another thread never sees this one before it is checked
        read._set_config(config)
        try:
            if directory is None:
                raise FileNotFoundError("no directory")
            read._read(read_arrays(directory))
        except Exception as error:
            problem = f"its files are missing or damaged ({describe_error(error)})"
            raise ModelFileError(explain(owner, problem, fix=fix)) from error
        if read.get_config() != config:
            found = read.get_config()
            raise ModelFileError(
                explain(owner, "its files do not match the config", config=config, files=found, fix=fix)
            )
        vars(self).update(vars(read))

    def _remember(self) -> None:
        with _LOCK:
            equals = _LIVE.setdefault(_key(type(self), self.get_config()), WeakSet())
            equals.add(self)
            _EQUALS[self] = equals

    def _require(self) -> None:
        if not self.is_loaded:
            problem = "its data are in a file that was not loaded, and this process does not have them"
            fix = "Load the whole model with keras.models.load_model instead of its config"
            raise StateError(explain(type(self).__name__, problem, config=self.get_config(), fix=fix))


def _key(cls: type, config: dict[str, Any]) -> tuple[type, str]:
    return cls, json.dumps(config, sort_keys=True, default=repr)


def is_size(value: Any) -> bool:
    """Whether a value of a config is a number of ids or rows: an integer from 1 to that of the largest array.

    Example:
        >>> is_size(2), is_size(True), is_size(2.0), is_size(10**30)
        (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**62


def forget_assets() -> None:
    """Makes configs find no asset that is alive, so that files are read as in another process. For tests.

    Example:
        >>> from reciperec_layers import Vocabulary
        >>> vocabulary = Vocabulary([7, 9])
        >>> forget_assets()
        >>> Vocabulary.from_config(vocabulary.get_config()).is_loaded
        False
    """
    with _LOCK:
        _LIVE.clear()
