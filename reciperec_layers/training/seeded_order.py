"""Columns for `fit` as batches whose order follows from a seed."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from reciperec_layers.batching.batch_datasets import make_batches
from reciperec_layers.columns.tensors import num_rows
from reciperec_layers.training.fit_arguments import BATCH_SIZE, training_size

_WEIGHTS = "\0sample_weight"  # no column has this name
# Ids of a batch: a twentieth of all, so that an epoch has steps enough; with fewer than 64 the products are slow, and
# an epoch is to have eight steps even so.
_LEAST_IDS, MOST_IDS, _IDS_SHARE, _LEAST_STEPS = 64, 128, 20, 8


def in_seeded_order(
    x: dict[str, Any],
    options: dict[str, Any],
    seed: int,
    owner: str,
    by: str | None = None,
    most_ids: int = MOST_IDS,
) -> tuple[Any, dict[str, Any]]:
    """Returns `x` for `keras.Model.fit`, and its other arguments by name.

    The order of an epoch is that of `data.batches` with this seed. With `steps_per_epoch` the rows come again as often
    as these steps need, each time in the next order. Without `shuffle` it is that of the rows, and where a column is
    sparse it is Keras's.

    Args:
        x: Tensors by column.
        options: Arguments by name.
        seed: Seed of the order.
        owner: Name of the caller, for messages.
        by: Column of ids whose rows stay together, as for `data.batches`; `None` for rows of their own.
        most_ids: How many of these ids a batch has at most where its size is not given.

    Example:
        >>> x, options = in_seeded_order({"user_id": tf.range(9)}, {"batch_size": 4}, 1, "RetrievalModel.fit")
        >>> [len(batch["user_id"]) for batch in x], options
        ([4, 4, 1], {'shuffle': False})
    """
    options = dict(options)
    is_shuffled = options.get("shuffle", True)
    if (by is None and not is_shuffled) or any(isinstance(column, tf.SparseTensor) for column in x.values()):
        return x, options
    weights, batch_size = options.pop("sample_weight", None), options.pop("batch_size", None)
    batch_size = batch_size or _batch_size(_num_groups(x, by), by, most_ids)
    columns = x if weights is None else {**x, _WEIGHTS: tf.convert_to_tensor(weights)}
    size = training_size(x, options)
    options.pop("validation_split", None)
    if size < num_rows(next(iter(x.values()))):
        options["validation_data"] = _parts({name: column[size:] for name, column in columns.items()})
        options.setdefault("validation_batch_size", batch_size)
        columns = {name: column[:size] for name, column in columns.items()}
    first = options.get("initial_epoch", 0)
    batches = make_batches(columns, batch_size, None, seed if is_shuffled else None, first, 1, False, by, owner)
    set_epoch = getattr(batches, "set_epoch", None)
    if weights is not None:
        batches = batches.map(_parts)
    if options.get("steps_per_epoch"):
        batches = batches.repeat()  # one iterator for all of them: to make one takes as long as 20 small steps
    if set_epoch is not None:
        batches.set_epoch = set_epoch
    return batches, {**options, "shuffle": False}


def _num_groups(columns: dict[str, Any], by: str | None) -> int:
    return num_rows(next(iter(columns.values()))) if by is None else len(tf.unique(columns[by])[0])


def _batch_size(num_groups: int, by: str | None, most_ids: int) -> int:
    if by is None:
        return BATCH_SIZE
    least = min(_LEAST_IDS, max(num_groups / _LEAST_STEPS, 1))
    return 2 ** round(math.log2(min(max(num_groups / _IDS_SHARE, least), most_ids)))


def _parts(columns: dict[str, Any]) -> tuple[Any, ...]:
    """Returns features, targets and weights, as far as there are any."""
    features = {name: column for name, column in columns.items() if name != _WEIGHTS}
    weights = columns.get(_WEIGHTS)
    return (features,) if weights is None else (features, tf.zeros_like(weights, tf.float32), weights)
