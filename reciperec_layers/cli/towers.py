"""`reciperec towers`: the towers that can be used by name."""

from __future__ import annotations

from dataclasses import asdict

from reciperec_layers.cli.options import Debug, Json
from reciperec_layers.cli.output import reported_errors, say_json
from reciperec_layers.cli.tables import say_table


def towers(json: Json = False, debug: Debug = False) -> None:
    """List the towers that can be used by name, with the packages that bring them."""
    with reported_errors(debug):
        from reciperec_layers.towers import describe

        found = describe()
        if json:
            say_json({"towers": [asdict(each) for each in found]})
            return
        names = ["name", "summary", "package", "error"]
        rows = [(each.name, each.summary, each.origin, each.error or "") for each in found]
        say_table(names, rows, text_columns=names)
