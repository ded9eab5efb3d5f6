"""`reciperec evaluate`: a saved model on held-out interactions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reciperec_layers.cli.inputs import (
    attach_queries,
    load_retrieval_model,
    read_interactions,
    require_candidates,
)
from reciperec_layers.cli.knowledge_texts import text_of_shares
from reciperec_layers.cli.options import (
    Debug,
    Imports,
    InteractionsPath,
    Json,
    ModelPath,
    Queries,
    QueryId,
    Sep,
    UnknownCandidates,
    UnknownCandidatesPolicy,
    Yardsticks,
)
from reciperec_layers.cli.output import reported_errors, say, say_json
from reciperec_layers.cli.tables import say_accuracies, say_table, shown
from reciperec_layers.cli.user_modules import import_modules
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.reports.evaluation_plots import prepare_plot_folder, write_plots

if TYPE_CHECKING:
    import pandas as pd


def evaluate(
    model_path: ModelPath,
    interactions: InteractionsPath,
    seen: Annotated[
        Path | None,
        typer.Option(
            metavar="TRAIN.csv",
            help="Training interactions: their pairs are left out of the ranking, and popularity in them is evaluated.",
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(help="Column of times in TRAIN.csv, for recent popularity; by convention as for `train`."),
    ] = None,
    yardsticks: Yardsticks = False,
    queries: Queries = None,
    unknown_candidates: UnknownCandidates = UnknownCandidatesPolicy.ERROR,
    batch_size: Annotated[int, typer.Option(help="Rows evaluated at once.")] = 256,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for plots of ranks, recommendations and embeddings."),
    ] = None,
    query_id: QueryId = None,
    sep: Sep = None,
    imports: Imports = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Evaluate a saved model on interactions, ranking each row against the whole corpus."""
    with reported_errors(debug):
        from reciperec_layers.cli.training_run import VERDICT_K, accuracies_of, difference_records
        from reciperec_layers.evaluation.comparison import by_segment
        from reciperec_layers.evaluation.rankings import Rankings
        from reciperec_layers.evaluation.signs_of_illness import symptoms_of

        import_modules(imports)
        if time is not None and seen is None:
            problem, fix = "--time names a column of the training interactions", "Add --seen TRAIN.csv"
            raise ArgumentError(explain("evaluate", problem, time=time, fix=fix))
        if yardsticks and seen is None:
            problem, fix = "--yardsticks learn from the training interactions", "Add --seen TRAIN.csv"
            raise ArgumentError(explain("evaluate", problem, fix=fix))
        if plots is not None:
            prepare_plot_folder(plots)
        model = load_retrieval_model(model_path)
        assert model.corpus is not None
        if queries is not None:
            attach_queries(model, queries, sep)
        test, query = read_interactions(interactions, model, sep, query_id)
        candidate = model.corpus.id_column
        if unknown_candidates is UnknownCandidatesPolicy.ERROR:
            require_candidates(test, candidate, model.corpus.vocabulary, interactions.name)
        train = None if seen is None else read_interactions(seen, model, sep, query, features=False)[0]
        rankings = Rankings(model, test, train, query, True, batch_size, time, "all" if yardsticks else None)
        accuracies = accuracies_of(rankings)
        segments = None if train is None else by_segment(rankings)
        signs = [] if train is None else symptoms_of(rankings)
        plot_paths = [] if plots is None else write_plots(plots, rankings)
        if json:
            say_json(
                {
                    "num_rows": len(test),
                    "num_candidates": len(model.corpus),
                    "seen_left_out": seen is not None,
                    "num_unknown_candidates": accuracies.num_unknown,
                    "num_seen_candidates": accuracies.num_seen,
                    "query_knowledge": rankings.query_shares,
                    "metrics": accuracies.by_name(),
                    "half_life_days": accuracies.half_life_days,
                    "verdict": accuracies.verdict() if accuracies.baselines else None,
                    "losses": rankings.losses(VERDICT_K) if yardsticks else [],
                    "symptoms": signs,
                    "differences": difference_records(rankings) if yardsticks else {},
                    "baseline_seconds": rankings.seconds,
                    "segments": [] if segments is None else _records(segments),
                    "plots": [str(path) for path in plot_paths],
                }
            )
            return
        say(f"Share of the {len(test):,} rows whose candidate is among the k best of {len(model.corpus):,}:")
        say()
        say_accuracies(accuracies.by_name(), rankings.seconds if yardsticks else None)
        say()
        if rankings.query_shares is not None:
            say(text_of_shares(rankings.query_shares, "rows"))
        if accuracies.num_unknown:
            say(f"{accuracies.num_unknown:,} rows have a candidate outside of the corpus; they are misses.")
        if not accuracies.baselines:
            say("Candidates seen in training are not left out; --seen TRAIN.csv leaves them out and adds popularity.")
        else:
            say(f"Candidates seen in {seen} were left out of the ranking.")
            if accuracies.num_seen:
                say(f"{accuracies.num_seen:,} rows have a candidate that was already seen; they are misses.")
            say(accuracies.verdict())
            for sentence in [*(rankings.losses(VERDICT_K) if yardsticks else []), *signs]:
                say(sentence)
        if segments is not None:
            say()
            say("By query, with all held-out candidates of a query together; the last segments are of candidates:")
            say()
            # One table would be wider than 80 characters.
            ranked, recommended = segments.iloc[:, 2:-2], segments.iloc[:, -2:]
            say_table(["", "", "queries", *ranked.columns], _rows(ranked, segments["num_queries"]), text_columns=[""])
            say()
            say("What is recommended: share of the corpus, and mean number of training interactions:")
            say()
            say_table(["", "", *recommended.columns], _rows(recommended), text_columns=[""])
        if plot_paths:
            say()
            say(f"The plots are in {plots}: {', '.join(path.name for path in plot_paths)}.")


def _records(segments: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the rows as JSON records, with null for NaN."""
    rows = segments.reset_index().astype(object)
    return rows.where(rows.notna(), None).to_dict(orient="records")


def _rows(values: pd.DataFrame, num_queries: pd.Series | None = None) -> Iterator[list[object]]:
    """Yields the rows of a table. Each segment is named once; numbers of queries, if given, precede the values."""
    before = None
    for place, ((segment, recommender), row) in enumerate(values.iterrows()):
        is_first = segment != before
        counts = [] if num_queries is None else [f"{int(num_queries.iloc[place]):,}" if is_first else ""]
        numbers = [_number(name, value) for name, value in row.items()]
        # Shortened, so that the table fits into 80 characters.
        names = segment.removesuffix(" candidates") if is_first else "", recommender.removesuffix(" popularity")
        yield [*names, *counts, *numbers]
        before = segment


def _number(column: str, value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:,.1f}" if column.startswith("interactions@") else shown(value)
