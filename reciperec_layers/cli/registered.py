"""`reciperec towers` and `reciperec indexes`: lists of what is available by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from reciperec_layers.cli.options import Debug, Imports, Json
from reciperec_layers.cli.output import reported_errors, say_json
from reciperec_layers.cli.tables import say_table
from reciperec_layers.cli.user_modules import import_modules

if TYPE_CHECKING:
    from reciperec_layers.registry import Registration


def towers(imports: Imports = None, json: Json = False, debug: Debug = False) -> None:
    """List the towers available by name, with the packages that provide them."""
    with reported_errors(debug):
        import_modules(imports)
        from reciperec_layers.towers import describe

        _say(describe(), "towers", json)


def indexes(imports: Imports = None, json: Json = False, debug: Debug = False) -> None:
    """List the indexes available by name, with the packages that provide them."""
    with reported_errors(debug):
        import_modules(imports)
        from reciperec_layers.indexes import describe

        _say(describe(), "indexes", json)


def _say(found: Sequence[Registration], key: str, json: bool) -> None:
    if json:
        say_json({key: [asdict(each) for each in found]})
        return
    names = ["name", "summary", "package"]
    rows = [[each.name, each.summary, each.origin] for each in found]
    if any(each.error for each in found):  # an empty column would squeeze the summaries
        names = [*names, "error"]
        rows = [[*row, each.error or ""] for row, each in zip(rows, found, strict=True)]
    say_table(names, rows, text_columns=names)
