"""Specs of what a model is given, also as a config holds them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def spec_of_batch(value: Any) -> tf.TypeSpec:
    """Returns the spec of a tensor or array of any number of rows.

    Example:
        >>> spec_of_batch(tf.zeros((2, 3))), spec_of_batch(tf.zeros(()))
        (TensorSpec(shape=(None, 3), dtype=tf.float32, name=None), TensorSpec(shape=(), dtype=tf.float32, name=None))
    """
    spec = tf.type_spec_from_value(value)
    if not isinstance(spec, tf.TensorSpec) or not spec.shape.rank:
        return spec
    return tf.TensorSpec((None, *spec.shape[1:]), spec.dtype)


def specs_to_config(specs: Any) -> Any:
    """Returns nested specs of tensors as dicts and lists that JSON can hold; `None` where one is of another kind.

    Args:
        specs: `tf.TensorSpec`, in tuples, lists and dicts.

    Example:
        >>> specs_to_config((tf.TensorSpec((None,), tf.int64), {"rating": tf.TensorSpec((), tf.float32)}))
        {'tuple': [{'shape': [None], 'dtype': 'int64'}, {'dict': {'rating': {'shape': [], 'dtype': 'float32'}}}]}
    """
    if any(not isinstance(spec, tf.TensorSpec) or spec.shape.rank is None for spec in tf.nest.flatten(specs)):
        return None
    if isinstance(specs, dict):
        return {"dict": {name: specs_to_config(spec) for name, spec in specs.items()}}
    if isinstance(specs, (tuple, list)):
        return {"tuple": [specs_to_config(spec) for spec in specs]}
    return {"shape": specs.shape.as_list(), "dtype": specs.dtype.name}


def specs_from_config(config: Any) -> Any:
    """Returns the specs of a config.

    Args:
        config: From `specs_to_config`.

    Example:
        >>> specs_from_config({"tuple": [{"shape": [None], "dtype": "int64"}]})
        (TensorSpec(shape=(None,), dtype=tf.int64, name=None),)
    """
    if "dict" in config:
        return {name: specs_from_config(spec) for name, spec in config["dict"].items()}
    if "tuple" in config:
        return tuple(specs_from_config(spec) for spec in config["tuple"])
    return tf.TensorSpec(config["shape"], config["dtype"])
