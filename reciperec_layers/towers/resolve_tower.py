"""Converts a user's `query_tower=` or `candidate_tower=` argument to a `Tower`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import keras

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain
from reciperec_layers.towers.layer_tower import LayerTower, inputs_of
from reciperec_layers.towers.tower import TOWERS, Tower


def resolve_tower(value: Any, side: str, default_feature: str | None, owner: str) -> Tower:
    """Returns a tower: as it is, from a config, or around a Keras layer.

    A Keras model reads the columns that the keys of its dict of inputs say, or the names of its inputs.

    Args:
        value: A `Tower`; a dict of the registered name under `"tower"` and the constructor's arguments; or a Keras
            layer or model that maps features to `(batch, embedding_dim)`.
        side: `"query_tower"` or `"candidate_tower"`, for messages.
        default_feature: Column for a layer of one input without a name.
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
    inputs = inputs_of(layer)
    features = _features(layer, inputs, side, default_feature, owner)
    is_known = isinstance(layer, keras.Model) and layer.built and getattr(layer, "input", None) is not None
    try:
        embedding_dim = layer.output.shape[-1] if is_known else layer.compute_output_shape((None,))[-1]
    except Exception as error:  # layers that are not built, or lack the method, raise anything
        wrapped = f"wrap it: towers.LayerTower(layer, {features}, embedding_dim)"
        if layer.built or type(layer).compute_output_shape is keras.layers.Layer.compute_output_shape:
            problem = f"the embedding dim of `{side}` is not known: its `compute_output_shape` does not tell it"
            fix = f"Give the layer a method compute_output_shape, or {wrapped}"
        else:
            problem = f"the embedding dim of `{side}` is not known before it is built"
            fix = f"Call the layer once, or {wrapped}"
        raise ArgumentError(explain(owner, problem, fix=fix, **{side: layer})) from error
    return LayerTower(layer, features, embedding_dim, as_dict=isinstance(inputs, dict))


def _features(layer: keras.layers.Layer, inputs: Any, side: str, default: str | None, owner: str) -> list[str]:
    """Returns the columns that a layer reads: the keys of its inputs, their names, or the default for a single one."""
    if isinstance(inputs, dict):
        return list(inputs)
    names: list[Any] = [getattr(each, "name", None) for each in inputs or ()]  # an input may also be a list of inputs
    if names and not any(map(_is_automatic, names)) and len(set(names)) == len(names):
        return names
    if default is not None and len(names) < 2:
        return [default]
    problem = f"which column `{side}` reads is not known"
    fix = 'Name each input after its column, as keras.Input((), name="user_id") does, or use a dict of inputs by column'
    if len(names) < 2:
        fix += "; or name the column by query_id= or candidate_id=, or wrap the layer in towers.LayerTower"
    raise ArgumentError(explain(owner, problem, fix=fix, **{side: layer, "inputs": names}))


def _is_automatic(name: str | None) -> bool:
    """Returns whether Keras made up the name of an input, in building it or in reading it from a file."""
    return name is None or re.fullmatch(r"(keras_tensor|input_layer)(_\d+)?", name) is not None
