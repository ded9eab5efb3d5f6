"""Runs commands in forks of a process that has imported the package: TensorFlow takes seconds to import.

    python -m tests.preloaded.server SOCKET

A client connects to the Unix socket, passes its three standard streams, and sends one line of JSON: what to run, its
arguments, folder and environment. It gets the exit code as one line. Nothing of TensorFlow has run before a fork.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import sys
import traceback
from typing import Any

import keras  # noqa: F401
import pandas as pd  # noqa: F401
import tensorflow as tf  # noqa: F401

import reciperec_layers.cli
import reciperec_layers.evaluation
import reciperec_layers.models


def run(request: dict[str, Any], streams: list[int]) -> int:
    """Runs a request in this process, which is of no use afterwards, and returns the exit code."""
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    try:
        if request["script"] is None:
            reciperec_layers.cli.main()
        else:
            sys.path[0] = os.path.dirname(request["script"])
            runpy.run_path(request["script"], run_name="__main__")
    except SystemExit as error:
        code = 0 if error.code is None else error.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
        return code if isinstance(code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main(path: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    print("ready", flush=True)
    while True:
        connection, _ = listening.accept()
        if os.fork():
            connection.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        text, streams, _, _ = socket.recv_fds(connection, 2**20, 3)
        code = run(json.loads(text), streams)
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(b"%d\n" % code)
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
