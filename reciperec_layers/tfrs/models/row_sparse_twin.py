"""Optimizers of this package in the place of those of Keras that do the same."""

from __future__ import annotations

from typing import Any

import keras

from reciperec_layers import optimizers

_TWINS = {keras.optimizers.Adagrad: optimizers.Adagrad, keras.optimizers.SGD: optimizers.SGD}
# With these the whole table changes, or rows that no batch reads do.
_OF_THE_WHOLE_TABLE = "weight_decay", "use_ema", "momentum", "nesterov", "gradient_accumulation_steps"


def row_sparse_twin(optimizer: Any) -> Any:
    """Returns an optimizer whose steps are the same and cost what a batch costs, where there is one.

    Keras's own compute over whole embedding tables in each step, where those of Keras 2 did not. The learning rate is
    shared, so that setting it on the one that was given works as before.

    Args:
        optimizer: A Keras optimizer, its name or its config.

    Example:
        >>> type(row_sparse_twin(keras.optimizers.Adagrad(0.1))).__module__
        'reciperec_layers.optimizers.adagrad'
        >>> type(row_sparse_twin("adam")).__module__.partition(".")[0]
        'keras'
    """
    optimizer = keras.optimizers.get(optimizer)
    twin = _TWINS.get(type(optimizer))
    if twin is None or optimizer.built:
        return optimizer
    config = optimizer.get_config()
    if any(config.get(name) for name in _OF_THE_WHOLE_TABLE):
        return optimizer
    made = twin.from_config(config)
    made._learning_rate = optimizer._learning_rate
    return made
