"""Proposals: how the columns of a frame are to be read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from reciperec_layers.features.proposal import Proposal

if TYPE_CHECKING:
    import pandas as pd

_HEADINGS = ("column", "encoder", "distinct", "missing", "reason")
_WIDTH = 88
_MIN_REASON_WIDTH = 30
_EXAMPLES_WIDTH = 36


class Proposals(Mapping[str, Proposal]):
    """Proposals by column, in the order of the frame. Printed, they are a table.

    Args:
        proposals: One for each column.

    Example:
        >>> found = Proposals([Proposal("minutes", "number", reason="numbers", num_distinct=40, examples=("10", "25")),
        ...                    Proposal("note", None, reason="all missing", num_distinct=0, share_missing=1.0)])
        >>> print(found)
        column   encoder  distinct  missing  reason
        minutes  number         40       0%  numbers; e.g. 10, 25
        note     -               0     100%  all missing
        >>> list(found.accepted)
        ['minutes']
    """

    def __init__(self, proposals: Iterable[Proposal]) -> None:
        self._by_column = {each.column: each for each in proposals}

    @property
    def accepted(self) -> Proposals:
        """Those with an encoder."""
        return Proposals(each for each in self.values() if each.is_accepted)

    def to_frame(self) -> pd.DataFrame:
        """Returns a frame with one row for each column: the attributes of its `Proposal`."""
        import pandas as pd  # not needed to train, and slow to import

        names = ["column", "encoder", "options", "reason", "num_distinct", "share_missing", "examples"]
        frame = pd.DataFrame({name: [getattr(each, name) for each in self.values()] for name in names}, columns=names)
        return frame.astype({"num_distinct": "Int64"})

    def __getitem__(self, column: str) -> Proposal:
        return self._by_column[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_column)

    def __len__(self) -> int:
        return len(self._by_column)

    def __str__(self) -> str:
        rows = [_HEADINGS, *map(_cells, self.values())]
        *widths, _ = (max(len(row[place]) for row in rows) for place in range(len(_HEADINGS)))
        indent = sum(widths) + 2 * len(widths)
        reason_width = max(_WIDTH - indent, _MIN_REASON_WIDTH)
        lines = []
        for column, encoder, distinct, missing, reason in rows:
            first, *others = textwrap.wrap(reason, reason_width, break_on_hyphens=False) or [""]
            cells = (column.ljust(widths[0]), encoder.ljust(widths[1]), distinct.rjust(widths[2]))
            lines.append("  ".join((*cells, missing.rjust(widths[3]), first)).rstrip())
            lines += [" " * indent + line for line in others]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """Shows the table in notebooks."""
        return str(self.to_frame().to_html(index=False))


def _cells(proposal: Proposal) -> tuple[str, ...]:
    distinct = "" if proposal.num_distinct is None else f"{proposal.num_distinct:,}"
    options = ", ".join(f"{name}={value!r}" for name, value in proposal.options.items())
    reason = f"{proposal.reason} ({options})" if options else proposal.reason
    num_shown = max(1, sum(len(", ".join(proposal.examples[: place + 1])) <= _EXAMPLES_WIDTH for place in range(9)))
    shown = f"{reason}; e.g. {', '.join(proposal.examples[:num_shown])}" if proposal.examples else reason
    return str(proposal.column), proposal.encoder or "-", distinct, _percent(proposal.share_missing), shown


def _percent(share: float) -> str:
    """Returns a share in percent; 0 and 100 only where they are exact."""
    return f"{round(100 * share)}%" if share in (0.0, 1.0) else f"{min(max(100 * share, 0.1), 99.9):.1f}%"
