"""Frozen encoders, run once for each distinct value, with their vectors kept in files."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reciperec_layers.arguments import check_integer
from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.missing_values import is_missing
from reciperec_layers.columns.named_columns import has_named_columns
from reciperec_layers.columns.tensors import to_tensor
from reciperec_layers.columns.value_texts import value_texts
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, describe_ids, explain
from reciperec_layers.features.encoder import Encoder
from reciperec_layers.features.encoder_identity import encoder_identity
from reciperec_layers.features.vector_cache import VectorCache
from reciperec_layers.saving.output_paths import make_folder

_OWNER = "encode_once"
_SECONDS_BETWEEN_WRITES = 300


def encode_once(
    column: Any,
    encoder: Callable[[list[Any]], Any],
    *,
    folder: str | os.PathLike[str] | None = None,
    batch_size: int = 256,
    name: str | None = None,
    version: Any = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> Any:
    """Returns a column of vectors, one for each value, computed once for each distinct value and kept in a file.

    The file is found by the encoder: a Keras layer is known by its config, weights and assets, any other function by
    `name` and `version`. A later call, also in another process, runs the encoder only for values that are not in the
    file. Vectors are written every five minutes, at the end, and when the work is interrupted. The result is a column
    for `features.Vector`.

    Args:
        column: pandas column, array or list of text or numbers. Of a data frame or dict of columns each row becomes one
            text: its values, one below the other, without those that are missing.
        encoder: Function from a list of values to vectors of shape `(len(list), dim)`, such as the `encode` of a
            sentence encoder; or a Keras layer, which gets a tensor, or one of `features`. Its weights must not change.
        folder: Where files are kept; by default the folder `reciperec_layers/vectors` in `$XDG_CACHE_HOME`, or in
            `~/.cache`.
        batch_size: How many values the encoder gets at a time.
        name: Name of an encoder that is not a Keras layer.
        version: What tells it from others of this name, such as a date.
        on_progress: Called after each batch with how many values are encoded and how many are to be.

    Returns:
        pandas Series of float32 arrays of shape `(dim,)`, and `None` where a value is missing or empty text.

    Raises:
        ArgumentError: The encoder has no name, or returns vectors of another number, of unequal lengths or not finite.
        ArgumentTypeError: A value is neither text nor a number, or `encoder` is not callable.
        MissingExtraError: pyarrow is not installed.
        ModelFileError: The file is damaged.
        OutputError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> def lengths(texts):
        ...     print("encodes", texts)
        ...     return np.array([[len(text), 1] for text in texts])
        >>> folder = tempfile.mkdtemp()
        >>> encode_once(["pie", "soup", "pie"], lengths, folder=folder, name="lengths").tolist()
        encodes ['pie', 'soup']
        [array([3., 1.], dtype=float32), array([4., 1.], dtype=float32), array([3., 1.], dtype=float32)]
        >>> encode_once(["soup", "egg", None], lengths, folder=folder, name="lengths").tolist()
        encodes ['egg']
        [array([4., 1.], dtype=float32), array([3., 1.], dtype=float32), None]
    """
    import pandas as pd  # not needed to train, and slow to import

    batch_size = check_integer(_OWNER, "batch_size", batch_size, example=256)
    identity = encoder_identity(encoder, name, version, _OWNER)
    target = _default_folder() if folder is None else Path(folder)
    column = from_arrow(column, _OWNER)
    values = _values(column)
    contents = [None if value is None else _content(value) for value in values]
    cache = VectorCache(target / f"{identity}.parquet", _OWNER)
    make_folder(target, _OWNER)
    in_file, rows_in_file = cache.read()
    vectors = dict(zip(in_file, rows_in_file, strict=True))
    missing = {
        content: value
        for content, value in zip(contents, values, strict=True)
        if content is not None and content not in vectors
    }
    vectors |= _encoded(missing, encoder, batch_size, rows_in_file.shape[1] or None, cache, on_progress)
    rows = np.empty(len(values), dtype=object)
    rows[:] = [None if content is None else vectors[content] for content in contents]
    of_pandas = hasattr(column, "isna")
    index = getattr(column, "index", None) if of_pandas else None
    return pd.Series(rows, index=index, name=getattr(column, "name", None) if of_pandas else None)


def _default_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "reciperec_layers" / "vectors"


def _values(column: Any) -> list[Any]:
    """Returns the values of a column as Python objects, `None` for those that are missing or empty text."""
    if has_named_columns(column):
        texts = [value_texts(column[name], _OWNER, str(name)) for name in list(column.keys())]
        return ["\n".join(filter(None, row)) or None for row in zip(*texts, strict=True)]
    if isinstance(column, (str, bytes)):
        fix = "Put the value into a list"
        raise ArgumentTypeError(explain(_OWNER, "a column is needed, not a single value", column=column, fix=fix))
    values = column.tolist() if hasattr(column, "tolist") else list(column)
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    other = [value for value in values if not isinstance(value, (str, int, float)) and not is_missing(value)]
    if other:
        types = ", ".join(sorted({type(value).__name__ for value in other}))
        problem = (
            f"{len(other)} of {len(values)} values are neither text nor numbers but {types}: {describe_ids(other)}"
        )
        raise ArgumentTypeError(explain(_OWNER, problem, fix="Convert them to text, which the encoder then gets"))
    return [None if is_missing(value) or value == "" else value for value in values]


def _content(value: Any) -> str:
    text = f"{type(value).__name__} {value}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _encoded(
    missing: dict[str, Any],
    encoder: Callable[[list[Any]], Any],
    batch_size: int,
    dim: int | None,
    cache: VectorCache,
    on_progress: Callable[[int, int], object] | None,
) -> dict[str, np.ndarray]:
    contents, values = list(missing), list(missing.values())
    vectors: list[np.ndarray] = []
    num_written, written_at = 0, time.monotonic()
    try:
        for start in range(0, len(values), batch_size):
            encoded = _vectors(encoder, values[start : start + batch_size], dim)
            dim = encoded.shape[1]
            vectors.extend(encoded)
            if on_progress is not None:
                on_progress(len(vectors), len(values))
            if time.monotonic() - written_at > _SECONDS_BETWEEN_WRITES:
                cache.add(contents[num_written : len(vectors)], np.stack(vectors[num_written:]))
                num_written, written_at = len(vectors), time.monotonic()
    finally:  # what an interrupted run has computed is not lost
        if len(vectors) > num_written:
            cache.add(contents[num_written : len(vectors)], np.stack(vectors[num_written:]))
    return dict(zip(contents, vectors, strict=True))


def _vectors(encoder: Callable[[Any], Any], batch: list[Any], dim: int | None) -> np.ndarray:
    is_plain_layer = isinstance(encoder, keras.layers.Layer) and not isinstance(encoder, Encoder)
    result: Any = encoder(to_tensor(batch, _OWNER, "column") if is_plain_layer else batch)
    if hasattr(result, "detach"):  # a tensor of PyTorch
        result = result.detach().cpu()
    try:
        vectors = np.asarray(result, dtype=np.float32)
    except (TypeError, ValueError):  # of unequal lengths, or not numbers
        vectors = np.zeros(0, np.float32)
    if vectors.ndim != 2 or vectors.shape[0] != len(batch) or not vectors.size or dim not in (None, vectors.shape[1]):
        expected = f"({len(batch)}, {'dim' if dim is None else dim})"
        problem = f"the encoder must return numbers of shape {expected} for {len(batch)} values"
        fix = "Return one vector for each value, of one length; an encoder that has changed needs another version="
        raise ArgumentError(explain(_OWNER, problem, returned=result, fix=fix))
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        first = describe_ids([batch[row] for row in np.flatnonzero(bad)])
        problem = f"{bad.sum()} of {len(batch)} vectors are not finite, those of {first}"
        raise ArgumentError(explain(_OWNER, problem, fix="Leave these values out, or mend the encoder"))
    return vectors
