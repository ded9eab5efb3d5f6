"""What a model was last called with, and the function that a saved folder has for such inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.tfrs.models.input_specs import spec_of_batch


class ServedCall:
    """The specs of a model's last inputs, `None` before there were any.

    Example:
        >>> served = ServedCall()
        >>> served.note({"minutes": tf.constant([10.0, 20.0])})
        >>> served.specs
        {'minutes': TensorSpec(shape=(None,), dtype=tf.float32, name='minutes')}
    """

    def __init__(self) -> None:
        self.specs: Any = None
        self._function: Any = None

    def note(self, inputs: Any) -> None:
        """Takes the specs of inputs, for any number of rows.

        Args:
            inputs: Structure of tensors or arrays. One with symbolic tensors of Keras or `None` in it is not noted.
        """
        if any(leaf is None or isinstance(leaf, keras.KerasTensor) for leaf in tf.nest.flatten(inputs)):
            return
        specs = _named(tf.nest.map_structure(spec_of_batch, inputs))
        if specs != self.specs:
            self.specs, self._function = specs, None

    def function(self, call: Callable[..., Any]) -> Any:
        """Returns a `tf.function` for such inputs, or `None` where there were none.

        Args:
            call: The model's call, with an argument `training`.
        """
        if self._function is None and self.specs is not None:
            self._function = tf.function(lambda inputs: call(inputs, training=False), input_signature=[self.specs])
        return self._function


def _named(specs: Any) -> Any:
    """Returns specs with the names of their columns, which become those of the signature."""
    if not isinstance(specs, dict):
        return specs
    is_plain = {name: isinstance(spec, tf.TensorSpec) for name, spec in specs.items()}
    return {
        name: tf.TensorSpec(spec.shape, spec.dtype, name) if is_plain[name] else spec for name, spec in specs.items()
    }
