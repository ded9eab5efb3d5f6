"""ChangeCounter: counts changes of a layer's weights, whatever changes them.

TensorFlow's variables have no version, and comparing a large table costs as much as encoding with it. So the methods
that change a variable count: `assign` and its kin, which Keras's `set_weights`, `Variable.assign` and every Keras
optimizer call in the end. In a graph the count is part of the graph, so that it also goes up when another model trains
a shared layer.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable
from typing import Any
from weakref import ref

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable  # those of one device

_CHANGES = (
    "assign",
    "assign_add",
    "assign_sub",
    "batch_scatter_update",
    "scatter_add",
    "scatter_div",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_nd_add",
    "scatter_nd_max",
    "scatter_nd_min",
    "scatter_nd_sub",
    "scatter_nd_update",
    "scatter_sub",
    "scatter_update",
    "_restore_from_tensors",  # by which `tf.train.Checkpoint` writes
)


class ChangeCounter:
    """Counts the changes of the weights of layers, and of variables.

    Seen are all changes by methods of the variables: `layer.set_weights`, `load_weights`, `weight.assign(...)`,
    `tf.train.Checkpoint`, training by this or another model, eagerly or in a graph that was traced after the watch
    began. Not seen are raw operations on a variable's handle, and graphs that were traced before. Weights that a
    `tf.distribute` strategy mirrors cannot be watched and count as changed at every look.

    Args:
        *watched: Layers and TensorFlow variables. Weights that a layer creates later are watched from then on.

    Example:
        >>> layer = keras.layers.Dense(1)
        >>> layer.build((None, 2))
        >>> weights = ChangeCounter(layer)
        >>> before = weights.version()
        >>> before == weights.version()
        True
        >>> _ = layer.bias.assign([3.0])
        >>> before == weights.version()
        False
    """

    def __init__(self, *watched: keras.layers.Layer | tf.Variable) -> None:
        self._given = watched
        self._num_changes = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._watched: dict[int, Any] = {}  # the weights by id(), which stays valid while they are held here
        self._can_watch_all = True
        self._watching = threading.Lock()
        self._watch()

    def version(self) -> object:
        """Returns a version that equals an earlier one only if no weight has changed since."""
        self._watch()
        if not self._can_watch_all:
            return object()
        # The variable's own method takes three times as long.
        return int(tf.raw_ops.ReadVariableOp(resource=self._num_changes.handle, dtype=tf.int64))

    def count(self) -> tf.Tensor | None:
        """Returns the number of changes as part of a graph, int64; `None` where a weight cannot be watched."""
        self._watch()
        return self._num_changes.read_value() if self._can_watch_all else None

    def digest(self) -> str:
        """Returns a hash of all weights, the same in every process: 32 hexadecimal digits."""
        digest = hashlib.sha256()
        for weight in self._weights():
            values = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
            digest.update(f"{values.dtype}:{values.shape};".encode())
            digest.update(values.data if values.dtype.kind in "biuf" else values.tobytes())
        return digest.hexdigest()[:32]

    def _weights(self) -> list[Any]:
        given = (each.weights if isinstance(each, keras.layers.Layer) else [each] for each in self._given)
        return [weight for weights in given for weight in weights]

    def _watch(self) -> None:
        weights = self._weights()
        if all(id(weight) in self._watched for weight in weights):
            return
        with self._watching:
            for weight in weights:
                if id(weight) not in self._watched:
                    self._num_changes.assign_add(1)  # a new weight was created since
                    variable = weight if isinstance(weight, tf.Variable) else weight.value
                    self._can_watch_all &= _count_changes(variable, self._num_changes)
                    self._watched[id(weight)] = weight


def _count_changes(variable: Any, counter: tf.Variable) -> bool:
    """Makes a variable count its changes, and returns whether that is possible."""
    if not isinstance(variable, BaseResourceVariable):
        return False
    if hasattr(variable.handle, "_distributed_container"):
        return False  # the component of a mirrored variable on one device: each replica would count for itself
    if not hasattr(variable, "_change_counters"):
        variable._change_counters = []
        cls: Any = type(variable)
        variable.__class__ = _counting(cls)
    alive = [known for known in variable._change_counters if known() is not None]
    variable._change_counters = [*alive, ref(counter)]
    return True


@functools.cache
def _counting(cls: type) -> type:
    """Returns a subclass that counts changes. It adds no state, so that existing objects can switch to it."""

    def counted(name: str) -> Callable[..., Any]:
        change = getattr(cls, name)

        @functools.wraps(change)
        def changed(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = change(self, *args, **kwargs)
            for known in self._change_counters:
                if (counter := known()) is not None:
                    counter.assign_add(1, read_value=False)
            return result

        return changed

    methods = {name: counted(name) for name in _CHANGES if hasattr(cls, name)}
    return type(cls.__name__, (cls,), {"__module__": cls.__module__, **methods})
