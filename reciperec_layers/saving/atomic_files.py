"""Files that are whole or not there: written in a private folder beside their destination and renamed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from reciperec_layers.errors import OutputExistsError, ReciperecError, explain
from reciperec_layers.saving.output_paths import check_folder_of, keep_access, to_output_path, unwritable
from reciperec_layers.saving.renames import rename_new, write_names_to_disk, write_to_disk
from reciperec_layers.saving.work_folders import work_folder


def write_beside(path: str | Path, write: Callable[[Path], object], overwrite: bool = True) -> None:
    """Writes a file in a private folder beside its destination and renames it; until then the old file stays intact.

    Any number of threads and processes may save to one path, and a reader sees one of their files, whole. The data are
    on the disk before the rename, and the rename before this returns, so a power cut leaves the old file or the new
    one. A process that is killed leaves a temporary folder, which the next save beside it removes; see `work_folder`.

    A file that is replaced gives its owner and mode to the new one; its other hard links keep the old contents. A link
    stays, and what it points to is replaced.

    Args:
        path: Destination of the file.
        write: Called with the path to write to, which has the same name.
        overwrite: Whether a file may be replaced. If not, the rename itself fails where there is one by then.

    Raises:
        OutputExistsError: The file exists and `overwrite` is not set.
        OutputError: The folder is missing or cannot be written to, or the system takes no such name.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> write_beside(target, lambda beside: beside.write_text("whole"))
        >>> target.read_text()
        'whole'
    """
    target = check_writable(path, overwrite)
    try:
        with work_folder(target.parent) as folder:
            new = folder / target.name
            write(new)
            write_to_disk(new)
            keep_access(target, new)
            if overwrite:
                os.replace(new, target)
            else:
                _rename_new(new, target, path)
            write_names_to_disk(target.parent)
    except ReciperecError:
        raise
    except OSError as error:
        raise unwritable(path, error, "save") from error


def check_writable(path: str | Path, overwrite: bool) -> Path:
    """Raises what `write_beside` would raise. Call it before the work whose result is to be written.

    Returns:
        The absolute path that would be written to, links followed.

    Example:
        >>> check_writable("/no/such/folder/model.keras", overwrite=True)
        Traceback (most recent call last):
        reciperec_layers.errors.OutputError: save: the file cannot be written (there is no such folder). ...
    """
    target = to_output_path(path, "save")
    if target.is_dir():
        raise unwritable(path, "it is a folder", "save")
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        raise unwritable(path, "it is a device, a pipe or a socket", "save")
    if target.exists() and not overwrite:
        raise _exists(path)
    check_folder_of(target, path, "save")
    return target


def _rename_new(new: Path, target: Path, path: str | Path) -> None:
    try:
        rename_new(new, target)
    except FileExistsError as error:
        raise _exists(path) from error


def _exists(path: str | Path) -> OutputExistsError:
    fix = "Choose another path, or allow it to be overwritten"
    return OutputExistsError(explain("save", "the file exists", path=Path(path), fix=fix))
