"""What tells one frozen encoder from another: its name, or the content of a Keras layer."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain


def encoder_identity(encoder: Any, name: str | None, version: Any, owner: str) -> str:
    """Returns a name for files of what an encoder computed: readable, and another one for every other encoder.

    Args:
        encoder: A callable.
        name: Its name, which only has to be given where it is not a Keras layer.
        version: What tells it from others of this name.
        owner: Name of the caller, for messages.

    Raises:
        ArgumentTypeError: `encoder` is not callable, or `name` is not text.
        ArgumentError: It has no name, and content that cannot be known: it is not a Keras layer, or is not built.

    Example:
        >>> encoder_identity(len, "length", 2, "encode_once")
        'length-986352dd5f809e1a'
    """
    if not callable(encoder):
        fix = "Pass a function from a list of texts to an array, or a Keras layer"
        raise ArgumentTypeError(explain(owner, "`encoder` must be callable", encoder=encoder, fix=fix))
    if name is None and isinstance(encoder, keras.layers.Layer):
        if not encoder.built:
            fix = "Call it on a batch before, or load its weights"
            raise ArgumentError(explain(owner, "the encoder has no weights yet", encoder=encoder, fix=fix))
        name, content = type(encoder).__name__, _content_of_layer(encoder)
    elif name is None:
        problem = "the encoder is not a Keras layer, so that its content cannot be told from that of others"
        fix = 'Name it, for example name="all-MiniLM-L6-v2", and give version= where its weights change'
        raise ArgumentError(explain(owner, problem, encoder=encoder, fix=fix))
    elif not isinstance(name, str) or not name.strip():
        raise ArgumentTypeError(explain(owner, "`name` must be text", name=name, fix='Use for example name="mini"'))
    else:
        content = ""
    digest = hashlib.sha256(json.dumps([name, str(version), content]).encode()).hexdigest()[:16]
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-.')[:60] or 'encoder'}-{digest}"


def _content_of_layer(layer: Any) -> str:
    """Returns a hash of the config, the weights and the assets; names that Keras gave by counting do not matter."""
    digest = hashlib.sha256()
    config = keras.saving.serialize_keras_object(layer)
    digest.update(json.dumps(_without_names(config, {}), sort_keys=True, default=repr).encode())
    for weight in layer.weights:
        value = np.asarray(weight)
        digest.update(f"{value.shape} {value.dtype}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    for inner in layer._flatten_layers():
        if hasattr(inner, "save_assets"):  # such as the words of `TextVectorization`
            with tempfile.TemporaryDirectory() as folder:
                inner.save_assets(folder)
                for path in sorted(Path(folder).rglob("*")):
                    if path.is_file():
                        digest.update(f"{path.relative_to(folder).as_posix()} ".encode())
                        digest.update(path.read_bytes())
    return digest.hexdigest()


def _without_names(config: Any, numbers: dict[str, int]) -> Any:
    """Returns a config in which layers have the numbers of their first appearance for names."""
    if isinstance(config, dict):
        name = config.get("name")
        if isinstance(name, str):
            numbers.setdefault(name, len(numbers))
        return {key: _without_names(value, numbers) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [_without_names(item, numbers) for item in config]
    return numbers[config] if isinstance(config, str) and config in numbers else config
