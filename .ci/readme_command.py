"""Prints the one-line command of the README that follows the comment `<!-- ci: NAME -->`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def readme_command(name: str) -> str:
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(rf"^<!-- ci: {re.escape(name)} -->\n+```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    if len(blocks) != 1 or len(blocks[0].splitlines()) != 1:
        sys.exit(f"README.md must have one block of one line marked <!-- ci: {name} -->. Found: {blocks}")
    return blocks[0].strip()


if __name__ == "__main__":
    print(readme_command(sys.argv[1]))
