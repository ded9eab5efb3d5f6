"""An extension of Griffe: shows the docstring section `Call arguments:`, which Griffe does not know, as a list."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

SECTION = re.compile(r"^Call arguments:\n((?: +.*\n|\n)+)", re.MULTILINE)
ARGUMENT = re.compile(r"^(\w+): ", re.MULTILINE)


class CallArguments(griffe.Extension):
    """Turns `Call arguments:` into a bold title and one list item for each argument."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = SECTION.sub(_as_list, obj.docstring.value)


def _as_list(section: re.Match[str]) -> str:
    items = ARGUMENT.sub(r"- **`\1`**: ", textwrap.dedent(section.group(1)).strip())
    return f"**Call arguments**\n\n{items}\n\n"
