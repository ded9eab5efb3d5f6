"""A folder that stands for site-packages: distributions are written into it, with entry points that Python finds."""

from __future__ import annotations

import os
import sys
from pathlib import Path


class SiteFolder:
    """A folder that distributions are installed into. A test puts it on `sys.path`.

    Args:
        folder: An existing, empty folder.
        group: Group of the entry points.
    """

    def __init__(self, folder: Path, group: str) -> None:
        self.folder = folder
        self.group = group
        self.installs = 0

    def install(
        self, distribution: str, version: str, modules: dict[str, str], entry_points: str = "", files: str = ""
    ) -> None:
        for name, code in modules.items():
            (self.folder / f"{name}.py").write_text(code, encoding="utf-8")
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        (info / "RECORD").write_text(files, encoding="utf-8")
        if entry_points:
            (info / "entry_points.txt").write_text(f"[{self.group}]\n{entry_points}\n", encoding="utf-8")
        # Python lists a folder again when its time has changed, and two installs can fall into one tick of the clock.
        self.installs += 1
        os.utime(self.folder, (self.installs, self.installs))

    def forget_modules(self) -> None:
        """Lets Python import the modules of this folder anew."""
        for name, module in list(sys.modules.items()):
            if Path(getattr(module, "__file__", None) or "").is_relative_to(self.folder):
                del sys.modules[name]
