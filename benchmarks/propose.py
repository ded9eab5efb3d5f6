"""Seconds in which `features.propose` looks at frames with many rows.

    python benchmarks/propose.py [--rows 1_000_000] [--repeats 3]

Candidates have ids, names, lists, numbers, times, categories and addresses, and are compared with as many interactions;
the interactions themselves are proposed for too.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import parser, print_table, summary

WORDS = np.array(
    [f"{word}{end}" for word in ("apple", "onion", "soup", "pie", "stew", "rice") for end in ("", "s", "y")]
)


def make_candidates(num_rows: int) -> pd.DataFrame:
    generator = np.random.default_rng(0)

    def draw(num_words: int, separator: str) -> pd.Series:
        return pd.Series([separator.join(row) for row in generator.choice(WORDS, (num_rows, num_words))])

    seconds = generator.integers(10**9, 16 * 10**8, num_rows)
    return pd.DataFrame(
        {
            "recipe_id": generator.permutation(num_rows),
            "recipe_name": draw(5, " "),
            "ingredients": draw(8, "^"),
            "minutes": generator.gamma(2, 20, num_rows).round(),
            "price": generator.gamma(2, 5, num_rows),
            "created_at": pd.Series(pd.to_datetime(seconds, unit="s")).dt.strftime("%Y-%m-%dT%H:%M:%S"),
            "cuisine": generator.choice(WORDS, num_rows),
            "is_vegan": generator.random(num_rows) < 0.2,
            "image_url": [f"https://recipes.org/{row}.jpg" for row in range(num_rows)],
            "num_ratings": generator.poisson(3, num_rows),
        }
    )


def make_interactions(num_rows: int) -> pd.DataFrame:
    generator = np.random.default_rng(1)
    users = generator.integers(0, max(num_rows // 5, 1), num_rows)
    return pd.DataFrame(
        {
            "user_id": users,
            "recipe_id": generator.integers(0, num_rows, num_rows),
            "rating": generator.integers(1, 6, num_rows),
            "timestamp": generator.integers(10**9, 16 * 10**8, num_rows),
            "device": generator.choice(WORDS, num_rows),
            "age": users % 60,
            "city": WORDS[users % len(WORDS)],
            "comment": [" ".join(row) for row in generator.choice(WORDS, (num_rows, 5))],
            "portions": generator.integers(1, 9, num_rows),
            "score": generator.normal(size=num_rows),
        }
    )


def main() -> None:
    options = parser("Time proposals for the columns of frames.", repeats=3)
    options.add_argument("--rows", type=int, default=1_000_000)
    options = options.parse_args()

    import reciperec_layers as rl

    candidates, interactions = make_candidates(options.rows), make_interactions(options.rows)
    cases: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
        "candidates": (candidates, {}),
        "candidates beside interactions": (candidates, {"interactions": interactions}),
        "interactions": (interactions, {}),
    }
    rows = []
    for name, (frame, arguments) in cases.items():
        seconds = []
        for _ in range(options.repeats):
            start = time.perf_counter()
            found = rl.features.propose(frame, **arguments)
            seconds.append(time.perf_counter() - start)
        times = summary(seconds)
        sizes = {"rows": len(frame), "columns": len(found), "accepted": len(found.accepted)}
        rows.append({"frame": name, **sizes, "seconds": times["median"], "spread": times["spread"]})
    print_table("Seconds to propose encoders", pd.DataFrame(rows), options, rows=0, columns=0, accepted=0)


if __name__ == "__main__":
    main()
