"""Evaluations: a model's default evaluator, and the last one with other arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reciperec_layers.candidates.evaluator import Evaluator
from reciperec_layers.seen import Seen

Make = Callable[..., Evaluator]


@dataclass
class Evaluation:
    """An evaluator and the function that runs its steps.

    Args:
        evaluator: The evaluator.
        function: Traced once, which may take longer than to run it; `None` before the first evaluation.
    """

    evaluator: Evaluator
    function: Any = None


class Evaluations:
    """Holds the plain evaluation of a model, and the last special one, with its arguments.

    Args:
        make: Makes an evaluator; takes `exclude` and `unknown_candidates`.

    Example:
        >>> evaluations = Evaluations(lambda *args: None)
        >>> evaluations.renew()
        >>> evaluations.current.function is None
        True
    """

    def __init__(self, make: Make) -> None:
        self._make = make
        self._special: Evaluation | None = None
        self.current: Evaluation | None = None

    def renew(self) -> None:
        """Makes the plain evaluation anew, and forgets the special one: the metrics or the corpus have changed."""
        self.current, self._special = Evaluation(self._make()), None

    def known(self, features: dict[str, Any]) -> Any:
        """Returns what `Evaluator.known` does for the current evaluation; `None` without one."""
        return None if self.current is None else self.current.evaluator.known(features)

    @contextmanager
    def special(self, exclude: Seen | None, unknown_candidates: str) -> Iterator[Evaluation]:
        """Makes an evaluation with arguments the current one; the last is used again where they are the same objects.

        Args:
            exclude: As for `Evaluator`.
            unknown_candidates: As for `Evaluator`.
        """
        if self._special is None or not self._special.evaluator.has_arguments(exclude, unknown_candidates):
            self._special = Evaluation(self._make(exclude, unknown_candidates))
        plain, self.current = self.current, self._special
        try:
            yield self._special
        finally:
            self.current = plain
