"""OneAtATime: refuses calls of a model from one thread while another changes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reciperec_layers.errors import StateError, explain


class OneAtATime:
    """Lets one thread at a time into the methods that use a model's metrics, steps and candidates as their own.

    Two evaluations at once would add to the same metrics, and both would be wrong without a sign of it. A method may
    call another in the same thread, as `fit` calls `evaluate`.

    Example:
        >>> busy = OneAtATime()
        >>> with busy.doing("fit", "RetrievalModel"), busy.doing("evaluate", "RetrievalModel"):
        ...     print("validating")
        validating
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._method = ""

    @contextmanager
    def doing(self, method: str, owner: str) -> Iterator[None]:
        """Says what a thread does with the model.

        Args:
            method: Name of the method.
            owner: Name of the model's class, for messages.

        Raises:
            StateError: Another thread is in such a method.
        """
        if not self._lock.acquire(blocking=False):
            problem = f"another thread is in `{self._method}` of this model, and both would change the same state"
            fix = "Wait for it, or load a model of its own for each thread"
            raise StateError(explain(f"{owner}.{method}", problem, fix=fix))
        outer, self._method = self._method, method
        try:
            yield
        finally:
            self._method = outer
            self._lock.release()
