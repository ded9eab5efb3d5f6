"""`reciperec demo`: the whole workflow on synthetic recipes, without any input file."""

from __future__ import annotations

import json as json_module
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reciperec_layers.cli.options import Debug, Json
from reciperec_layers.cli.output import reported_errors, say, say_json
from reciperec_layers.cli.tables import KS, accuracy_key, say_accuracies
from reciperec_layers.errors import ModelFileError, explain
from reciperec_layers.saving.atomic_files import check_writable, write_beside
from reciperec_layers.saving.output_paths import make_folder

if TYPE_CHECKING:
    from reciperec_layers.data import SyntheticRecipes

_FILES = ("train.csv", "test.csv", "recipes.csv", "recipes.keras")


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Seed of the recipes and of training.")] = 42,
    keep: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to keep the model and CSV files in.")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the whole workflow on made-up recipes: train, compare, save, load in a new process, recommend."""
    with reported_errors(debug), ExitStack() as stack:
        started = time.monotonic()
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _prepare(folder)
        report = _train_and_compare(seed, folder, quiet=json)
        report["recommendations"] = _recommend_in_new_process(folder, report["example_id"], json)
        report["seconds"] = round(time.monotonic() - started, 1)
        if json:
            say_json(report)
            return
        say(f"All of this took {report['seconds']:.0f} seconds.")
        if keep is not None:
            say(f"The model and its CSV files are in {keep}.")


def _prepare(folder: Path) -> None:
    make_folder(folder, "demo")
    for name in _FILES:
        check_writable(folder / name, overwrite=False)


def _train_and_compare(seed: int, folder: Path, quiet: bool) -> dict[str, Any]:
    from reciperec_layers.cli.training_data import Split
    from reciperec_layers.cli.training_options import TrainingOptions
    from reciperec_layers.cli.training_run import accuracies_of, train_model
    from reciperec_layers.data import split_by_time, synthetic_recipes
    from reciperec_layers.evaluation.rankings import Rankings

    data = synthetic_recipes(seed)
    train, test = split_by_time(data.interactions, "time", test_fraction=0.2)
    for name, frame in zip(_FILES, (train, test, data.recipes), strict=False):
        write_beside(folder / name, partial(frame.to_csv, index=False), overwrite=False)
    split = Split(train, test, data.recipes, "user_id", "recipe_id", ("recipe_name", "cuisine"))
    if not quiet:
        say(f"{len(data.user_ids):,} made-up users, {len(data.recipes):,} recipes; {len(train):,} training rows.")
    model, _ = train_model(split, TrainingOptions(seed=seed), folder / _FILES[-1])
    accuracies = accuracies_of(Rankings(model, test, train, batch_size=256))
    report: dict[str, Any] = {
        "num_train_rows": len(train),
        "num_test_rows": len(test),
        "metrics": accuracies.by_name() | {"best possible": _best_possible(data, split)},
        "half_life_days": accuracies.half_life_days,
        "verdict": accuracies.verdict(),
        "example_id": int(test["user_id"].iloc[0]),
    }
    key = accuracy_key(10)
    report["share_of_best"] = accuracies.model[key] / report["metrics"]["best possible"][key]
    if not quiet:
        say(f"Share of the {len(test):,} later rows whose recipe is among the k best the user has not had yet:")
        say()
        say_accuracies(report["metrics"])
        say()
        say(report["verdict"])
        say(f"That is {report['share_of_best']:.0%} of the best possible accuracy, given how the data were generated.")
        say()
    return report


def _best_possible(data: SyntheticRecipes, split: Any) -> dict[str, float]:
    return {accuracy_key(k): data.best_recall(split.train, split.test, k) for k in KS}


def _recommend_in_new_process(folder: Path, query: int, json: bool) -> Any:
    """Loads the model and recommends in a new process; returns its JSON document, or prints its output."""
    import reciperec_layers

    command = [sys.executable, "-m", "reciperec_layers.cli", "recommend", str(folder / _FILES[-1]), f"--id={query}"]
    command += ["-k", "5", "--interactions", str(folder / _FILES[0])]
    # So that a checkout that is not installed is found as well.
    package = str(Path(reciperec_layers.__file__).parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    finished = subprocess.run(
        [*command, *(["--json"] if json else [])],
        env=os.environ | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if finished.returncode:
        last_line = finished.stderr.strip().splitlines()[-1:]
        problem = f"the new process failed: {' '.join(last_line)}"
        raise ModelFileError(explain("demo", problem, exit_code=finished.returncode, fix="Report this"))
    if json:
        return json_module.loads(finished.stdout)
    say("Saved, and loaded in a new process:")
    say()
    for line in finished.stdout.splitlines():
        say(line)
    return None
