"""Batches of Parquet files: one window of rows is in use while the next one is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.batching.epochs import Epochs
from reciperec_layers.batching.gathered_batches import gathered_batches
from reciperec_layers.batching.parquet import ParquetRows
from reciperec_layers.batching.tensor_arrays import rows_of_arrow, shape_of_rows
from reciperec_layers.batching.windows import Windows
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, IdError
from reciperec_layers.graph.graph_errors import carried


def window_batches(
    rows: ParquetRows, epochs: Epochs | None, window: int, batch_size: int, drop_remainder: bool
) -> tf.data.Dataset:
    """Returns a dataset of batches; each iteration is an epoch.

    Args:
        rows: The files.
        epochs: Which epoch comes next; `None` for the order of the files.
        window: Rows within which rows are shuffled.
        batch_size: Rows of a batch.
        drop_remainder: Whether the last batch is left out when it has fewer rows.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import pandas as pd
        >>> path = Path(tempfile.mkdtemp()) / "interactions.parquet"
        >>> pd.DataFrame({"recipe_name": ["soup", "pie", "stew"]}).to_parquet(path)
        >>> rows = ParquetRows(path, None, "batches")
        >>> [batch["recipe_name"].numpy().tolist() for batch in window_batches(rows, None, 10, 2, False)]
        [[b'soup', b'pie'], [b'stew']]
    """
    forms = {field.name: shape_of_rows(field.type) for field in rows.schema}

    def epoch() -> Iterator[Any]:
        # Not inside the generator, so that an epoch counts as soon as its iteration begins.
        random = None if epochs is None else epochs.next()
        return _arrays(Windows(rows, random, window, batch_size))

    @tf.autograph.experimental.do_not_convert
    def batches_of(order: tf.Tensor, columns: dict[str, tuple[tf.Tensor, ...]]) -> tf.data.Dataset:
        def rows_at(chosen: tf.Tensor) -> dict[str, tf.Tensor]:
            return {name: _gather(columns[name], chosen) for name in forms}

        size = tf.size(order, tf.int64)
        return gathered_batches(rows_at, lambda start, stop: order[start:stop], size, batch_size, drop_remainder)

    vector = tf.TensorSpec([None], tf.int64)
    columns = {
        name: (tf.TensorSpec([], tf.string), vector) if _is_text(dtype) else (tf.TensorSpec([None, *shape], dtype),)
        for name, (shape, dtype) in forms.items()
    }
    # Only TensorFlow's `from_generator` learns that an iteration ended early, and then closes the files.
    windows = tf.data.Dataset.from_generator(epoch, output_signature=(vector, columns))
    return windows.prefetch(1).flat_map(batches_of)


def _arrays(windows: Windows) -> Iterator[Any]:
    try:
        yield from map(_window_arrays, windows)
    except (ArgumentError, ArgumentTypeError, IdError) as error:
        raise carried(error) from None


def _window_arrays(window: tuple[np.ndarray, Any]) -> tuple[np.ndarray, dict[str, tuple[Any, ...]]]:
    order, table = window
    return order, {name: _column_arrays(table[name]) for name in table.column_names}


def _column_arrays(column: Any) -> tuple[Any, ...]:
    """Returns a column's values; for text, all bytes in one string and the offsets of the texts in it."""
    shape, dtype = shape_of_rows(column.type)
    if shape or not _is_text(dtype):
        return (rows_of_arrow(column),)
    texts, offsets, end = [], [np.zeros(1, np.int64)], 0
    for chunk in column.chunks:
        _, bounds, content = chunk.buffers()
        bounds = np.frombuffer(bounds, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        first, last = bounds[[0, -1]].tolist()
        if last > first:  # Arrow may omit the buffer if all texts are empty
            texts.append(memoryview(content)[first:last])
        offsets.append(bounds[1:] + (end - first))
        end += last - first
    return b"".join(texts), np.concatenate(offsets)


def _is_text(dtype: Any) -> bool:
    return dtype is np.object_


def _gather(parts: tuple[tf.Tensor, ...], chosen: tf.Tensor) -> tf.Tensor:
    if len(parts) == 1:
        return tf.gather(parts[0], chosen)
    texts, offsets = parts
    starts = tf.gather(offsets, chosen)
    return tf.strings.substr(texts, starts, tf.gather(offsets, chosen + 1) - starts)
