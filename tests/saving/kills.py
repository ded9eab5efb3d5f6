"""Processes that are killed at any point of their work, for tests of what writes files."""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable

_WATCHED = ("open", "os.", "shutil.", "fcntl.", "tests.")


def in_a_process(act: Callable[[], object], kill_at: int | None = None) -> int:
    """Runs a function in a fork of this process, which is killed at its n-th step, and returns how the process ended.

    A step is a call that Python's audit hooks report: opening, making, listing, renaming or removing a file, or what
    the function itself reports by `sys.audit("tests. ...")`. The kill is before the call.

    Args:
        act: What to run.
        kill_at: Number of the step, or `None` to let it end.

    Returns:
        0 if it ended by itself, 1 if it raised, -9 if it was killed.
    """
    return wait_for(start(act, kill_at))


def start(act: Callable[[], object], kill_at: int | None = None) -> int:
    """Starts what `in_a_process` runs, and returns the id of the process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the threads of TensorFlow do nothing in the fork
        process = os.fork()
    if process:
        return process
    try:
        gc.disable()
        if kill_at is not None:
            count_steps(kill_at)
        act()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait_for(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def count_steps(kill_at: int | None = None) -> Callable[[], int]:
    """Counts the steps of this process from now on, and kills it at one. Returns what gives their number."""
    count = 0

    def hook(event: str, arguments: object) -> None:
        nonlocal count
        if event.startswith(_WATCHED):
            count += 1
            if count - 1 == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return lambda: count
