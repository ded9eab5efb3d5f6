"""How pytest-xdist hands the tests out: a file at a time, so that what its tests share is made once."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

# Their tests share nothing, and take long: each is handed out alone.
_ALONE = ("test_benchmarks.py", "test_docs.py", "test_examples.py")


class FileScheduling(LoadScopeScheduling):
    """Files with many tests first, those that are handed out alone last, so that no process waits long at the end."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return nodeid if file.endswith(_ALONE) else file
