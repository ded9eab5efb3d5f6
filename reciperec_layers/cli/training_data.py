"""The data of a training run: tables read from files, test rows held out, and what describes queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reciperec_layers.cli.inputs import in_corpus, leading_zeros, require_candidates
from reciperec_layers.cli.options import DataOptions, SplitBy, UnknownCandidatesPolicy
from reciperec_layers.columns.names import NAME_COLUMNS, TIME_COLUMNS, find_column, require_column
from reciperec_layers.errors import ArgumentError, ColumnError, IdError, describe_ids, explain
from reciperec_layers.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd

    from reciperec_layers.data import Tables


@dataclass(frozen=True)
class Split:
    """Training and test rows, the corpus, and the names of their columns.

    Args:
        train: Training interactions, whose candidates are in the corpus.
        test: Held-out interactions.
        candidates: The corpus.
        query: Column of query ids.
        candidate: Column of candidate ids, in all three frames.
        names: Corpus columns to keep in the model and to show with recommendations.
        queries: Table of queries, unique by `query`, or `None`.
        policy: How test rows were held out.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    candidates: pd.DataFrame
    query: str
    candidate: str
    names: tuple[str, ...] = ()
    queries: pd.DataFrame | None = None
    policy: SplitBy = SplitBy.TIME

    @property
    def unknown_query_share(self) -> float:
        """Share of test rows whose query does not occur in training, in [0, 1]."""
        return float(np.mean(~self.test[self.query].isin(self.train[self.query].unique())))


def read_split(options: DataOptions, seed: int, name_columns: Sequence[str] = ()) -> Split:
    """Returns training rows, whose candidates are in the corpus, test rows, the corpus and the table of queries.

    Args:
        options: Which files, and how to hold out test rows.
        seed: Seed of a random split.
        name_columns: Corpus columns to show with recommendations; by default one with a conventional name.

    Raises:
        ArgumentError: A file cannot be read, options contradict each other, or nothing is left to train on.
        ColumnError: A column is missing.
        IdError: An id is missing, repeats, or is unknown.
    """
    tables = _read_tables(options)
    policy, (train, test) = _split_rows(tables, options, seed)
    owner, candidates, column = options.candidates.name, tables.candidates, tables.candidate
    _require_unique(candidates[column], owner)
    corpus = Vocabulary(candidates[column])
    if options.unknown_candidates is UnknownCandidatesPolicy.ERROR:
        require_candidates(tables.interactions, column, corpus, "interactions")
    train = train[in_corpus(train, column, corpus)]
    if train.empty:
        problem = f"none of the candidates in column {column!r} of the training rows is in the corpus"
        cause = leading_zeros(tables.interactions[column].unique(), corpus)
        raise ArgumentError(explain("interactions", problem, fix=cause or "Check that both files use the same ids"))
    queries = None if options.queries is None else _read_queries(options.queries, tables.query, options.sep)
    if queries is not None:
        train, test, queries = _with_ids_of_one_type(tables.query, train, test, queries)
    names = _find_names(candidates, name_columns, owner)
    # Names may be missing; ids may not, and have been checked by now.
    shown = {name: candidates[name].astype(object).where(candidates[name].notna(), "").map(str) for name in names}
    return Split(train, test, candidates.assign(**shown), tables.query, column, names, queries, policy)


def _read_tables(options: DataOptions) -> Tables:
    from reciperec_layers.data import read_tables

    try:
        return read_tables(
            options.interactions,
            options.candidates,
            query=options.query_id,
            candidate=options.candidate_id,
            candidates_id_column=options.candidates_id_column,
            sep=options.sep,
        )
    except ColumnError as error:
        error.add_note("Name the columns with --query-id, --candidate-id and --candidates-id-column.")
        raise


def _split_rows(tables: Tables, options: DataOptions, seed: int) -> tuple[SplitBy, tuple[pd.DataFrame, pd.DataFrame]]:
    """Returns how test rows were held out, the training rows and the test rows."""
    from reciperec_layers.data import split_by_time, split_leave_last_out, split_random

    frame, split, time = tables.interactions, options.split, options.time
    has_sizes = options.train_size is not None or options.test_size is not None
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
        sizes = {"test_size": options.test_size, "train_size": options.train_size}
        return split, split_random(frame, options.test_fraction, seed=seed, **sizes)
    if split is SplitBy.TIME:
        assert time is not None
        return split, split_by_time(frame, time, options.test_fraction)
    return split, split_leave_last_out(frame, tables.query, time)


def _find_time(frame: pd.DataFrame, required: bool) -> str | None:
    try:
        return find_column(frame.columns, TIME_COLUMNS, owner="interactions")
    except ColumnError as error:
        error.add_note("Name it with --time.")
        if required:
            raise
        return None


def _read_queries(path: Path, query: str, sep: str | None) -> pd.DataFrame:
    """Returns a table of queries with ids as text."""
    from reciperec_layers.data.frames import read_csv_text_ids

    frame = read_csv_text_ids(path, [query], sep=sep)
    _require_unique(frame[query], path.name)
    return frame


def _require_unique(ids: pd.Series, owner: str) -> None:
    """Checks that no two rows of a table have one id."""
    repeats = ids[ids.duplicated()]
    if len(repeats):
        problem = f"{len(repeats)} of {len(ids)} ids are repeats: {describe_ids(repeats.unique())}"
        raise IdError(explain(f"{owner}: column {str(ids.name)!r}", problem, fix="Keep one row for each id"))


def _with_ids_of_one_type(query: str, *frames: pd.DataFrame) -> list[pd.DataFrame]:
    """Returns frames whose query ids are integers if all of all frames are, as Python writes them, else text."""
    import pandas as pd

    from reciperec_layers.data.frames import ids_from_text

    texts = [frame[query].map(str) for frame in frames]
    ids = ids_from_text(pd.concat(texts, ignore_index=True)).to_numpy()
    ends = np.cumsum([len(frame) for frame in frames])[:-1]
    return [frame.assign(**{query: each}) for frame, each in zip(frames, np.split(ids, ends), strict=True)]


def _find_names(candidates: pd.DataFrame, given: Sequence[str], owner: str) -> tuple[str, ...]:
    if given:
        return tuple(require_column(candidates.columns, name, owner) for name in dict.fromkeys(given))
    try:
        return (find_column(candidates.columns, NAME_COLUMNS),)
    except ColumnError:
        return ()
