"""Hash tables that are freed."""

from __future__ import annotations

import weakref
from typing import Any

import tensorflow as tf
from tensorflow.python.eager.context import eager_mode  # as TensorFlow's own resources are freed


def static_hash_table(keys: Any, values: tf.Tensor, default: int) -> tf.lookup.StaticHashTable:
    """Returns a table from ids to rows that is freed with the last graph and object that uses it.

    TensorFlow keeps a table under its name for ever. It has tables without a name, too, but servers that load an
    exported model into a session cannot read them.

    Args:
        keys: Ids without repeats, int64 or text of shape `(n,)`.
        values: int64 of shape `(n,)`.
        default: Value of other ids.

    Example:
        >>> table = static_hash_table(tf.constant(["pie"]), tf.constant([7], tf.int64), -1)
        >>> table.lookup(tf.constant(["soup", "pie"])).numpy().tolist()
        [-1, 7]
    """
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default_value=default)
    handle = table.resource_handle
    attributes = {"shared_name": table._shared_name, "key_dtype": table.key_dtype, "value_dtype": table.value_dtype}
    # Graphs hold the handle, not the table.
    weakref.finalize(handle, _free, handle.device, attributes).atexit = False
    return table


def _free(device: str, attributes: dict[str, Any]) -> None:
    # The last reference may go while a graph is being built, whose lock is taken then.
    with eager_mode(), tf.device(device):
        tf.raw_ops.DestroyResourceOp(resource=tf.raw_ops.HashTableV2(**attributes), ignore_lookup_error=True)
