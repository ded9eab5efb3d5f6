"""Proposal: how one column of a frame is to be read, or why it is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Proposal:
    """How one column is to be read, or why it is left out. `propose` makes them.

    Attributes:
        column: Name of the column.
        encoder: Registered name of an encoder, or `None` where the column is left out.
        options: Arguments of the encoder's constructor.
        reason: Why, in a few words.
        num_distinct: Number of distinct values, missing ones aside; `None` for lists, arrays and dicts.
        share_missing: Share of the rows without a value, in [0, 1]; blank text counts as missing.
        examples: A few different values as short text.

    Example:
        >>> Proposal("minutes", "number", reason="numbers").is_accepted
        True
    """

    column: str
    encoder: str | None
    options: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    num_distinct: int | None = None
    share_missing: float = 0.0
    examples: tuple[str, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether the column is read."""
        return self.encoder is not None
