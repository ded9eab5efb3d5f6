"""Folders that are whole or not there: written in a private folder beside their destination and renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from reciperec_layers.errors import OutputExistsError, ReciperecError, explain
from reciperec_layers.saving.output_paths import check_folder_of, keep_access, to_output_path, unwritable
from reciperec_layers.saving.renames import exchange, rename_new, write_names_to_disk, write_to_disk
from reciperec_layers.saving.work_folders import OLD, work_folder

_OWNER, _KIND = "export", "folder"


def write_folder_beside(
    path: str | Path,
    write: Callable[[Path], object],
    overwrite: bool = True,
    check_replaceable: Callable[[Path], object] | None = None,
) -> None:
    """Writes a folder in a private one beside its destination and renames it; until then the old one stays intact.

    What holds for files, holds here, see `write_beside`: any number of threads and processes, power cuts, killed
    processes, rights (of each file that was there before), and links. Linux swaps the old folder and the new one in one
    step. Elsewhere there is a moment without a folder; a process that is killed just then leaves the old one in its
    temporary folder, and the next save puts it back. A reader that opens several files by their paths may get some of
    the old folder and some of the new one, unless it opens the folder first.

    Args:
        path: Destination of the folder.
        write: Called with an empty folder to write into, which has the same name.
        overwrite: Whether a folder may be replaced. If not, the rename itself fails where there is one by then.
        check_replaceable: Called with an existing folder; raises if it must not be deleted.

    Raises:
        OutputExistsError: The folder exists and `overwrite` is not set.
        OutputError: The parent folder is missing or cannot be written to, or the system takes no such name.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "notes"
        >>> write_folder_beside(target, lambda beside: (beside / "note.txt").write_text("whole"))
        >>> (target / "note.txt").read_text()
        'whole'
    """
    target = check_folder_writable(path, overwrite, check_replaceable)
    try:
        with work_folder(target.parent) as folder:
            new = folder / "new" / target.name
            new.mkdir(parents=True)
            write(new)
            write_to_disk(new)
            is_new = False
            while not is_new:  # another process may have written meanwhile, or write just now
                is_there = os.path.lexists(target)
                target = check_folder_writable(path, overwrite, check_replaceable)
                keep_access(target, new)
                is_new = _in_place(new, target, is_there, folder / OLD / target.name)
            write_names_to_disk(target.parent)
    except ReciperecError:
        raise
    except (OSError, UnicodeEncodeError) as error:  # TensorFlow takes no other text than UTF-8, also above the path
        raise unwritable(path, error, _OWNER, _KIND) from error


def check_folder_writable(
    path: str | Path, overwrite: bool, check_replaceable: Callable[[Path], object] | None = None
) -> Path:
    """Raises what `write_folder_beside` would raise. Call it before the work whose result is to be written.

    Returns:
        The absolute path that would be written to, links followed.

    Example:
        >>> check_folder_writable("/no/such/folder/bundle", overwrite=True)
        Traceback (most recent call last):
        reciperec_layers.errors.OutputError: export: the folder cannot be written (its parent is missing). ...
    """
    target = to_output_path(path, _OWNER, _KIND)
    if target.exists() and not target.is_dir():
        raise unwritable(path, "it is a file", _OWNER, _KIND)
    if target.exists() and check_replaceable is not None:
        check_replaceable(Path(path))
    if target.exists() and not overwrite:
        fix = "Choose another path, or replace it by overwrite=True (--overwrite)"
        raise OutputExistsError(explain(_OWNER, "the folder exists", path=Path(path), fix=fix))
    check_folder_of(target, path, _OWNER, _KIND)
    return target


def _in_place(new: Path, target: Path, is_there: bool, old: Path) -> bool:
    """Puts a new folder in its place, or returns `False` if another process came in between."""
    try:
        if not is_there:
            rename_new(new, target)
        elif not exchange(new, target):
            shutil.rmtree(old, ignore_errors=True)
            old.parent.mkdir(exist_ok=True)
            os.rename(target, old)
            rename_new(new, target)
    except FileExistsError:
        return False
    except FileNotFoundError:
        if not new.exists():
            raise
        return False
    return True
