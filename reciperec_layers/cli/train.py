"""`reciperec train`: from two CSV files to a saved model, compared with the popularity baselines."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reciperec_layers.cli.inputs import in_corpus, leading_zeros, require_candidates
from reciperec_layers.cli.knowledge_texts import text_of_shares
from reciperec_layers.cli.options import (
    Debug,
    Imports,
    InteractionsPath,
    Json,
    Sep,
    UnknownCandidates,
    UnknownCandidatesPolicy,
)
from reciperec_layers.cli.output import reported_errors, say, say_json
from reciperec_layers.cli.tables import say_accuracies
from reciperec_layers.cli.user_modules import import_modules
from reciperec_layers.columns.names import NAME_COLUMNS, TIME_COLUMNS, find_column, require_column
from reciperec_layers.errors import (
    ArgumentError,
    ColumnError,
    IdError,
    OutputError,
    OutputExistsError,
    explain,
)
from reciperec_layers.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd

    from reciperec_layers.cli.training_run import Accuracies, Split
    from reciperec_layers.data import Tables
    from reciperec_layers.models import RetrievalModel


class SplitBy(StrEnum):
    """How test rows are held out."""

    TIME = "time"
    RANDOM = "random"
    LEAVE_LAST_OUT = "leave-last-out"


def train(
    interactions: InteractionsPath,
    candidates: Annotated[Path, typer.Argument(metavar="CANDIDATES.csv", help="The corpus, one row per candidate.")],
    out: Annotated[Path, typer.Option(help="File to save the model to; must end with .keras.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a run that was interrupted.")
    ] = False,
    query_id: Annotated[str | None, typer.Option(help="Column of query ids; by convention user_id.")] = None,
    candidate_id: Annotated[
        str | None, typer.Option(help="Column of candidate ids; by convention recipe_id, item_id or movie_id.")
    ] = None,
    candidates_id_column: Annotated[
        str | None,
        typer.Option(help="Column of ids in CANDIDATES.csv if it is another; by convention the same, else id."),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Column of times; by convention dateLastModified, timestamp, time, date ...")
    ] = None,
    name_column: Annotated[
        list[str] | None,
        typer.Option(help="Corpus column to show with recommendations; by convention recipe_name, name, title."),
    ] = None,
    split: Annotated[
        SplitBy | None,
        typer.Option(help="How to hold out test rows; by default by time if there are times, else random."),
    ] = None,
    test_fraction: Annotated[float, typer.Option(help="Share of rows to test on.")] = 0.2,
    train_size: Annotated[int | None, typer.Option(help="Number of random rows to train on.")] = None,
    test_size: Annotated[int | None, typer.Option(help="Number of random rows to test on.")] = None,
    query_tower: Annotated[str, typer.Option(help="Query tower, see `reciperec towers`.")] = "id",
    candidate_tower: Annotated[str, typer.Option(help="Candidate tower, see `reciperec towers`.")] = "id",
    index: Annotated[
        str, typer.Option(help="Index that finds recommendations, see `reciperec indexes`.")
    ] = "brute_force",
    embedding_dim: Annotated[int, typer.Option(help="Size of the embeddings.")] = 32,
    epochs: Annotated[int, typer.Option(min=1, help="Number of passes over the training rows.")] = 3,
    batch_size: Annotated[int, typer.Option(help="Rows per batch.")] = 256,
    learning_rate: Annotated[float, typer.Option(help="Learning rate of Adagrad.")] = 0.1,
    temperature: Annotated[float, typer.Option(help="Divides the scores in the loss.")] = 1.0,
    sampling_correction: Annotated[
        bool, typer.Option(help="Correct the loss for how often candidates occur, so that popular ones stay popular.")
    ] = True,
    id_dropout: Annotated[
        float, typer.Option(help="Share of query ids that id towers treat as unknown in training.")
    ] = 0.1,
    unknown_candidates: UnknownCandidates = UnknownCandidatesPolicy.ERROR,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split, the weights and the row order.")] = 42,
    sep: Sep = None,
    imports: Imports = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a model on two CSV files, compare it with popularity, also of late if there are times, and save it."""
    with reported_errors(debug):
        import_modules(imports)
        _check_output(out, overwrite, resume)
        tables = _read_tables(interactions, candidates, query_id, candidate_id, candidates_id_column, sep)
        policy, rows = _split_rows(tables, split, time, test_fraction, train_size, test_size, seed)
        parts = _make_split(tables, *rows, name_column, unknown_candidates, candidates.name)

        from reciperec_layers.cli.checkpoints import existing_checkpoints
        from reciperec_layers.cli.training_run import TrainingOptions, accuracies_of, train_model
        from reciperec_layers.evaluation.rankings import Rankings

        options = TrainingOptions(
            query_tower=query_tower,
            candidate_tower=candidate_tower,
            index=index,
            embedding_dim=embedding_dim,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            temperature=temperature,
            sampling_correction=sampling_correction,
            id_dropout=id_dropout,
            seed=seed,
        )
        try:
            model = train_model(parts, options, out, overwrite, resume)
        except BaseException as error:
            may_go_on = isinstance(error, (KeyboardInterrupt, OSError)) and not isinstance(error, OutputExistsError)
            if may_go_on and existing_checkpoints(out):
                error.add_note("Go on with --resume.")
            elif isinstance(error, OutputExistsError):
                error.add_note("Replace the file by it with --resume --overwrite.")
            raise
        rankings = Rankings(
            model, parts.test, parts.train, parts.query, exclude_seen=False, batch_size=batch_size, time=time
        )
        accuracies = accuracies_of(rankings)
        command = _next_command(model, out, interactions, parts, sep, imports)
        report = _report(parts, policy, accuracies) | {"saved": str(out), "next_command": command}
        report["query_knowledge"] = rankings.query_shares
        say_json(report) if json else _say_report(report, accuracies)


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


def _read_tables(
    interactions: Path,
    candidates: Path,
    query_id: str | None,
    candidate_id: str | None,
    candidates_id_column: str | None,
    sep: str | None,
) -> Tables:
    from reciperec_layers.data import read_tables

    names = {"query": query_id, "candidate": candidate_id, "candidates_id_column": candidates_id_column}
    try:
        return read_tables(interactions, candidates, **names, sep=sep)
    except ColumnError as error:
        error.add_note("Name the columns with --query-id, --candidate-id and --candidates-id-column.")
        raise


def _split_rows(
    tables: Tables,
    split: SplitBy | None,
    time: str | None,
    test_fraction: float,
    train_size: int | None,
    test_size: int | None,
    seed: int,
) -> tuple[SplitBy, tuple[pd.DataFrame, pd.DataFrame]]:
    """Returns how test rows were held out, the training rows and the test rows."""
    from reciperec_layers.data import split_by_time, split_leave_last_out, split_random

    frame = tables.interactions
    has_sizes = train_size is not None or test_size is not None
    if has_sizes and split not in (None, SplitBy.RANDOM):
        fix = "Use --split random, or --test-fraction instead"
        problem = "--train-size and --test-size need a random split"
        raise ArgumentError(explain("train", problem, split=str(split), fix=fix))
    if time is not None:
        require_column(frame.columns, time, "interactions")
    elif not has_sizes and split is not SplitBy.RANDOM:
        time = _find_time(frame, required=split is SplitBy.TIME)
    if split is None:
        split = SplitBy.RANDOM if has_sizes or time is None else SplitBy.TIME
    if split is SplitBy.RANDOM:
        sizes = {"test_size": test_size, "train_size": train_size}
        return split, split_random(frame, test_fraction, seed=seed, **sizes)
    if split is SplitBy.TIME:
        assert time is not None
        return split, split_by_time(frame, time, test_fraction)
    return split, split_leave_last_out(frame, tables.query, time)


def _find_time(frame: pd.DataFrame, required: bool) -> str | None:
    try:
        return find_column(frame.columns, TIME_COLUMNS, owner="interactions")
    except ColumnError as error:
        error.add_note("Name it with --time.")
        if required:
            raise
        return None


def _make_split(
    tables: Tables,
    train: pd.DataFrame,
    test: pd.DataFrame,
    name_columns: list[str] | None,
    unknown_candidates: UnknownCandidatesPolicy,
    owner: str,
) -> Split:
    """Returns the split data. All candidates of the training rows are in the corpus."""
    from reciperec_layers.cli.training_run import Split

    candidates, column = tables.candidates, tables.candidate
    try:
        corpus = Vocabulary(candidates[column])
    except IdError as error:
        raise IdError(f"{owner}: column {column!r}: {error}") from error
    if unknown_candidates is UnknownCandidatesPolicy.ERROR:
        require_candidates(tables.interactions, column, corpus, "interactions")
    train = train[in_corpus(train, column, corpus)]
    if train.empty:
        problem = f"none of the candidates in column {column!r} of the training rows is in the corpus"
        cause = leading_zeros(tables.interactions[column].unique(), corpus)
        raise ArgumentError(explain("interactions", problem, fix=cause or "Check that both files use the same ids"))
    names = _find_names(candidates, name_columns, owner)
    # Names may be missing; ids may not, and have been checked by now.
    shown = {name: candidates[name].astype(object).where(candidates[name].notna(), "").map(str) for name in names}
    return Split(train, test, candidates.assign(**shown), tables.query, column, names)


def _next_command(
    model: RetrievalModel, out: Path, interactions: Path, parts: Split, sep: str | None, imports: list[str] | None
) -> str:
    """Returns a command that recommends with the trained model, which works as it stands."""
    words = ["reciperec", "recommend", str(out)]
    if len(model.query_columns) > 1:
        words += ["--queries", str(interactions), "--query-id", parts.query]
    else:
        words += [f"--id={parts.train[model.query_columns[0]].iloc[0]}"]
    if len(model.query_columns) > 1 or parts.query in model.query_columns:
        words += ["--interactions", str(interactions)]
    words += ["--sep", sep] if sep is not None else []
    return shlex.join([*words, *(word for module in imports or () for word in ("--import", module))])


def _find_names(candidates: pd.DataFrame, given: list[str] | None, owner: str) -> tuple[str, ...]:
    if given:
        return tuple(require_column(candidates.columns, name, owner) for name in dict.fromkeys(given))
    try:
        return (find_column(candidates.columns, NAME_COLUMNS),)
    except ColumnError:
        return ()


def _report(parts: Split, policy: SplitBy, accuracies: Accuracies) -> dict[str, Any]:
    return {
        "split": policy.value,
        "num_train_rows": len(parts.train),
        "num_test_rows": len(parts.test),
        "num_candidates": len(parts.candidates),
        "unknown_query_share": parts.unknown_query_share,
        "num_unknown_candidates": accuracies.num_unknown,
        "metrics": accuracies.by_name(),
        "half_life_days": accuracies.half_life_days,
        "verdict": accuracies.verdict(),
    }


def _say_report(report: dict[str, Any], accuracies: Accuracies) -> None:
    say(
        f"{report['num_train_rows']:,} training and {report['num_test_rows']:,} test rows (split: {report['split']}), "
        f"{report['num_candidates']:,} candidates."
    )
    say(f"{report['unknown_query_share']:.0%} of the test rows have a query that does not occur in the training rows.")
    if accuracies.num_unknown:
        say(f"{accuracies.num_unknown:,} test rows have a candidate outside of the corpus; they are misses.")
    if report["query_knowledge"] is not None:
        say(text_of_shares(report["query_knowledge"]))
    say("Share of the test rows whose candidate is among the k best:")
    say()
    say_accuracies(accuracies.by_name())
    say()
    say(report["verdict"])
    say(f"Saved to {report['saved']}. Next:")
    say(f"  {report['next_command']}")
