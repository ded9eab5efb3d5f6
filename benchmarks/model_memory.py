"""Memory of a model with many candidates, beyond what its tables take, at each stage of its life.

    python benchmarks/model_memory.py [--candidates 1_000_000] [--dim 64] [--repeats 3]

In a new process a model of two `IdTower`s is made, recommends, evaluates and recommends again. Printed are the
resident memory that each stage leaves behind beyond that of the model just made, and the peak of the whole life, also
as multiples of the embeddings (4 bytes a number).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from side_by_side import environment, parser, print_table


def resident_mb() -> float:
    """Returns the resident memory of this process, after what is free was given back."""
    gc.collect()
    try:
        import ctypes

        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except OSError:  # another C library
        pass
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def live(num_candidates: int, dim: int, index: str) -> None:
    """Prints the memory of each stage as JSON."""
    import resource

    import reciperec_layers as rl

    found: dict[str, float] = {}

    def made(size: int) -> rl.RetrievalModel:
        ids = np.arange(size)
        towers = rl.IdTower(np.arange(1000), dim, feature="user_id"), rl.IdTower(ids, dim, feature="recipe_id")
        model = rl.RetrievalModel(*towers, {"recipe_id": ids}, index=index)
        model.compile(rl.optimizers.SGD(0.1))
        return model

    def evaluate(model: rl.RetrievalModel) -> None:
        model.evaluate({"user_id": np.arange(256), "recipe_id": np.arange(256) % 100}, verbose=0)

    small = made(100)  # what is loaded once, of TensorFlow and Keras, is not the model's
    small.recommend({"user_id": [5]}, k=10)
    evaluate(small)
    model = made(num_candidates)
    start = resident_mb()
    model.recommend({"user_id": [5]}, k=10)
    found["after recommend"] = resident_mb() - start
    evaluate(model)
    found["after evaluate"] = resident_mb() - start
    model.recommend({"user_id": [5]}, k=10)
    found["after recommend again"] = resident_mb() - start
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 - start
    print(json.dumps(found))


def measure(options: argparse.Namespace) -> list[dict[str, object]]:
    call = f"import model_memory; model_memory.live({options.candidates}, {options.dim}, {options.index!r})"
    found = []
    for _ in range(options.repeats):
        done = subprocess.run(
            [sys.executable, "-c", call],
            cwd=Path(__file__).parent,
            env=os.environ | environment(options.threads),
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    embeddings = options.candidates * options.dim * 4 / 2**20
    medians = {stage: statistics.median(repeat[stage] for repeat in found) for stage in found[0]}
    return [{"stage": stage, "mb": mb, "embeddings": mb / embeddings} for stage, mb in medians.items()]


def main() -> None:
    options = parser(__doc__, repeats=3)
    options.add_argument("--candidates", type=int, default=1_000_000)
    options.add_argument("--dim", type=int, default=64)
    options.add_argument("--index", default="brute_force", help="registered name of an index")
    options = options.parse_args()
    table = pd.DataFrame(measure(options))
    print_table(f"Memory beyond a model with {options.candidates:,} x {options.dim} candidates", table, options, mb=0)


if __name__ == "__main__":
    main()
