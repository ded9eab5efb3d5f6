"""What lies in a folder, and the contents of its regular files; nothing else is ever opened."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

_KINDS = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


@dataclass(frozen=True)
class FolderContents:
    """What lies in a folder, by path inside it with forward slashes.

    Args:
        files: Regular files.
        folders: Folders.
        others: What is neither, which may be a link to one, with its kind.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "empty").mkdir()
        >>> FolderContents.of(folder)
        FolderContents(files=[], folders=['empty'], others={})
    """

    files: list[str]
    folders: list[str]
    others: dict[str, str]

    @classmethod
    def of(cls, folder: str | Path) -> FolderContents:
        """Looks at a folder and everything below it, without following links.

        Raises:
            OSError: A folder cannot be read.
        """
        files, folders, others = [], [], {}
        waiting = [Path()]
        while waiting:
            parent = waiting.pop()
            for name in os.listdir(folder / parent):
                path = parent / name
                mode = (folder / path).lstat().st_mode
                if stat.S_ISDIR(mode):
                    folders.append(path.as_posix())
                    waiting.append(path)
                elif stat.S_ISREG(mode):
                    files.append(path.as_posix())
                else:
                    others[path.as_posix()] = _KINDS.get(stat.S_IFMT(mode), "a device")
        return cls(sorted(files), sorted(folders), others)

    def described_others(self) -> list[str]:
        """Returns what is neither a file nor a folder, for messages."""
        return [f"{name} ({kind})" for name, kind in self.others.items()]


def open_regular(path: str | Path) -> BufferedReader:
    """Opens a file to read its bytes, but no link, pipe or device, which could lead elsewhere or wait for ever.

    Raises:
        OSError: It is not a regular file, or cannot be read.

    Example:
        >>> open_regular("/dev/null")
        Traceback (most recent call last):
        OSError: [Errno 22] it is not a regular file: '/dev/null'
    """
    problem = OSError(errno.EINVAL, "it is not a regular file", str(path))
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise problem
    # It may have become something else since.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise problem
    return file


def sha256(path: str | Path) -> str:
    """Returns the SHA-256 of a regular file, hexadecimal.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> path.write_text("soup")
        4
        >>> sha256(path)[:8]
        '9014fac8'
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
