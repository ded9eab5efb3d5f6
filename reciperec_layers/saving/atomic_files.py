"""Atomic writes: files and folders are written beside their destination and renamed."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from reciperec_layers.errors import OutputError, OutputExistsError, explain


def write_beside(path: str | Path, write: Callable[[Path], object], overwrite: bool = True) -> None:
    """Writes a file under another name in the same folder and renames it; until then the old file stays intact.

    Args:
        path: Destination of the file.
        write: Called with the path to write to, which has the same suffix.
        overwrite: Whether a file may be replaced.

    Raises:
        OutputExistsError: The file exists and `overwrite` is not set.
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
    """Raises what `write_beside` would raise. Call it before the work whose result is to be written.

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


def write_folder_beside(
    path: str | Path,
    write: Callable[[Path], object],
    overwrite: bool = True,
    check_replaceable: Callable[[Path], object] | None = None,
) -> None:
    """Writes a folder under another name beside its destination and renames it; until then the old one stays intact.

    Args:
        path: Destination of the folder.
        write: Called with an empty folder to write into.
        overwrite: Whether a folder may be replaced.
        check_replaceable: Called with an existing folder; raises if it must not be deleted.

    Raises:
        OutputExistsError: The folder exists and `overwrite` is not set.
        OutputError: The parent folder is missing or cannot be written to.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "notes"
        >>> write_folder_beside(target, lambda beside: (beside / "note.txt").write_text("whole"))
        >>> (target / "note.txt").read_text()
        'whole'
    """
    check_folder_writable(path, overwrite, check_replaceable)
    target = Path(path).resolve()
    beside, old = (target.with_name(f".{uuid.uuid4().hex}.{target.name}") for _ in range(2))
    try:
        beside.mkdir()
        write(beside)
        check_folder_writable(target, overwrite, check_replaceable)  # another process may have written meanwhile
        if target.exists():
            os.rename(target, old)
        os.rename(beside, target)
    except (OutputError, OutputExistsError):
        raise
    except OSError as error:
        raise OutputError(_unwritable_folder(Path(path), error)) from error
    finally:
        if old.exists() and not target.exists():
            os.rename(old, target)
        for folder in (beside, old):
            shutil.rmtree(folder, ignore_errors=True)


def check_folder_writable(
    path: str | Path, overwrite: bool, check_replaceable: Callable[[Path], object] | None = None
) -> None:
    """Raises what `write_folder_beside` would raise. Call it before the work whose result is to be written.

    Example:
        >>> check_folder_writable("/no/such/folder/bundle", overwrite=True)
        Traceback (most recent call last):
        reciperec_layers.errors.OutputError: export: the folder cannot be written (its parent is missing). ...
    """
    path, target = Path(path), Path(path).resolve()
    if target.exists() and not target.is_dir():
        raise OutputError(_unwritable_folder(path, "it is a file"))
    if target.exists() and check_replaceable is not None:
        check_replaceable(path)
    if target.exists() and not overwrite:
        fix = "Choose another path, or allow it to be overwritten"
        raise OutputExistsError(explain("export", "the folder exists", path=path, fix=fix))
    if not target.parent.is_dir():
        raise OutputError(_unwritable_folder(path, "its parent is missing"))
    if not os.access(target.parent, os.W_OK):
        raise OutputError(_unwritable_folder(path, "its parent cannot be written to"))


def _unwritable_folder(path: Path, reason: object) -> str:
    return explain("export", f"the folder cannot be written ({reason})", path=path, fix="Choose another path")


def _unwritable(path: Path, reason: object) -> str:
    return explain("save", f"the file cannot be written ({reason})", path=path, fix="Choose another path")
