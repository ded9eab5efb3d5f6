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
