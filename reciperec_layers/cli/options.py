"""Options of the commands, each declared once, and the groups of them that commands share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else, to standard output.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL.keras", help="Model saved by `reciperec train`.")]
InteractionsPath = Annotated[
    Path, typer.Argument(metavar="INTERACTIONS.csv", help="One row for each pair of a query and its candidate.")
]
CandidatesPath = Annotated[Path, typer.Argument(metavar="CANDIDATES.csv", help="The corpus, one row per candidate.")]


class SplitBy(StrEnum):
    """How test rows are held out."""

    TIME = "time"
    RANDOM = "random"
    LEAVE_LAST_OUT = "leave-last-out"


class UnknownCandidatesPolicy(StrEnum):
    """How to treat interactions with candidates outside the corpus."""

    ERROR = "error"
    MISS = "miss"


UnknownCandidates = Annotated[
    UnknownCandidatesPolicy,
    typer.Option(
        help="How to treat candidates outside the corpus: as an error, or as misses, which training leaves out."
    ),
]

Sep = Annotated[
    str | None,
    typer.Option(
        "--sep",
        metavar="CHARACTER",
        help="What separates the fields of CSV files; by default the comma, tab, semicolon or pipe that they have.",
    ),
]
Imports = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="MODULE",
        help="Python module to import first, also from the working folder, for towers of your own; repeat for more.",
    ),
]
QueryId = Annotated[
    str | None,
    typer.Option(help="Column that says which query a row is of; by default the model's, else user_id."),
]


# Options of `train` and `compare`. Those of models have no default here: a config file may say something else.
TrainingQueryId = Annotated[str | None, typer.Option("--query-id", help="Column of query ids; by convention user_id.")]
CandidateId = Annotated[
    str | None, typer.Option(help="Column of candidate ids; by convention recipe_id, item_id or movie_id.")
]
CandidatesIdColumn = Annotated[
    str | None,
    typer.Option(help="Column of ids in CANDIDATES.csv if it is another; by convention the same, else id."),
]
Queries = Annotated[
    Path | None,
    typer.Option(metavar="QUERIES.csv", help="What is known of queries, one row per id, such as the age of users."),
]
Yardsticks = Annotated[
    bool,
    typer.Option("--yardsticks", help="Also compare with item-kNN, EASE and ALS on the same rows (extra `baselines`)."),
]
Time = Annotated[
    str | None,
    typer.Option(
        help="Column of times, to split by and for popularity that drifts; by convention dateLastModified, timestamp, "
        "time, date ..."
    ),
]
SplitPolicy = Annotated[
    SplitBy | None,
    typer.Option(help="How to hold out test rows; by default by time if there are times, else random."),
]
TestFraction = Annotated[float, typer.Option(help="Share of rows to test on.")]
TrainSize = Annotated[int | None, typer.Option(help="Number of random rows to train on.")]
TestSize = Annotated[int | None, typer.Option(help="Number of random rows to test on.")]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,C", help="Columns that the towers read beside the ids; by default all that are fit to be read."
    ),
]
LeaveOut = Annotated[str | None, typer.Option(metavar="A,B", help="Columns that are not read.")]
Prior = Annotated[
    str | None,
    typer.Option(help="popularity: the model starts at it, and drifts with time; none: it does not. [popularity]"),
]
EmbeddingDim = Annotated[int | None, typer.Option(help="Size of the embeddings. [32]")]
Loss = Annotated[
    str | None,
    typer.Option(
        help="corpus_softmax: against all candidates; in_batch_softmax: against those of the batch. [by their number]"
    ),
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Passes over the training rows; by default chosen on held-out ones.")
]
BatchSize = Annotated[
    int | None, typer.Option(help="Queries of a batch; with in_batch_softmax rows. [by their number]")
]
LearningRate = Annotated[float | None, typer.Option(help="Learning rate of Adam, which falls to 0. [0.01]")]
Temperature = Annotated[float | None, typer.Option(help="Divides the scores in the loss; by default chosen too.")]
SamplingCorrection = Annotated[
    bool | None,
    typer.Option(
        "--sampling-correction/--no-sampling-correction",
        help="With --loss in_batch_softmax: correct for how often candidates occur. [yes]",
    ),
]
ExcludeSeen = Annotated[
    bool,
    typer.Option(
        "--exclude-seen",
        help="Leave the candidates that a query had in training out of its ranking, as papers do; a test row of one is "
        "then a miss.",
    ),
]
IdDropout = Annotated[
    float | None, typer.Option(help="Share of ids that towers treat as unknown in training. [0.1 where it helps]")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of the split, the weights and the row order. [42]")]


@dataclass(frozen=True)
class ModelOptions:
    """Options of a model and its training that `train` and `compare` share; `None` for those that are not given.

    What they mean is in `TrainingOptions`, which has the defaults.

    Example:
        >>> ModelOptions(epochs=5).epochs
        5
    """

    columns: Columns = None
    leave_out: LeaveOut = None
    prior: Prior = None
    embedding_dim: EmbeddingDim = None
    loss: Loss = None
    epochs: Epochs = None
    batch_size: BatchSize = None
    learning_rate: LearningRate = None
    temperature: Temperature = None
    sampling_correction: SamplingCorrection = None
    id_dropout: IdDropout = None


@dataclass(frozen=True)
class DataOptions:
    """Which files `train` and `compare` read, and how they hold out test rows.

    Args:
        interactions: File of interactions.
        candidates: File of candidates.
        query_id: Column of query ids; by convention if `None`, as all columns.
        candidate_id: Column of candidate ids.
        candidates_id_column: Column of ids in the file of candidates.
        queries: File of queries, or `None`.
        time: Column of times.
        split: How to hold out test rows.
        test_fraction: Share of rows to test on.
        train_size: Number of random rows to train on.
        test_size: Number of random rows to test on.
        unknown_candidates: How to treat candidates outside the corpus.
        seed: Seed of a random split, and of all else that is random; `None` where it is not given.
        sep: What separates the fields of the files.
        exclude_seen: Whether the training candidates of a query are left out of its ranking.

    Example:
        >>> DataOptions(Path("interactions.csv"), Path("recipes.csv")).test_fraction
        0.2
    """

    interactions: InteractionsPath
    candidates: CandidatesPath
    query_id: TrainingQueryId = None
    candidate_id: CandidateId = None
    candidates_id_column: CandidatesIdColumn = None
    queries: Queries = None
    time: Time = None
    split: SplitPolicy = None
    test_fraction: TestFraction = 0.2
    train_size: TrainSize = None
    test_size: TestSize = None
    unknown_candidates: UnknownCandidates = UnknownCandidatesPolicy.ERROR
    seed: Seed = None
    sep: Sep = None
    exclude_seen: ExcludeSeen = False
