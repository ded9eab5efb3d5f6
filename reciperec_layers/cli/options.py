"""Options shared by several commands."""

from __future__ import annotations

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
