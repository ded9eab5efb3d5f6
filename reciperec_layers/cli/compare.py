"""`reciperec compare`: several models trained on the same rows, in one table."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reciperec_layers.cli.option_groups import with_groups
from reciperec_layers.cli.options import DataOptions, Debug, Imports, Json, ModelOptions, Yardsticks
from reciperec_layers.cli.output import plain, reported_errors, say, say_json
from reciperec_layers.cli.tables import KS, SEEN_LEFT_OUT, accuracy_key, say_table, shown
from reciperec_layers.cli.training_data import Split, read_split
from reciperec_layers.cli.user_modules import import_modules
from reciperec_layers.errors import ArgumentError, ReciperecError, explain

if TYPE_CHECKING:
    from reciperec_layers.cli.training_options import TrainingOptions
    from reciperec_layers.evaluation.model_comparison import ComparedModels
    from reciperec_layers.models import RetrievalModel


@with_groups
def compare(
    data: DataOptions,
    shared: ModelOptions,
    towers: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="Towers, each for queries and candidates, see `reciperec towers`."),
    ] = None,
    config: Annotated[
        list[Path] | None,
        typer.Option(metavar="MODEL.yaml", help="Options of a model, called as the file; repeat for more."),
    ] = None,
    yardsticks: Yardsticks = False,
    seeds: Annotated[int, typer.Option(min=1, help="With how many seeds each model is trained.")] = 3,
    imports: Imports = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train several models on the same rows, each with several seeds, and print them beside popularity in one table."""
    with reported_errors(debug):
        import_modules(imports)
        options = _options_of_models(towers, config or [], {**asdict(shared), "time": data.time})
        first_seed = 42 if data.seed is None else data.seed
        time = None if data.time == "none" else data.time
        parts = read_split(replace(data, time=time), first_seed)
        _make_all(parts, options)

        from reciperec_layers.evaluation.model_comparison import compared_models
        from reciperec_layers.metrics import TopKAccuracy

        found = compared_models(
            {name: _maker(name, parts, each) for name, each in options.items()},
            parts.test,
            parts.train,
            range(first_seed, first_seed + seeds),
            [TopKAccuracy(k) for k in KS],
            parts.query,
            exclude_seen=data.exclude_seen,
            time=time,
            yardsticks="all" if yardsticks else None,
        )
        report = {"seen_left_out": data.exclude_seen} | _report(parts, found, seeds, yardsticks)
        say_json(report) if json else _say_report(report)


def _options_of_models(towers: str | None, configs: list[Path], given: dict[str, Any]) -> dict[str, TrainingOptions]:
    """Returns the options of each model by its name."""
    from reciperec_layers.cli.training_options import TrainingOptions
    from reciperec_layers.towers import TOWERS

    names = [name.strip() for name in (towers or "").split(",") if name.strip()]
    both = [*names, *(path.stem for path in configs)]
    twice = next((name for name in both if both.count(name) > 1), None)
    if twice is not None:
        fix = "Name each tower once, and give each config file a name of its own"
        raise ArgumentError(explain("compare", f"two models are called {twice!r}", fix=fix))
    if not both:
        fix = "Use for example --towers id,feature, or --config a.yaml --config b.yaml"
        raise ArgumentError(explain("compare", "it is not said which models to compare", fix=fix))
    for name in names:
        TOWERS.get(name)  # raises before anything is trained
    options = {
        name: TrainingOptions.resolve(None, {**given, "query_tower": name, "candidate_tower": name}) for name in names
    }
    return options | {path.stem: TrainingOptions.resolve(path, given) for path in configs}


def _make_all(split: Split, options: dict[str, TrainingOptions]) -> None:
    """Makes each model, before any is trained: what is wrong with the last need not wait for the others."""
    from reciperec_layers.cli.training_run import make_model

    for name, each in options.items():
        try:
            make_model(split, each)
        except ReciperecError as error:
            error.add_note(f"This is of the model {name!r}.")
            raise


def _maker(name: str, split: Split, options: TrainingOptions) -> Callable[[int], RetrievalModel]:
    """Returns a function from a seed to a trained model, which says on standard error what it is doing."""
    from reciperec_layers.cli.progress import TrainingProgress
    from reciperec_layers.cli.training_run import choose, fit, make_model

    def make(seed: int) -> RetrievalModel:
        print(plain(f"{name}, seed {seed}"), file=sys.stderr)
        seeded = replace(options, seed=seed)
        model, progress = make_model(split, seeded), TrainingProgress()
        try:
            fit(model, split, seeded, choose(model, split, seeded), [progress])
        finally:
            progress.stop()
        return model

    return make


def _report(split: Split, found: ComparedModels, num_seeds: int, yardsticks: bool) -> dict[str, Any]:
    from reciperec_layers.cli.training_run import VERDICT_K, Accuracies, difference_records

    keys = [accuracy_key(k) for k in KS]
    rows = found.table.astype(object).where(found.table.notna(), None).to_dict(orient="index")
    is_model = {name: row["num_seeds"] is not None for name, row in rows.items()}
    baselines = {name: {key: row[key] for key in keys} for name, row in rows.items() if not is_model[name]}
    half_life = found.rankings.half_life
    models = {}
    for name, row in rows.items():
        if is_model[name]:
            outcomes = found.rankings.outcomes(VERDICT_K, found.ranks[name])
            accuracies = Accuracies({key: row[key] for key in keys}, baselines, outcomes, half_life)
            models[name] = {
                "symptoms": found.symptoms[name],
                "num_parameters": row["num_parameters"],
                "seconds": row["seconds"],
                "metrics": {
                    key: {"mean": row[key], "min": row[f"{key}_min"], "max": row[f"{key}_max"]} for key in keys
                },
                "verdict": accuracies.verdict(name=name),
            }
            if yardsticks:
                ranks = found.ranks[name]
                models[name]["losses"] = found.rankings.losses(VERDICT_K, name, ranks)
                models[name]["differences"] = difference_records(found.rankings, ranks)
    return {
        "split": split.policy.value,
        "num_train_rows": len(split.train),
        "num_test_rows": len(split.test),
        "num_candidates": len(split.candidates),
        "unknown_query_share": split.unknown_query_share,
        "num_seeds": num_seeds,
        "models": models,
        "baselines": baselines,
        "baseline_seconds": found.rankings.seconds,
        "half_life_days": half_life,
    }


def _say_report(report: dict[str, Any]) -> None:
    say(
        f"{report['num_train_rows']:,} training and {report['num_test_rows']:,} test rows (split: {report['split']}), "
        f"{report['num_candidates']:,} candidates."
    )
    if report["seen_left_out"]:
        say(SEEN_LEFT_OUT)
    of_seeds = "" if report["num_seeds"] == 1 else f", mean, smallest and largest of {report['num_seeds']} seeds"
    say(f"Share of the test rows whose candidate is among the k best{of_seeds}:")
    say()
    ks = KS[:-1]  # five would be wider than 80 characters
    rows = []
    for name, model in report["models"].items():
        values = [model["metrics"][accuracy_key(k)] for k in ks]
        means = [shown(each["mean"]) for each in values]
        rows.append([name, *means, f"{model['num_parameters']:,}", f"{model['seconds']:.1f}"])
        if report["num_seeds"] > 1:
            rows += [[f"  {bound}", *(shown(each[bound]) for each in values), "", ""] for bound in ("min", "max")]
    rows += [
        [name, *(shown(values[accuracy_key(k)]) for k in ks), "", f"{report['baseline_seconds'][name]:.1f}"]
        for name, values in report["baselines"].items()
    ]
    names = ["", *(f"top-{k}" for k in ks), "parameters", "seconds"]
    say_table(names, rows, text_columns=[""])
    say()
    for name, model in report["models"].items():
        say(model["verdict"])
        for sentence in [*model.get("losses", []), *(f"{name}: {each}" for each in model["symptoms"])]:
            say(sentence)
