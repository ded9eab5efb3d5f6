"""OneAtATime: refuses calls of a model from one thread while another changes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reciperec_layers.errors import StateError, explain


class OneAtATime:
    """Lets one thread at a time into the methods that use a model's metrics, steps and candidates as their own.

    Two evaluations at once would add to the same metrics, and both would be wrong without a sign of it. A method may
    call another in the same thread, as `fit` calls `evaluate`. Brief methods are waited for instead.

    Example:
        >>> busy = OneAtATime()
        >>> with busy.doing("fit", "RetrievalModel"), busy.doing("evaluate", "RetrievalModel"):
        ...     print("validating")
        validating
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._thread: int | None = None
        self._method, self._is_brief = "", False

    @contextmanager
    def doing(self, method: str, owner: str, brief: bool = False) -> Iterator[None]:
        """Says what a thread does with the model.

        Args:
            method: Name of the method.
            owner: Name of the model's class, for messages.
            brief: Whether other threads may wait for it.

        Raises:
            StateError: Another thread is in a method that is not brief.
        """
        present = threading.get_ident()
        with self._changed:
            while self._thread not in (None, present):
                if not self._is_brief:
                    problem = (
                        f"another thread is in `{self._method}` of this model, and both would change the same state"
                    )
                    fix = "Wait for it, or load a model of its own for each thread"
                    raise StateError(explain(f"{owner}.{method}", problem, fix=fix))
                self._changed.wait()
            outer = self._thread, self._method, self._is_brief
            self._thread, self._method, self._is_brief = present, method, brief
        try:
            yield
        finally:
            with self._changed:
                self._thread, self._method, self._is_brief = outer
                self._changed.notify_all()
