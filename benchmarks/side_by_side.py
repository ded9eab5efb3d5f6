"""Sides of a comparison: each lives in a process of its own, and they run in turn.

A side is a function that builds what is measured, warms it up and returns another function; every call of that one is
a repeat, and gives numbers by name. Processes of their own, since TensorFlow Recommenders needs legacy Keras from the
first import on; in turn, so that what else the machine does falls on all sides.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

PACKAGES = ("reciperec-layers", "tensorflow", "keras", "tf-keras", "tensorflow-recommenders")


@dataclass(frozen=True)
class Side:
    """What one process runs: `build(**arguments)`, where the arguments are what JSON can hold."""

    build: Callable[..., Callable[[], dict[str, float]]]
    arguments: dict[str, Any] = field(default_factory=dict)
    legacy_keras: bool = False


class Worker:
    """The process of a side. It stays alive and answers each "run" by a line of JSON."""

    def __init__(self, side: Side, threads: int) -> None:
        module = Path(inspect.getfile(side.build)).stem
        self._name = f"{module}:{side.build.__name__}"
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, __file__, module, side.build.__name__, json.dumps(side.arguments)],
            env=os.environ | environment(threads) | {"TF_USE_LEGACY_KERAS": str(int(side.legacy_keras))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def answer(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise SystemExit(f"{self._name} failed, exit code {self._process.wait()}:\n{self._errors.read()[-4000:]}")
        return json.loads(line)

    def run(self) -> dict[str, float]:
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def environment(threads: int) -> dict[str, str]:
    """The same number of threads for every side, whatever library it computes with."""
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"} | dict.fromkeys(names, str(threads))


@contextlib.contextmanager
def started(sides: Mapping[Hashable, Side], threads: int) -> Iterator[dict[Hashable, Worker]]:
    with contextlib.ExitStack() as stack:
        workers = {}
        for name, side in sides.items():
            workers[name] = Worker(side, threads)
            stack.callback(workers[name].close)
        for worker in workers.values():
            worker.answer()  # built and warm
        yield workers


def compare(sides: Mapping[Hashable, Side], options: argparse.Namespace) -> pd.DataFrame:
    """Returns one row per side and number: `median` and `spread`.

    The spread is the largest less the smallest repeat, in percent of the median.
    """
    with started(sides, options.threads) as workers:
        repeats = [{name: worker.run() for name, worker in workers.items()} for _ in range(options.repeats)]
    return _summaries(repeats)


def compare_here(sides: Mapping[str, Callable[[], dict[str, float]]], options: argparse.Namespace) -> pd.DataFrame:
    """Returns what `compare` does, of sides that run in this process, each once before it is measured."""
    for run in sides.values():
        run()
    return _summaries([{name: run() for name, run in sides.items()} for _ in range(options.repeats)])


def _summaries(repeats: Sequence[Mapping[Hashable, Mapping[str, float]]]) -> pd.DataFrame:
    found = {
        (name, measure): [repeat[name][measure] for repeat in repeats]
        for name, measures in repeats[0].items()
        for measure in measures
    }
    table = pd.DataFrame.from_dict({key: summary(values) for key, values in found.items()}, orient="index")
    return table.rename_axis(["side", "measure"])


def use_threads(threads: int) -> None:
    """Sets the number of threads of this process; TensorFlow takes all by itself, and none once it has begun."""
    import tensorflow as tf

    if threads != os.cpu_count():
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def summary(values: Sequence[float]) -> dict[str, float]:
    median = statistics.median(values)
    return {"median": median, "spread": 100 * (max(values) - min(values)) / (median or 1.0)}


def parser(description: str, repeats: int) -> argparse.ArgumentParser:
    """Returns a parser with the options that all scripts have."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--repeats", type=int, default=repeats, help="repeats, of which medians are printed")
    made.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of every side")
    return made


def numbers(text: str) -> list[int]:
    """Reads a list of sizes, such as `10_000,1_000_000`."""
    return [int(part) for part in text.split(",") if part]


def print_table(title: str, table: pd.DataFrame, options: argparse.Namespace, **digits: int) -> None:
    """Prints a table; `digits` says how many decimals a column has, 2 where it does not."""
    formats = {name: f"{{:,.{places}f}}".format for name, places in {"spread": 0, **digits}.items()}
    formats = {name: _unless_missing(form) for name, form in formats.items() if name in table}
    print(f"{title}; medians of {options.repeats}, {options.threads} threads, {', '.join(_versions())}")
    print(table.to_string(index=False, float_format="{:,.2f}".format, formatters=formats, na_rep=""), flush=True)


def _unless_missing(form: Callable[[float], str]) -> Callable[[float], str]:
    return lambda value: "" if pd.isna(value) else form(value)


def _versions() -> Iterator[str]:
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            yield f"{package} {version(package)}"


def _serve(module: str, function: str, arguments: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    run = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    print("null", file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(run()), file=answers, flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
