"""Layers of keras-rs that cross features, imported where they are used."""

from __future__ import annotations

from typing import Any

import keras

from reciperec_layers.errors import MissingExtraError, explain


def keras_rs_layers(owner: str) -> Any:
    """Returns the module `keras_rs.layers`.

    Args:
        owner: Name of the class that the error names.

    Raises:
        MissingExtraError: keras-rs is not installed.

    Example:
        >>> keras_rs_layers("CrossTower").FeatureCross.__name__
        'FeatureCross'
    """
    try:
        import keras_rs
    except ModuleNotFoundError as error:
        if error.name != "keras_rs":
            raise
        problem = "keras-rs is needed for feature crosses"
        fix = 'Install it with `pip install "reciperec-layers[cross]"`'
        raise MissingExtraError(explain(owner, problem, fix=fix)) from None
    return keras_rs.layers


def feature_cross(owner: str, width: int, **options: Any) -> keras.layers.Layer:
    """Returns a `keras_rs.layers.FeatureCross` with its weights, which its `build` alone does not make.

    A layer without weights would lose those of a file in silence.

    Args:
        owner: Name of the class that errors name.
        width: Size of the last axis of its inputs.
        **options: Arguments of the layer.

    Raises:
        MissingExtraError: keras-rs is not installed.

    Example:
        >>> [tuple(weight.shape) for weight in feature_cross("CrossTower", 4, projection_dim=2).weights]
        [(4, 2), (2, 4), (4,)]
    """
    cross = keras_rs_layers(owner).FeatureCross(**options)
    cross(keras.KerasTensor((None, width), cross.compute_dtype))
    return cross
