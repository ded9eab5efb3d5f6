"""Which epoch comes next, and the random numbers of its order."""

from __future__ import annotations

import numpy as np

from reciperec_layers.arguments import check_integer


class Epochs:
    """Counts epochs, and gives each its own random numbers, the same in every process.

    Args:
        seed: Non-negative integer.
        epoch: The first epoch.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentError: A number is not an integer, or is negative.

    Example:
        >>> epochs = Epochs(seed=1, epoch=5, owner="batches")
        >>> first = epochs.next().permutation(9)
        >>> epochs.set_epoch(5)
        >>> bool((epochs.next().permutation(9) == first).all())
        True
    """

    def __init__(self, seed: int, epoch: int, owner: str) -> None:
        self._owner = owner
        self._seed = check_integer(owner, "seed", seed, least=0)
        self._epoch = check_integer(owner, "initial_epoch", epoch, least=0)

    def set_epoch(self, epoch: int) -> None:
        """Makes the next iteration this epoch."""
        self._epoch = check_integer(f"{self._owner}.set_epoch", "epoch", epoch, least=0)

    def next(self) -> np.random.Generator:
        """Returns `numpy.random.default_rng([seed, epoch])` of the next epoch."""
        # Counted first: parallel iterations run this in separate threads.
        epoch, self._epoch = self._epoch, self._epoch + 1
        return np.random.default_rng([self._seed, epoch])
