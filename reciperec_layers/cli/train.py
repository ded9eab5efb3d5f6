"""`reciperec train`: from two CSV files to a saved model, compared with the popularity baselines."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reciperec_layers.cli.inputs import column_of_ids
from reciperec_layers.cli.knowledge_texts import text_of_shares
from reciperec_layers.cli.option_groups import with_groups
from reciperec_layers.cli.options import DataOptions, Debug, Imports, Json, ModelOptions
from reciperec_layers.cli.output import reported_errors, say, say_json
from reciperec_layers.cli.tables import SEEN_LEFT_OUT, say_accuracies
from reciperec_layers.cli.training_data import Split, read_split
from reciperec_layers.cli.user_modules import import_modules
from reciperec_layers.errors import ArgumentError, OutputError, OutputExistsError, explain

if TYPE_CHECKING:
    from reciperec_layers.cli.training_run import Accuracies
    from reciperec_layers.models import RetrievalModel


@with_groups
def train(
    *,
    out: Annotated[Path, typer.Option(help="File to save the model to; must end with .keras.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a run that was interrupted.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(metavar="MODEL.yaml", help="Options of the model and its training; those given here win."),
    ] = None,
    data: DataOptions,
    keep_queries: Annotated[
        bool | None, typer.Option("--keep-queries", help="Store what is known of queries in the model's file.")
    ] = None,
    name_column: Annotated[
        list[str] | None,
        typer.Option(help="Corpus column to show with recommendations; by convention recipe_name, name, title."),
    ] = None,
    query_tower: Annotated[str | None, typer.Option(help="Query tower, see `reciperec towers`. [feature]")] = None,
    candidate_tower: Annotated[
        str | None, typer.Option(help="Candidate tower, see `reciperec towers`. [feature]")
    ] = None,
    index: Annotated[
        str | None, typer.Option(help="Index that finds recommendations, see `reciperec indexes`. [brute_force]")
    ] = None,
    shared: ModelOptions,
    explain_columns: Annotated[
        bool, typer.Option("--explain", help="Print how each column is read, or why it is left out.")
    ] = False,
    imports: Imports = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a model on two CSV files, compare it with popularity, also of late if there are times, and save it."""
    with reported_errors(debug):
        import_modules(imports)
        from reciperec_layers.cli.training_options import TrainingOptions

        given = {
            **asdict(shared),
            "query_tower": query_tower,
            "candidate_tower": candidate_tower,
            "time": data.time,
            "keep_queries": keep_queries,
            "index": index,
            "seed": data.seed,
        }
        options = TrainingOptions.resolve(config, given)
        _check_output(out, overwrite, resume)
        parts = read_split(replace(data, time=options.named_time), options.seed, name_column or ())

        from reciperec_layers.cli.checkpoints import existing_checkpoints
        from reciperec_layers.cli.tower_columns import (
            as_records,
            columns_left_out,
            columns_read,
            proposals_of,
            say_columns,
        )
        from reciperec_layers.cli.training_run import accuracies_of, train_model
        from reciperec_layers.evaluation.rankings import Rankings
        from reciperec_layers.evaluation.signs_of_illness import symptoms_of

        try:
            model, choice = train_model(parts, options, out, overwrite, resume)
        except BaseException as error:
            may_go_on = isinstance(error, (KeyboardInterrupt, OSError)) and not isinstance(error, OutputExistsError)
            if may_go_on and existing_checkpoints(out):
                error.add_note("Go on with --resume.")
            elif isinstance(error, OutputExistsError):
                error.add_note("Replace the file by it with --resume --overwrite.")
            raise
        rankings = Rankings(
            model, parts.test, parts.train, parts.query, exclude_seen=data.exclude_seen, time=options.named_time
        )
        accuracies = accuracies_of(rankings)
        proposals = proposals_of(model, parts, options)
        left_out = columns_left_out(model, proposals)
        report = _report(parts, accuracies) | {
            "seen_left_out": data.exclude_seen,
            "reads": columns_read(model),
            "left_out": left_out,
            "columns": as_records(proposals),
            "query_knowledge": rankings.query_shares,
            "symptoms": symptoms_of(rankings),
            "chosen": asdict(choice),
            "saved": str(out),
            "next_command": _next_command(model, out, data, parts, options.keep_queries, imports),
        }
        if json:
            say_json(report)
            return
        if explain_columns:
            for of_side in proposals.values():
                for line in str(of_side).splitlines():
                    say(line)
                say()
        _say_report(report, accuracies, say_columns(model, left_out))


def _check_output(out: Path, overwrite: bool, resume: bool) -> None:
    from reciperec_layers.cli.checkpoints import checkpoint_path
    from reciperec_layers.cli.training_run import check_output

    if out.suffix != ".keras":
        fix = f"Use for example --out {out.stem or 'model'}.keras"
        raise ArgumentError(explain("train", "the file of a model must end with .keras", out=out, fix=fix))
    try:
        check_output(out, overwrite, resume)
    except OutputExistsError as error:
        if out.exists():
            error.add_note("Replace it with --overwrite.")
        else:
            checkpoint = checkpoint_path(out).name
            note = "is of a run that was interrupted: go on from it with --resume, or begin again with --overwrite."
            error.add_note(f"{checkpoint} {note}")
        raise
    except OutputError as error:
        raise ArgumentError(str(error)) from error  # nothing is written yet, so this is wrong use


def _next_command(
    model: RetrievalModel,
    out: Path,
    data: DataOptions,
    parts: Split,
    has_queries: bool,
    imports: list[str] | None,
) -> str:
    """Returns a command that recommends with the trained model, which works as it stands."""
    words = ["reciperec", "recommend", str(out)]
    of_ids = column_of_ids(model)
    if of_ids is None or of_ids not in parts.train:
        words += ["--queries", str(data.interactions), "--query-id", parts.query]
    else:
        words += [f"--id={parts.train[of_ids].iloc[0]}"]
        if data.queries is not None and not has_queries:
            words += ["--queries", str(data.queries)]
    if of_ids in (None, parts.query):
        words += ["--interactions", str(data.interactions)]
    words += ["--sep", data.sep] if data.sep is not None else []
    return shlex.join([*words, *(word for module in imports or () for word in ("--import", module))])


def _report(parts: Split, accuracies: Accuracies) -> dict[str, Any]:
    return {
        "split": parts.policy.value,
        "num_train_rows": len(parts.train),
        "num_test_rows": len(parts.test),
        "num_candidates": len(parts.candidates),
        "unknown_query_share": parts.unknown_query_share,
        "num_unknown_candidates": accuracies.num_unknown,
        "num_seen_candidates": accuracies.num_seen,
        "metrics": accuracies.by_name(),
        "half_life_days": accuracies.half_life_days,
        "verdict": accuracies.verdict(),
    }


def _say_report(report: dict[str, Any], accuracies: Accuracies, columns: str) -> None:
    say(
        f"{report['num_train_rows']:,} training and {report['num_test_rows']:,} test rows (split: {report['split']}), "
        f"{report['num_candidates']:,} candidates."
    )
    say(f"{report['unknown_query_share']:.0%} of the test rows have a query that does not occur in the training rows.")
    say(columns)
    if accuracies.num_unknown:
        say(f"{accuracies.num_unknown:,} test rows have a candidate outside of the corpus; they are misses.")
    if report["query_knowledge"] is not None:
        say(text_of_shares(report["query_knowledge"], "test rows"))
    say(_choice_text(report["chosen"]))
    if report["seen_left_out"]:
        say(SEEN_LEFT_OUT)
        if accuracies.num_seen:
            say(f"{accuracies.num_seen:,} test rows have a candidate that was already seen; they are misses.")
    say("Share of the test rows whose candidate is among the k best:")
    say()
    say_accuracies(accuracies.by_name())
    say()
    say(report["verdict"])
    for sentence in report["symptoms"]:
        say(sentence)
    say(f"Saved to {report['saved']}. Next:")
    say(f"  {report['next_command']}")


def _choice_text(chosen: dict[str, Any]) -> str:
    epochs = "1 epoch" if chosen["epochs"] == 1 else f"{chosen['epochs']} epochs"
    temperature = "" if chosen["temperature"] is None else f" with temperature {chosen['temperature']:g}"
    if not chosen["num_held_out"]:
        return f"Trained for {epochs}."
    if not chosen["epochs"]:
        epochs, temperature = "no epoch", ", since none ranked them clearly better than popularity does"
    return f"Trained for {epochs}{temperature}: chosen on {chosen['num_held_out']:,} held-out training rows."
