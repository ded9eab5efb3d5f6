"""An epoch on the recipes with vectors of a frozen text encoder, beside plain vectors and ids alone.

    pip install wordllama
    python benchmarks/frozen_encoder.py FOLDER [--encoder wordllama] [--repeats 7]

FOLDER has `mock-data_interaction.csv` and `mock-data_recipe.csv`. WordLlama is a small sentence encoder whose package
has its weights (256 numbers a text); `--encoder length` stands for an encoder where it is not installed. Each recipe is
encoded once, by `features.encode_once`, from its name and its ingredients. "plain" is a column of random vectors of the
same size. The sides train in one process, in turn.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from side_by_side import compare_here, parser, print_table

import reciperec_layers as rl

PAIRS, RECIPES = "mock-data_interaction.csv", "mock-data_recipe.csv"


def word_llama() -> Callable[[list[str]], np.ndarray]:
    import wordllama

    # The package looks for its tokenizer in a folder of another name, then in a cache, then on the internet.
    cache = Path(tempfile.mkdtemp())
    shutil.copytree(Path(wordllama.__file__).parent / "tokenizers", cache / "tokenizers")
    return wordllama.WordLlama.load(cache_dir=cache, disable_download=True).embed


def length(texts: list[str]) -> np.ndarray:
    return np.array([[len(text), text.count(" "), text.count("e")] for text in texts], np.float32)


def make_sides(
    folder: Path, encoder: str, batch_size: int
) -> tuple[dict[str, Callable[[], dict[str, float]]], list[float]]:
    """Returns what trains an epoch, by side, and the seconds of encoding all recipes, and of doing so again."""
    pairs, recipes = (pd.read_csv(folder / name) for name in (PAIRS, RECIPES))
    encode = {"wordllama": word_llama, "length": lambda: length}[encoder]()
    seconds = []
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(2):
            begin = time.perf_counter()
            texts = recipes[["recipe_name", "ingredients"]]
            encoded = rl.features.encode_once(texts, encode, folder=cache, name=encoder)
            seconds.append(time.perf_counter() - begin)
    encoded = list(np.asarray(list(encoded)))
    plain = list(np.random.default_rng(0).normal(size=(len(encoded), len(encoded[0]))).astype(np.float32))

    def epoch(vectors: list[np.ndarray] | None) -> Callable[[], dict[str, float]]:
        frame = pd.DataFrame({"recipe_id": recipes["recipe_id"]})
        options = {}
        if vectors is not None:
            frame["vector"] = vectors
            options = {"candidate_options": {"encoders": {"vector": "vector"}}}
        model = rl.RetrievalModel.from_data(pairs, frame, query_tower="id", seed=1, **options)
        model.compile()
        batches = model.batches(pairs, batch_size, seed=1)

        def run() -> dict[str, float]:
            begin = time.perf_counter()
            model.fit(batches, epochs=1, verbose=0)
            return {"ms_an_epoch": 1000 * (time.perf_counter() - begin)}

        return run

    return {"ids": epoch(None), "plain vectors": epoch(plain), f"encoded by {encoder}": epoch(encoded)}, seconds


def main() -> None:
    made = parser("Time an epoch with vectors of a frozen encoder.", repeats=7)
    made.add_argument("folder", type=Path)
    made.add_argument("--encoder", choices=["wordllama", "length"], default="wordllama")
    made.add_argument("--batch", type=int, default=1024)
    options = made.parse_args()
    sides, (first, again) = make_sides(options.folder, options.encoder, options.batch)
    found = compare_here(sides, options).xs("ms_an_epoch", level="measure").reset_index()
    table = found.rename(columns={"median": "ms_an_epoch"})
    table["of_plain"] = table["ms_an_epoch"] / table["ms_an_epoch"].iloc[1]
    print_table(f"encoded in {first:.2f} s, and again in {again:.3f} s", table, options)


if __name__ == "__main__":
    main()
