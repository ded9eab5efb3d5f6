"""The candidates that each query has seen, from a frame of interactions."""

from __future__ import annotations

from typing import Any

from reciperec_layers.columns.names import require_column
from reciperec_layers.data.frame_arguments import check_frame
from reciperec_layers.seen import Seen


def seen(frame: Any, query: str, candidate: str) -> Seen:
    """Collects the candidates that each query has seen, for `exclude=` in `recommend` and `evaluate`.

    Args:
        frame: Data frame of interactions, at least one row.
        query: Column of query ids.
        candidate: Column of candidate ids.

    Raises:
        ColumnError: There is no such column.
        ArgumentError: The frame has no rows.
        IdError: An id is missing, or is neither an integer nor text.

    Example:
        >>> import pandas as pd
        >>> train = pd.DataFrame({"user_id": [7, 7], "recipe_id": ["soup", "pie"]})
        >>> seen(train, "user_id", "recipe_id").rows([7])
        (array([0, 2]), array(['soup', 'pie'], dtype=object))
    """
    frame = check_frame(frame, "seen", names=[query, candidate])
    for name in (query, candidate):
        require_column(frame.columns, name, "seen")
    return Seen(query, candidate, frame[query], frame[candidate])
