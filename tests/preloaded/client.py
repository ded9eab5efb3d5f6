"""The client of tests/preloaded/server.py: python client.py SOCKET (reciperec | SCRIPT.py) ARGUMENTS..."""

from __future__ import annotations

import json
import os
import socket
import sys


def main() -> int:
    path, script, *arguments = sys.argv[1:]
    request = {
        "script": None if script == "reciperec" else os.path.abspath(script),
        "arguments": [script, *arguments],
        "folder": os.getcwd(),
        "environment": dict(os.environ),
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        return int(connection.makefile().readline() or 1)


if __name__ == "__main__":
    sys.exit(main())
