"""Tables on standard output."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from reciperec_layers.cli.output import plain

KS = (1, 5, 10, 50, 100)
SEEN_LEFT_OUT = "Candidates that a query had in training are left out of its ranking."


def accuracy_key(k: int) -> str:
    """Returns the key of top-k accuracy in the results of `RetrievalModel.evaluate`.

    Example:
        >>> accuracy_key(10)
        'factorized_top_k/top_10_categorical_accuracy'
    """
    return f"factorized_top_k/top_{k}_categorical_accuracy"


def shown(accuracy: float) -> str:
    """Returns an accuracy as text, with four digits.

    Example:
        >>> shown(0.25), shown(1)
        ('.2500', '1.0000')
    """
    return f"{accuracy:.4f}".removeprefix("0")


def say_table(names: Sequence[str], rows: Iterable[Sequence[object]], text_columns: Collection[str]) -> None:
    """Prints a table. Nothing in it is read as markup, and long text is wrapped, never cut.

    Args:
        names: Names of the columns.
        rows: Rows of values.
        text_columns: Columns to align left; the others hold numbers and are aligned right.

    Example:
        >>> say_table(["id", "rows"], [("[/b]", 7)], text_columns=["id"])
         id     rows
        ─────────────
         [/b]      7
    """
    # rich is slow to import, and most output of the commands is not a table.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=True)
    for name in names:
        table.add_column(Text(plain(name)), justify="left" if name in text_columns else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(value)) for value in row))
    Console(markup=False, highlight=False, emoji=False).print(table)


def say_accuracies(by_name: Mapping[str, Mapping[str, float]], seconds: Mapping[str, float] | None = None) -> None:
    """Prints top-k accuracies, one row per name.

    Args:
        by_name: Accuracies by name, each a mapping from `accuracy_key(k)` to the value.
        seconds: How long some of them took to make, for a column of its own.

    Example:
        >>> say_accuracies({"model": {accuracy_key(k): 0.25 for k in KS}})
                 top-1   top-5   top-10   top-50   top-100
        ───────────────────────────────────────────────────
         model   .2500   .2500    .2500    .2500     .2500
    """
    names = ["", *(f"top-{k}" for k in KS)]
    rows = [[name, *(shown(values[accuracy_key(k)]) for k in KS)] for name, values in by_name.items()]
    if seconds is not None:
        names.append("seconds")
        for row in rows:
            row.append(f"{seconds[row[0]]:.1f}" if row[0] in seconds else "")
    say_table(names, rows, text_columns=[""])
