"""How to choose the half-life of recent popularity, on the training rows of real data alone.

    python benchmarks/half_life.py FOLDER [--splits 28]

The folder has `recipes/mock-data_interaction.csv` and `ml-latest-small/ratings.csv`. The training rows of a split by
time are cut at many places. Each way of choosing sees what is before a cut; what follows, a tenth to a quarter of the
training rows, judges the choice: MRR, NDCG and top-5, 10 and 50 accuracy, each divided by that of the best half-life,
averaged.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from reciperec_layers.data import split_by_time
from reciperec_layers.data.times import time_seconds
from reciperec_layers.recency import choose_half_life, decayed_counts

FILES = {
    "recipes": ("recipes/mock-data_interaction.csv", "recipe_id", "dateLastModified"),
    "ml-latest-small": ("ml-latest-small/ratings.csv", "movieId", "timestamp"),
}
HALF_LIVES = (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, None)
LENGTHS = (0.1, 0.2, 0.25)
Rows = tuple[np.ndarray, np.ndarray, int]  # rows of candidates, seconds, number of candidates
Score = Callable[[np.ndarray, np.ndarray], float]  # of held-out rows, by counts


def ranks_of(counts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    ranks = np.empty(len(counts))
    ranks[np.argsort(-counts, kind="stable")] = np.arange(1, len(counts) + 1)
    return ranks[rows]


def likelihood(counts: np.ndarray, rows: np.ndarray) -> float:
    return float(np.log(0.9 * counts[rows] / counts.sum() + 0.1 / len(counts)).sum())


def mrr(counts: np.ndarray, rows: np.ndarray) -> float:
    return float((1 / ranks_of(counts, rows)).sum())


def ndcg(counts: np.ndarray, rows: np.ndarray) -> float:
    return float((1 / np.log2(1 + ranks_of(counts, rows))).sum())


def best_by(score: Score, held_out: float, steps: int) -> Callable[[Rows], float | None]:
    """A way of choosing: the half-life with the best sum of scores over steps through the newest rows."""

    def choose(data: Rows) -> float | None:
        rows, seconds, num_candidates = data
        begins = np.quantile(seconds, 1 - held_out * np.arange(steps, 0, -1) / steps)

        def total(half_life: float | None) -> float:
            found = 0.0
            for begin, end in itertools.pairwise([*begins, np.inf]):
                before, after = seconds < begin, (seconds >= begin) & (seconds < end)
                found += score(decayed_counts(rows[before], seconds[before], num_candidates, half_life), rows[after])
            return found

        return max(HALF_LIVES, key=total)

    return choose


CHOICES: dict[str, Callable[[Rows], float | None]] = {
    "likelihood, newest tenth, 5 steps (ours)": lambda data: choose_half_life(*data),
    "likelihood, newest tenth, 1 step": best_by(likelihood, 0.1, 1),
    "likelihood, newest fifth, 1 step": best_by(likelihood, 0.2, 1),
    "NDCG, newest tenth, 5 steps": best_by(ndcg, 0.1, 5),
    "MRR, newest tenth, 5 steps": best_by(mrr, 0.1, 5),
    "all rows alike": lambda data: None,
}


def read(folder: Path, name: str) -> Rows:
    file, candidate, time = FILES[name]
    train, _ = split_by_time(pd.read_csv(folder / file), time)
    rows, distinct = pd.factorize(train[candidate])
    return rows, time_seconds(train[time], "half_life"), len(distinct)


def judged(data: Rows, begin: float, end: float, choices: list[str]) -> dict[str, float]:
    """Returns the share of the best that each choice on what is before `begin` reaches until `end`."""
    rows, seconds, num_candidates = data
    first, last = np.quantile(seconds, [begin, min(end, 1.0)])
    before, after = seconds < first, (seconds >= first) & (seconds <= last)

    def quality(half_life: float | None) -> np.ndarray:
        counts = decayed_counts(rows[before], seconds[before], num_candidates, half_life)
        ranks = ranks_of(counts, rows[after])
        hits = [np.mean(ranks <= k) for k in (5, 10, 50)]
        return np.array([mrr(counts, rows[after]) / len(ranks), ndcg(counts, rows[after]) / len(ranks), *hits])

    best = np.max([quality(half_life) for half_life in HALF_LIVES], axis=0)
    known = rows[before], seconds[before], num_candidates
    return {name: float(np.mean(quality(CHOICES[name](known)) / best)) for name in choices}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--splits", type=int, default=28, help="at how many places the training rows are cut")
    options = parser.parse_args()
    places = [(begin / 100, begin / 100 + length) for length in LENGTHS for begin in range(40, 95, 5)]
    places = [place for place in places if place[1] < 1.001][: options.splits]
    columns = {}
    for name in FILES:
        data = read(options.folder, name)
        found = pd.DataFrame([judged(data, *place, list(CHOICES)) for place in places])
        columns[name], columns[f"{name}, worst"] = found.mean(), found.min()
    print(pd.DataFrame(columns).to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
