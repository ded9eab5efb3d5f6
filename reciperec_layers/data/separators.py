"""What separates the fields of a CSV file."""

from __future__ import annotations

from collections.abc import Sequence

from reciperec_layers.errors import ArgumentError, explain

_SEPARATORS = (",", "\t", ";", "|")
_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


def find_separator(lines: Sequence[str]) -> str:
    r"""Returns the separator of a file whose first lines are given: a comma, tab, semicolon or pipe.

    It is the one that cuts the first line into several fields and most of the others into as many; where that does
    not decide, the one that cuts into more, then the first of these.

    Args:
        lines: The first lines, the first with the names of the columns.

    Example:
        >>> find_separator(["user_id;note", "7;good, very good", '9;"x; y"'])
        ';'
    """
    # Every other piece between quotes is in a field. The csv module ends at fields of 131,072 characters.
    records = "".join("\n".join(lines).split('"')[::2]).split("\n")
    records = [record for record in records if record] or [""]

    def fit(separator: str) -> tuple[bool, float, int]:
        counts = [record.count(separator) for record in records]
        return counts[0] > 0, sum(count == counts[0] for count in counts) / len(counts), counts[0]

    return max(_SEPARATORS, key=fit)  # the first of equals


def check_separator(sep: str, owner: str) -> str:
    r"""Returns a separator that a user has named, as one character.

    Args:
        sep: One character, or `"\\t"`, `"tab"`, `"comma"`, `"semicolon"`, `"pipe"` or `"space"`.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: It is something else.

    Example:
        >>> check_separator("tab", "read_csv")
        '\t'
    """
    character = _NAMES.get(sep, sep) if isinstance(sep, str) else ""
    if len(character) != 1 or character in '"\r\n':
        problem = "`sep` must be one character, which separates the fields"
        raise ArgumentError(explain(owner, problem, sep=sep, fix="Use for example ; or tab"))
    return character
