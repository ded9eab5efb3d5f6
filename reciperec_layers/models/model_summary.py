"""The text that `RetrievalModel.summary` prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from reciperec_layers.errors import ArgumentError, explain

_LINE_LENGTH = 88


@dataclass(frozen=True)
class Part:
    """A part of a model, one row of its summary.

    Args:
        name: What it is in the model.
        layer: The layer.
        columns: The columns that it reads.
        output_shape: Shape of its output, or `None` where there is nothing to say.
    """

    name: str
    layer: keras.layers.Layer
    columns: Sequence[str] = ()
    output_shape: tuple[int | None, ...] | None = None


def summary_text(
    title: str,
    parts: Iterable[Part],
    notes: Iterable[str],
    totals: str,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
) -> str:
    """Returns a table of the parts of a model, and what is to be said of the whole.

    Args:
        title: The first line.
        parts: The parts.
        notes: Lines below the table.
        totals: What Keras prints of all weights.
        line_length: As for `keras.Model.summary`.
        positions: As for `keras.Model.summary`, for four columns, or five with `show_trainable`.
        expand_nested: Whether to list the layers within each part.
        show_trainable: Whether to show which parts are trainable.

    Raises:
        ArgumentError: `positions` does not fit.

    Example:
        >>> dense = keras.layers.Dense(2)
        >>> dense.build((None, 3))
        >>> print(summary_text("Model", [Part("query", dense, ["age"], (None, 2))], ["No index."], "", 60))
        Model
        ┏━...
        ┃ Part ┃ Reads ┃ Output shape ┃ Params ┃
        ...
        │ query (Dense) │ age │ (None, 2) │ 8 │
        ...
         No index.
        <BLANKLINE>
    """
    # Keras has rich as well. It is slow to import.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = ["Part", "Reads", "Output shape", "Params", *(["Trainable"] if show_trainable else [])]
    console = Console(width=line_length or _LINE_LENGTH, highlight=False, force_terminal=False, color_system=None)
    table = Table(show_lines=True, width=console.width)
    widths = _widths(positions, len(names), console.width)
    for name, width in zip(names, widths, strict=True):
        justify: Any = "right" if name == "Params" else "left"
        table.add_column(Text(name), justify=justify, width=width, overflow="fold")
    for part in parts:
        for row in _rows(part, expand_nested):
            table.add_row(*map(Text, row[: len(names)]))
    with console.capture() as captured:
        console.print(Text(title, style="bold"))
        console.print(table)
        for note in notes:
            console.print(Text(f" {note}"))
    return captured.get() + totals


def totals_of(text: str) -> str:
    r"""Returns the lines on all weights out of a summary of Keras.

    Example:
        >>> totals_of("table\n Total params: 8 (32.00 B)\n Trainable params: 8 (32.00 B)\n")
        ' Total params: 8 (32.00 B)\n Trainable params: 8 (32.00 B)\n'
    """
    start = text.find(" Total params")
    return "" if start < 0 else text[start:]


def _rows(part: Part, expand_nested: bool) -> Iterator[list[str]]:
    shape = "" if part.output_shape is None else str(part.output_shape)
    yield [f"{part.name} ({type(part.layer).__name__})", ", ".join(part.columns), shape, *_weights_of(part.layer)]
    if expand_nested:
        yield from _nested(part.layer, 1)


def _nested(layer: keras.layers.Layer, depth: int) -> Iterator[list[str]]:
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        yield [f"{'   ' * depth}└ {inner.name} ({type(inner).__name__})", "", "", *_weights_of(inner)]
        yield from _nested(inner, depth + 1)


def _weights_of(layer: keras.layers.Layer) -> list[str]:
    return [f"{layer.count_params():,}" if layer.built else "?", "Y" if layer.trainable else "N"]


def _widths(positions: Sequence[float] | None, num_columns: int, line_length: int) -> list[int | None]:
    if positions is None:
        return [None] * num_columns
    ends = [int(position * line_length) if position <= 1 else int(position) for position in positions]
    widths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    if len(ends) != num_columns or min(widths) < 4:
        problem = f"`positions` must be {num_columns} ends of columns in ascending order, each at least 4 wide"
        fix = "Leave it out, or use for example [0.4, 0.6, 0.8, 1.0]"
        raise ArgumentError(explain("summary", problem, positions=positions, fix=fix))
    return [max(width - 3, 1) for width in widths]  # without the lines and spaces between columns
