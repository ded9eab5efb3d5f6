"""ResumableDropout: a dropout that goes on in a loaded model where it was when the model was saved."""

from __future__ import annotations

from typing import Any

import keras


class ResumableDropout(keras.layers.Dropout):
    """Keras's `Dropout`, with the state of its seed in files.

    Keras leaves that out, so that training that is resumed from a file would draw other numbers.

    Example:
        >>> first, other = ResumableDropout(0.5, seed=1), ResumableDropout(0.5, seed=1)
        >>> ones, store = keras.ops.ones((1, 64)), {}
        >>> _ = first(ones, training=True)
        >>> first.save_own_variables(store)
        >>> other.load_own_variables(store)
        >>> bool(keras.ops.all(first(ones, training=True) == other(ones, training=True)))
        True
    """

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        store["seed_state"] = self.seed_generator.state.numpy()

    def load_own_variables(self, store: Any) -> None:
        if "seed_state" in store.keys():  # noqa: SIM118 - not a mapping; older files have none
            self.seed_generator.state.assign(store["seed_state"])
