"""The command `reciperec`: training, evaluation and recommendations from a shell."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from reciperec_layers.errors import MissingExtraError, explain

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0, 2 for wrong use, 1 for a failure, 130 when interrupted.

    Args:
        arguments: Words after `reciperec`, by default those of the process.

    Example:
        >>> main(["--version"])
        reciperec-layers ...
        0
    """
    try:
        from reciperec_layers.cli.app import run  # typer and rich come with an extra
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        fix = 'Install them with `pip install "reciperec-layers[cli]"`'
        missing = MissingExtraError(explain("command line", "typer and rich are needed", fix=fix))
        print("reciperec: error:", missing, file=sys.stderr)
        return 1
    return run(arguments)
