"""Files that are whole or not there: written beside their place and renamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from reciperec_layers.errors import OutputError, OutputExistsError, explain


def write_beside(path: str | Path, write: Callable[[Path], object], overwrite: bool = True) -> None:
    """Has a file written under another name in the same folder, and renames it; the old file stays whole until then.

    Args:
        path: Where the file goes.
        write: Called with the path to write to, which has the same ending.
        overwrite: Whether a file may be replaced.

    Raises:
        OutputExistsError: The file is there and `overwrite` is not set.
        OutputError: The folder is missing or cannot be written to.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> write_beside(target, lambda beside: beside.write_text("whole"))
        >>> target.read_text()
        'whole'
    """
    path = Path(path)
    check_writable(path, overwrite)
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(beside)
        os.replace(beside, path)
    except OSError as error:
        raise OutputError(_unwritable(path, error)) from error
    finally:
        beside.unlink(missing_ok=True)


def check_writable(path: str | Path, overwrite: bool) -> None:
    """Raises what `write_beside` would raise, before the work whose result is to be written.

    Example:
        >>> check_writable("/no/such/folder/model.keras", overwrite=True)
        Traceback (most recent call last):
        reciperec_layers.errors.OutputError: save: the file cannot be written (there is no such folder). ...
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(_unwritable(path, "it is a folder"))
    if path.exists() and not overwrite:
        fix = "Choose another path, or allow it to be overwritten"
        raise OutputExistsError(explain("save", "the file exists", path=path, fix=fix))
    if not path.parent.is_dir():
        raise OutputError(_unwritable(path, "there is no such folder"))
    if not os.access(path.parent, os.W_OK):
        raise OutputError(_unwritable(path, "its folder cannot be written to"))


def _unwritable(path: Path, reason: object) -> str:
    return explain("save", f"the file cannot be written ({reason})", path=path, fix="Choose another path")
