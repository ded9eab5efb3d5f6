"""Private folders in which files are made before they are renamed, and what killed processes left of them."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reciperec_layers.saving.renames import rename_new

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

OLD = "old"  # below a work folder: what is on its way out, and comes back if nothing has taken its place

_NAME = re.compile(r"\.reciperec_layers-[0-9a-f]{32}\.saving")
_LOCK = "reciperec_layers-lock-"
_ATTEMPTS = 100
_DAY_SECONDS = 86400.0
_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Makes a new folder in `parent` that only this call uses, and removes it with all that is still in it.

    Its name is drawn at random and made exclusively, so neither threads, nor processes with equal ids, nor a link that
    was planted under the name get in each other's way. Only its owner can enter it, and what Keras or HDF5 leave beside
    the file that they write goes with it.

    First it removes what killed processes have left in `parent`. A lock on a file in the folder, which the system drops
    when its process ends, tells them from those at work, also of other threads and containers. Folders of another
    machine, or from before the machine was started, and all folders where the file system has no locks, count as left
    when nothing in them has changed for a day.

    Args:
        parent: The folder in which the new file will lie.

    Example:
        >>> import tempfile
        >>> parent = Path(tempfile.mkdtemp())
        >>> with work_folder(parent) as folder:
        ...     size = (folder / "note.txt").write_text("half a ")
        >>> list(parent.iterdir())
        []
    """
    remove_leftovers(parent)
    folder, lock = _make(parent)
    try:
        yield folder
    finally:
        with suppress(OSError):  # what was written stands; the next call removes the rest
            _discard(folder, lock)


def remove_leftovers(parent: Path) -> None:
    """Removes what killed processes have left in a folder, as far as this process may.

    Example:
        >>> remove_leftovers(Path("no_such_folder"))
    """
    found = []
    with suppress(OSError), os.scandir(parent) as entries:
        found = [each.name for each in entries if _NAME.fullmatch(each.name) and each.is_dir(follow_symlinks=False)]
    for name in found:
        with suppress(OSError):
            _remove_if_left(parent / name)


def _make(parent: Path) -> tuple[Path, int]:
    """Returns a new folder, and the open file whose lock says that it is in use."""
    for _ in range(_ATTEMPTS):
        folder = parent / f".reciperec_layers-{secrets.token_hex(16)}.saving"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            # Another process may take it for a leftover until it is locked, so it is looked at once more then.
            with suppress(FileNotFoundError):
                path = folder / f"{_LOCK}{_machine()}"
                lock = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
                if _lock(lock) is not False and path.exists():
                    return folder, lock
                os.close(lock)
    raise FileExistsError(errno.EEXIST, "no name is free for a temporary folder", str(parent))


def _remove_if_left(folder: Path) -> None:
    names = [name for name in os.listdir(folder) if name.startswith(_LOCK)]
    if not names:
        os.rmdir(folder)  # its process had no time to make the lock; one that does so now tries another name
        return
    lock = os.open(folder / names[0], _OPEN)
    is_locked = _lock(lock) if stat.S_ISREG(os.fstat(lock).st_mode) else False
    is_certain = is_locked and names[0] == f"{_LOCK}{_machine()}"
    if is_locked is not False and (is_certain or _seconds_unchanged(folder) > _DAY_SECONDS):
        _discard(folder, lock)
    else:
        os.close(lock)


def _lock(file: int) -> bool | None:
    """Locks an open file. Returns `False` if another has the lock, and `None` if there are no locks here."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _discard(folder: Path, lock: int) -> None:
    """Removes a work folder whose lock this process has, and closes the lock."""
    try:
        _restore(folder)
        for path in _contents(folder):
            if stat.S_ISDIR(path.lstat().st_mode):
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
    finally:
        os.close(lock)
    if not _contents(folder):  # otherwise the lock stays, so that who has more rights finds the folder
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _restore(folder: Path) -> None:
    with suppress(OSError):
        for path in (folder / OLD).iterdir():
            rename_new(path, folder.parent / path.name)


def _contents(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(_LOCK)]


def _machine() -> str:
    """Returns what tells this machine, since it was started, from others; containers on it have the same."""
    try:
        return uuid.UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip()).hex
    except (OSError, ValueError):
        return uuid.uuid5(uuid.NAMESPACE_DNS, platform.node()).hex


def _seconds_unchanged(folder: Path) -> float:
    return time.time() - max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
