"""What this package adds to the start of a process that uses TensorFlow and Keras.

    python benchmarks/import_time.py [--repeats 15]

Each line is the time of whole processes, run in turn. "beyond": the median of what a process takes longer than the one
of the same turn that it is compared with. "inside": the last import alone, timed in its process, which moves less.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from side_by_side import environment, parser, print_table, summary

COMMAND = Path(sys.executable).with_name("reciperec")
OURS = "import tensorflow, keras, reciperec_layers"
LAST_IMPORT = """
import tensorflow, keras, time
start = time.perf_counter()
import reciperec_layers
print(time.perf_counter() - start)
"""
PROCESSES: dict[str, list[str | Path]] = {
    "import tensorflow": [sys.executable, "-c", "import tensorflow"],
    "import tensorflow, keras": [sys.executable, "-c", "import tensorflow, keras"],
    OURS: [sys.executable, "-c", LAST_IMPORT],
    "reciperec --help": [COMMAND, "--help"],
}
COMPARED = {OURS: "import tensorflow, keras", "reciperec --help": "import tensorflow"}


def run(command: list[str | Path], threads: int) -> tuple[float, str]:
    """Returns the seconds of a process and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(command, env=os.environ | environment(threads), capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def main() -> None:
    options = parser("Time imports and the command line.", repeats=15).parse_args()
    turns = [
        {name: run(command, options.threads) for name, command in PROCESSES.items()} for _ in range(options.repeats)
    ]
    seconds = pd.DataFrame([{name: took for name, (took, _) in turn.items()} for turn in turns])
    rows = []
    for name in PROCESSES:
        times = summary(seconds[name].tolist())
        row = {"process": name, "seconds": times["median"], "spread": times["spread"]}
        if base := COMPARED.get(name):
            row |= {"beyond": (seconds[name] - seconds[base]).median(), "than": base}
            row["ratio"] = times["median"] / seconds[base].median()
        if name == OURS:
            row["inside"] = statistics.median(float(turn[name][1]) for turn in turns)
        rows.append(row)
    print_table("Whole processes", pd.DataFrame(rows).fillna({"than": ""}), options, seconds=3, beyond=3, inside=3)


if __name__ == "__main__":
    main()
