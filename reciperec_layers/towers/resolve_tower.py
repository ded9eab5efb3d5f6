"""Converts a user's `query_tower=` or `candidate_tower=` argument to a `Tower`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain
from reciperec_layers.towers.layer_tower import LayerTower
from reciperec_layers.towers.tower import TOWERS, Tower


def resolve_tower(value: Any, side: str, default_feature: str | None, owner: str) -> Tower:
    """Returns a tower: as it is, from a config, or around a Keras layer.

    Args:
        value: A `Tower`; a dict of the registered name under `"tower"` and the constructor's arguments; or a Keras
            layer or model that maps features to `(batch, embedding_dim)`.
        side: `"query_tower"` or `"candidate_tower"`, for messages.
        default_feature: Column for a layer whose inputs have no names.
        owner: Name of the caller, for messages.

    Example:
        >>> config = {"tower": "id", "vocabulary": [7, 9], "embedding_dim": 4}
        >>> resolve_tower(config, "query_tower", None, "RetrievalModel").embedding_dim
        4
    """
    if isinstance(value, Tower):
        return value
    if isinstance(value, Mapping) and "tower" in value:
        options = dict(value)
        return TOWERS.create(options.pop("tower"), **options)
    if isinstance(value, keras.layers.Layer):
        return _around(value, side, default_feature, owner)
    fix = 'Pass a tower, a Keras layer, or a config such as {"tower": "id", "vocabulary": ids, "embedding_dim": 32}'
    raise ArgumentTypeError(explain(owner, f"`{side}` must be a tower", fix=fix, **{side: value}))


def _around(layer: keras.layers.Layer, side: str, default_feature: str | None, owner: str) -> LayerTower:
    inputs = getattr(layer, "input", None) if isinstance(layer, keras.Model) and layer.built else None
    named = isinstance(inputs, dict)
    features = list(inputs) if isinstance(inputs, dict) else [default_feature] if default_feature else []
    if not features:
        problem = f"which column `{side}` reads is not known"
        fix = "Name it by query_id= or candidate_id=, or wrap the layer in towers.LayerTower"
        raise ArgumentError(explain(owner, problem, fix=fix, **{side: layer}))
    try:
        embedding_dim = layer.output.shape[-1] if inputs is not None else layer.compute_output_shape((None,))[-1]
    except Exception as error:  # layers that are not built, or lack the method, raise anything
        wrapped = f"wrap it: towers.LayerTower(layer, {features}, embedding_dim)"
        if layer.built or type(layer).compute_output_shape is keras.layers.Layer.compute_output_shape:
            problem = f"the embedding dim of `{side}` is not known: its `compute_output_shape` does not tell it"
            fix = f"Give the layer a method compute_output_shape, or {wrapped}"
        else:
            problem = f"the embedding dim of `{side}` is not known before it is built"
            fix = f"Call the layer once, or {wrapped}"
        raise ArgumentError(explain(owner, problem, fix=fix, **{side: layer})) from error
    return LayerTower(layer, features, embedding_dim, as_dict=named)
