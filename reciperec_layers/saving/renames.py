"""Renames that never replace anything, or swap two places, in one step; and writing to the disk before them."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM)  # EPERM: seccomp, no links
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None


def rename_new(source: Path, target: Path) -> None:
    """Renames a file or folder to a path that must be free, which the rename itself decides.

    On Linux `renameat2` does. Where the file system lacks it, a file gets its name by a hard link, and a folder by a
    plain rename, which replaces nothing but an empty folder that was made in the last moment. Where there are no hard
    links either, the path is looked at before the rename, which is all that such a place allows.

    Raises:
        FileExistsError: There is something at the path, be it a link that leads nowhere.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("new", "old"):
        ...     size = (folder / name).write_text(name)
        >>> rename_new(folder / "new", folder / "old")
        Traceback (most recent call last):
        FileExistsError: [Errno 17] File exists: ...
    """
    if _renamed(source, target, _NOREPLACE):
        return
    if not source.is_dir():
        try:
            os.link(source, target, follow_symlinks=False)
            return
        except OSError as error:
            if error.errno not in (*_UNSUPPORTED, errno.EMLINK):
                raise
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        raise


def exchange(first: Path, second: Path) -> bool:
    """Swaps what lies at two paths in one step. Returns `False` where only Linux's newer file systems could do that.

    Raises:
        FileNotFoundError: There is nothing at one of the paths.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("new", "old"):
        ...     size = (folder / name).write_text(name)
        >>> expected = "new" if exchange(folder / "new", folder / "old") else "old"
        >>> (folder / "old").read_text() == expected
        True
    """
    return _renamed(first, second, _EXCHANGE)


def write_to_disk(path: Path) -> None:
    """Waits until the contents of a file, or of a folder and everything below it, are on the disk.

    A rename may reach the disk before the data, so that after a power cut the new name would lead to an empty file.

    Example:
        >>> import tempfile
        >>> write_to_disk(Path(tempfile.mkdtemp()))
    """
    if not path.is_dir():
        with path.open("rb" if os.name == "posix" else "r+b") as file:
            os.fsync(file.fileno())
        return
    for each in path.iterdir():
        write_to_disk(each)
    write_names_to_disk(path)


def write_names_to_disk(folder: Path) -> None:
    """Waits until renames in a folder are on the disk, where the file system can tell.

    Example:
        >>> write_names_to_disk(Path("no_such_folder"))
    """
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _renamed(source: Path, target: Path, flag: int) -> bool:
    """Renames as `flag` says; `False` if system or file system do not know it."""
    if _renameat2 is None:
        return False
    if _renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(source), None, str(target))
