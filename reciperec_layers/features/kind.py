"""Kind: which encoder suits the values of a column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Kind:
    """Which encoder suits a column's values, `None` where none does.

    Attributes:
        encoder: Registered name of an encoder, or `None`.
        reason: Why, in a few words.
        options: Arguments of the encoder's constructor.
    """

    encoder: str | None
    reason: str
    options: dict[str, Any] = field(default_factory=dict)
