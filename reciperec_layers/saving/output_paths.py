"""Where a path leads that a user wants to write to, and which rights a replaced file had."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from reciperec_layers.errors import ArgumentTypeError, OutputError, explain

_ACCESS_LIST = "system.posix_acl_access"


def to_output_path(path: str | os.PathLike[str], owner: str, kind: str = "file") -> Path:
    """Returns the absolute path to which a path leads, links followed, so that a link stays and its target is replaced.

    Args:
        path: What the user passed.
        owner: Name of the caller, for messages.
        kind: What is to be written, for messages.

    Raises:
        ArgumentTypeError: It is not a path.
        OutputError: The system takes no such name: it is too long, has a NUL character, is not valid Unicode text
            (which TensorFlow and Keras ask for), or its links lead in a circle.

    Example:
        >>> to_output_path("a" * 300 + ".keras", "save")
        Traceback (most recent call last):
        reciperec_layers.errors.OutputError: save: the file cannot be written (File name too long). ...
    """
    if not isinstance(path, (str, os.PathLike)) or isinstance(os.fspath(path), bytes):
        fix = 'Pass text or a Path, for example "recipes.keras"'
        raise ArgumentTypeError(explain(owner, f"the {kind} must be a path", path=path, fix=fix))
    try:
        if "\0" in str(path):
            raise unwritable(path, "its name has a NUL character", owner, kind)
        str(path).encode()
        target = Path(os.path.realpath(path))
        if stat.S_ISLNK(target.lstat().st_mode):
            raise unwritable(path, "its links lead in a circle", owner, kind)
    except UnicodeEncodeError as error:
        raise unwritable(path, "its name is not valid Unicode text", owner, kind) from error
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OutputError:
        raise
    except OSError as error:
        raise unwritable(path, error.strerror, owner, kind) from error
    return target


def check_folder_of(target: Path, path: str | os.PathLike[str], owner: str, kind: str = "file") -> None:
    """Raises `OutputError` unless new names can be made in the folder of `target`, to which `path` leads."""
    is_folder = kind == "folder"
    if not target.parent.is_dir():
        raise unwritable(path, "its parent is missing" if is_folder else "there is no such folder", owner, kind)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise unwritable(path, f"its {'parent' if is_folder else 'folder'} cannot be written to", owner, kind)


def make_folder(path: str | os.PathLike[str], owner: str) -> None:
    """Makes a folder and those above it, if it is not there.

    Raises:
        OutputError: It cannot be made.

    Example:
        >>> make_folder("/dev/null/plots", "evaluate --plots")
        Traceback (most recent call last):
        reciperec_layers.errors.OutputError: evaluate --plots: the folder cannot be created (Not a directory). ...
    """
    target = to_output_path(path, owner, "folder")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder cannot be created ({error.strerror})"
        raise OutputError(explain(owner, problem, path=Path(path), fix="Choose another path")) from error


def unwritable(path: str | os.PathLike[str], reason: object, owner: str, kind: str = "file") -> OutputError:
    """Returns the error that a path cannot be written to."""
    problem = f"the {kind} cannot be written ({reason})"
    return OutputError(explain(owner, problem, path=Path(path), fix="Choose another path"))


def keep_access(old: Path, new: Path) -> None:
    """Gives a file, or a folder and what is below it, the owner, mode and access list of what it will replace.

    What this process may not give, it leaves; nobody gets more rights than before by that. What is new keeps the
    rights that it was made with, by the process's umask.

    Example:
        >>> import tempfile
        >>> old, new = (Path(tempfile.mkdtemp()) for _ in range(2))
        >>> old.chmod(0o750)
        >>> keep_access(old, new)
        >>> oct(new.stat().st_mode & 0o777)
        '0o750'
    """
    try:
        was, now = old.lstat(), new.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_IFMT(was.st_mode) != stat.S_IFMT(now.st_mode):
        return
    if stat.S_ISDIR(now.st_mode):
        for path in new.iterdir():
            keep_access(old / path.name, path)
    if hasattr(os, "chown"):
        for user, group in ((-1, was.st_gid), (was.st_uid, -1)):
            with suppress(OSError):
                os.chown(new, user, group, follow_symlinks=False)
    now, mode = new.lstat(), stat.S_IMODE(was.st_mode)
    if now.st_uid != was.st_uid:
        mode &= ~stat.S_ISUID
    if now.st_gid != was.st_gid:
        mode &= ~(stat.S_ISGID | stat.S_IRWXG)
    with suppress(OSError):
        new.chmod(mode)
    if hasattr(os, "setxattr"):
        with suppress(OSError):  # few files have one
            os.setxattr(new, _ACCESS_LIST, os.getxattr(old, _ACCESS_LIST))
