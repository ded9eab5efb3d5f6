"""Files that are to be read: regular ones only, never a folder, pipe or device."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from reciperec_layers.errors import ArgumentTypeError, ModelFileError, describe_error, explain


def require_file(filepath: Any, owner: str, what: str) -> Path:
    """Returns the path of a regular file. Anything else is refused before it is opened: reading a pipe may never end.

    Args:
        filepath: What a user gave.
        owner: Name of the caller, for messages.
        what: What the file should be, for messages, such as "a saved index".

    Raises:
        ArgumentTypeError: It is not a path.
        ModelFileError: There is no such file, or it is a folder, a pipe or a device.

    Example:
        >>> require_file("no.keras", "load_model", "a `.keras` file")
        Traceback (most recent call last):
        reciperec_layers.errors.ModelFileError: load_model: there is no such file. ...
    """
    if not isinstance(filepath, (str, os.PathLike)):
        fix = f'Pass the path of {what}, for example "recipes.keras"'
        raise ArgumentTypeError(explain(owner, "`filepath` must be a path", filepath=filepath, fix=fix))
    path = Path(filepath)
    problem = _problem(path, what)
    if problem is not None:
        raise ModelFileError(explain(owner, problem, path=path, fix="Check the path"))
    return path


def _problem(path: Path, what: str) -> str | None:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "there is no such file"
    except (OSError, ValueError) as error:  # a path that is too long, or has a NUL
        reason = error.strerror if isinstance(error, OSError) else describe_error(error)
        return f"the file cannot be read ({reason})"
    if stat.S_ISDIR(mode):
        return f"it is a folder, not {what}"
    return None if stat.S_ISREG(mode) else f"it is a pipe or a device, not {what}"
