"""Batches of interactions as a `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from reciperec_layers.columns import require_column
from reciperec_layers.data.checks import check_frame, check_integer
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain
from reciperec_layers.tensors import num_rows, to_tensors

_OWNER = "batches"


def batches(
    data: pd.DataFrame | Mapping[str, Any],
    batch_size: int,
    *,
    columns: Iterable[str] | None = None,
    seed: int | None = None,
    initial_epoch: int = 0,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Returns a dataset of batches, each a dict of tensors by column name.

    With a seed the rows are shuffled anew in each epoch, without one they stay in order. The order of an epoch is
    `numpy.random.default_rng([seed, epoch]).permutation(num_rows)`, in every process and after a restart. Iterations
    count as epochs from `initial_epoch` on, whether they run to the end or not. A shuffled dataset has a method
    `set_epoch(epoch)`, by which `RetrievalModel.fit` says which epoch comes next; one that is made from it, as by
    `map`, only counts.

    Args:
        data: Interactions, at least one row, or a mapping from names to columns of one length, where an entry may
            also be a tensor of any rank.
        batch_size: Rows of a batch, at least 1.
        columns: Columns to take; by default all but datetimes and durations.
        seed: Non-negative integer to shuffle, `None` to keep the order.
        initial_epoch: Epoch of the first iteration.
        drop_remainder: Whether the last batch is left out when it has fewer rows.

    Returns:
        Dataset of dicts. Integers are int64, floats float32, text tf.string; each tensor has shape `(batch, ...)`.
        Its cardinality is known.

    Raises:
        ColumnError: There is no such column, or two have its name.
        IdError: Text or an integer is missing.
        ArgumentTypeError: A column cannot become a tensor; leave it out by `columns`.
        ArgumentError: No rows, no columns, columns of different lengths, or a number out of range.

    Example:
        >>> frame = pd.DataFrame({"user_id": [7, 9, 7], "recipe_id": ["soup", "pie", "stew"]})
        >>> for batch in batches(frame, batch_size=2):
        ...     print(batch["user_id"].numpy(), batch["recipe_id"].numpy())
        [7 9] [b'soup' b'pie']
        [7] [b'stew']
    """
    tensors = to_tensors(_select(data, columns), _OWNER)
    _refuse_sparse(tensors)
    rows = num_rows(next(iter(tensors.values())))
    if not rows:
        raise ArgumentError(explain(_OWNER, "at least one row is needed", data=data, fix="Check how data were read"))
    check_integer(batch_size, "batch_size", _OWNER)
    num_batches = rows // batch_size if drop_remainder else -(-rows // batch_size)
    if not num_batches:
        problem = f"`drop_remainder` leaves no batch of {rows} rows"
        raise ArgumentError(explain(_OWNER, problem, batch_size=batch_size, fix="Use a smaller batch_size"))

    def gather(batch: tf.Tensor, order: tf.Tensor | None = None) -> dict[str, Any]:
        start = batch * batch_size
        stop = tf.minimum(start + batch_size, rows)
        chosen = tf.range(start, stop) if order is None else order[start:stop]
        if drop_remainder:
            chosen = tf.ensure_shape(chosen, [batch_size])
        return {name: tf.gather(tensor, chosen) for name, tensor in tensors.items()}

    numbers = tf.data.Dataset.range(num_batches)
    if seed is None:
        return numbers.map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    check_integer(seed, "seed", _OWNER, low=0)
    orders = _Orders(rows, seed, check_integer(initial_epoch, "initial_epoch", _OWNER, low=0))

    def epoch_batches(_: tf.Tensor) -> tf.data.Dataset:
        order = tf.ensure_shape(tf.numpy_function(orders.next, [], tf.int64), [rows])
        return numbers.map(lambda batch: gather(batch, order), num_parallel_calls=tf.data.AUTOTUNE)

    # Row numbers are shuffled and whole batches gathered: handling rows one by one is twenty times slower.
    dataset = tf.data.Dataset.range(1).flat_map(epoch_batches)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches)).prefetch(tf.data.AUTOTUNE)
    dataset.set_epoch = orders.set_epoch
    return dataset


class _Orders:
    """The order of rows in each epoch, and which epoch is next."""

    def __init__(self, rows: int, seed: int, epoch: int) -> None:
        self._rows, self._seed, self._epoch = rows, seed, epoch

    def set_epoch(self, epoch: int) -> None:
        """Makes the next iteration this epoch."""
        self._epoch = check_integer(epoch, "epoch", "batches.set_epoch", low=0)

    def next(self) -> np.ndarray:
        # Counted first: iterations side by side run this in threads of their own.
        epoch, self._epoch = self._epoch, self._epoch + 1
        return np.random.default_rng([self._seed, epoch]).permutation(self._rows)


def _select(data: Any, columns: Iterable[str] | None) -> pd.DataFrame | dict[str, Any]:
    if not isinstance(data, Mapping):
        check_frame(data, _OWNER)
    names = [require_column(data.keys(), name, _OWNER) for name in (data.keys() if columns is None else columns)]
    if columns is None:
        names = [name for name in names if not _is_time(data[name])]
    if not names:
        fix = "Name columns of numbers or text"
        raise ArgumentError(explain(_OWNER, "no columns are left", data=data, columns=columns, fix=fix))
    return {name: data[name] for name in names}


def _is_time(column: Any) -> bool:
    return getattr(getattr(column, "dtype", None), "kind", None) in ("M", "m")


def _refuse_sparse(tensors: dict[str, Any]) -> None:
    sparse = [name for name, tensor in tensors.items() if isinstance(tensor, tf.SparseTensor)]
    if sparse:
        fix = "Pass a ragged tensor, for example by tf.RaggedTensor.from_sparse"
        raise ArgumentTypeError(explain(_OWNER, f"rows of a sparse tensor cannot be chosen: {sparse}", fix=fix))
