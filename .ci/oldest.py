"""Prints the lower bounds of the core's dependencies as pip constraints, `name==version`, read from pyproject.toml."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def oldest_versions() -> list[str]:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    requirements = [Requirement(text) for text in project["dependencies"]]
    pins = []
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate():
            bounds = [bound.version for bound in requirement.specifier if bound.operator == ">="]
            if len(bounds) != 1:
                sys.exit(f"pyproject.toml: a dependency needs one lower bound `>=`. Found: {requirement}")
            pins.append(f"{requirement.name}=={bounds[0]}")
    return pins


if __name__ == "__main__":
    print("\n".join(oldest_versions()))
