"""An extension of Griffe: shows two docstring sections of ours as a reader expects them."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

CALL_ARGUMENTS = re.compile(r"^Call arguments:\n((?: +.*\n|\n)+)", re.MULTILINE)
ARGUMENT = re.compile(r"^(\w+): ", re.MULTILINE)
EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)


class DocstringSections(griffe.Extension):
    """Turns `Call arguments:` into a list, and `Example:` into `Examples:`, which Griffe shows as code."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            text = CALL_ARGUMENTS.sub(_as_list, obj.docstring.value)
            obj.docstring.value = EXAMPLE.sub("Examples:", text)


def _as_list(section: re.Match[str]) -> str:
    items = ARGUMENT.sub(r"- **`\1`**: ", textwrap.dedent(section.group(1)).strip())
    return f"**Call arguments**\n\n{items}\n\n"
