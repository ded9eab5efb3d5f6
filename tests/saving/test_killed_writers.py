"""A writer that is killed at any point leaves the old contents or the new ones, and nothing after the next save."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY

NUM_KILLS = 5


def test_writers_that_are_killed_break_nothing(tmp_path: Path):
    finished = subprocess.run(
        [sys.executable, "-m", "tests.saving.killed_writers", str(tmp_path), str(NUM_KILLS)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    counts = json.loads(finished.stdout)
    assert counts.keys() == {"model.save", "save_weights", "index.save", "export"}
    for found in counts.values():
        assert found["killed"] >= NUM_KILLS - 1  # one may have ended a step earlier than the one that was counted
        assert (found["broken"], found["left"]) == (0, 0), finished.stderr
        assert found["old"] + found["new"] == NUM_KILLS
        assert found["old"] > 0  # some were killed before the rename,
        assert found["half"] > 0  # and left something then
