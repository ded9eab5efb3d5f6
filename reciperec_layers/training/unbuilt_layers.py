"""Whether a model has all of its weights, so that an optimizer can be built for them."""

from __future__ import annotations

import keras

# Their `build` makes no weights that are trained, and Keras often leaves them unbuilt.
_WITHOUT_TRAINING = (
    keras.layers.CategoryEncoding,
    keras.layers.Discretization,
    keras.layers.Hashing,
    keras.layers.IntegerLookup,
    keras.layers.Normalization,
    keras.layers.StringLookup,
    keras.layers.TextVectorization,
)


def has_all_weights(model: keras.Model) -> bool:
    """Returns whether no layer of a model makes weights to train later on.

    Args:
        model: The model, of which also the layers inside of layers count.

    Example:
        >>> has_all_weights(keras.Sequential([keras.layers.StringLookup(vocabulary=["pie"])]))
        False
        >>> has_all_weights(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
        True
    """
    return all(layer.built or _makes_none(layer) for layer in model._flatten_layers())


def _makes_none(layer: keras.layers.Layer) -> bool:
    # Keras locks a layer when its own `build` has run, before the first call.
    return isinstance(layer, _WITHOUT_TRAINING) or type(layer).build is keras.layers.Layer.build
