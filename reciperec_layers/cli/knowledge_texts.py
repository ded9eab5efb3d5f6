"""Hot, warm and cold in words: of one query, and of all test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def text_of_query(knowledge: str | None, known_columns: Sequence[str], reads_ids: bool, has_prior: bool) -> str:
    """Returns what is known of a query as a sentence, or nothing where it was trained or cannot be told.

    Args:
        knowledge: `"hot"`, `"warm"`, `"cold"` or `None`.
        known_columns: Columns that tell something beside the id.
        reads_ids: Whether the query tower reads ids.
        has_prior: Whether the model has a prior.

    Example:
        >>> text_of_query("warm", ["age", "diet"], reads_ids=True, has_prior=True)
        'Not seen in training; ranked from age, diet.'
        >>> text_of_query("cold", [], reads_ids=True, has_prior=True)
        'Not seen in training, and nothing else is known: ranked as for anyone new, close to popularity.'
    """
    if knowledge == "warm":
        ranked = f"anked from {', '.join(known_columns) or 'what else is known'}."
        return f"Not seen in training; r{ranked}" if reads_ids else f"R{ranked}"
    if knowledge == "cold":
        unknown = "Not seen in training, and nothing else is known" if reads_ids else "Nothing is known"
        return f"{unknown}: ranked as for anyone new{', close to popularity' if has_prior else ''}."
    return ""


def text_of_shares(shares: Mapping[str, float], rows: str) -> str:
    """Returns a sentence of how many rows have queries that are hot, warm and cold.

    Args:
        shares: Shares of the rows, in [0, 1].
        rows: What the rows are called.

    Example:
        >>> text_of_shares({"hot": 0.02, "warm": 0.9, "cold": 0.08}, "test rows")
        'Queries of the test rows: 2% hot (trained), 90% warm (only features known), 8% cold (nothing known).'
    """
    meanings = {"hot": "trained", "warm": "only features known", "cold": "nothing known"}
    listed = ", ".join(f"{shares[word]:.0%} {word} ({meaning})" for word, meaning in meanings.items())
    return f"Queries of the {rows}: {listed}."
