"""OwnState: all that the layers of a model save, so that a file that turns out to be damaged changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np


class OwnState:
    """The state that an object and the objects in it save, as it was when this was made.

    Not only weights: layers may save counts, seeds or candidates by a method of their own.

    Args:
        root: A Keras model or layer.

    Example:
        >>> layer = keras.layers.Dense(1)
        >>> layer.build((None, 1))
        >>> state = OwnState(layer)
        >>> _ = layer.bias.assign([7.0])
        >>> state.restore()
        >>> layer.bias.numpy().tolist()
        [0.0]
    """

    def __init__(self, root: Any) -> None:
        self._states: list[tuple[Any, _Store]] = []
        for saved in _saved_objects(root):
            store = _Store()
            saved.save_own_variables(store)
            self._states.append((saved, store))

    def restore(self) -> None:
        """Gives every object its state again."""
        for saved, store in self._states:
            saved.load_own_variables(store)


class _Store(dict[str, Any]):
    """What Keras gives to `save_own_variables`; copies variables and tensors, while arrays are copies already."""

    def __setitem__(self, name: str, value: Any) -> None:
        # `.numpy()`, since NumPy warns of the variables' own way to an array.
        is_array = isinstance(value, np.ndarray)
        super().__setitem__(name, value if is_array else np.array(keras.ops.convert_to_tensor(value).numpy()))


def _saved_objects(root: Any) -> Iterator[Any]:
    """Yields all objects with a state of their own, in the attributes and containers in which Keras looks for them."""
    waiting, seen = [root], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple, set)):
            waiting.extend(value)
        elif hasattr(value, "load_own_variables") and not isinstance(value, type):
            yield value
            waiting.extend(vars(value).values())
