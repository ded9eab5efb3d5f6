"""MLP: a stack of dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.layers.resumable_dropout import ResumableDropout
from reciperec_layers.saving.keras_names import serializable


@serializable
class MLP(keras.layers.Layer):
    """A multi-layer perceptron: `Dense` layers with an activation, then a linear output.

    Args:
        input_dim: Size of the last axis of the inputs, >= 1; the weights are built in the constructor.
        output_dim: Size of the last axis of the output, >= 1.
        hidden_units: Sizes of the hidden layers, in order; if empty, the layer is linear.
        activation: Keras activation of the hidden layers.
        dropout: Share of hidden values set to 0 in training, in [0, 1).
        seed: Seed of the initial weights and of dropout.
        name: Name of the layer.
        **kwargs: `dtype` and `trainable`, as for every Keras layer.

    Call arguments:
        inputs: Float tensor of shape `(..., input_dim)`; all axes but the last may be ragged.
        training: Whether dropout applies.

    Returns:
        Float tensor of shape `(..., output_dim)`.

    Raises:
        ArgumentError: A size is not a positive integer, `hidden_units` is not a list, or `dropout` is out of range.

    Example:
        >>> MLP(8, 4, hidden_units=(16,))(keras.ops.ones((2, 8))).shape.as_list()
        [2, 4]
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        hidden_units: Sequence[int] = (64,),
        activation: Any = "relu",
        dropout: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        input_dim = check_integer("MLP", "input_dim", input_dim, example=32)
        output_dim = check_integer("MLP", "output_dim", output_dim, example=32)
        if not isinstance(hidden_units, (list, tuple)):
            problem = "`hidden_units` must be a list of positive integers"
            raise ArgumentError(explain("MLP", problem, hidden_units=hidden_units, fix="Use for example (64,)"))
        hidden_units = tuple(check_integer("MLP", "hidden_units", units, example=(64,)) for units in hidden_units)
        dropout = check_number("MLP", "dropout", dropout, least=0, below=1, example=0.1)
        seed = check_integer("MLP", "seed", seed, least=0, optional=True)
        super().__init__(name=name, **kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.hidden_units = hidden_units
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.seed = seed
        self.dense = self._make_dense()
        self._drop = ResumableDropout(self.dropout, seed=seed, dtype=self.dtype_policy) if self.dropout else None
        self.built = True

    @property
    def deterministic(self) -> bool:
        """Whether the output is the same in training: there is no dropout."""
        return not self.dropout

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if isinstance(inputs, tf.RaggedTensor):
            return inputs.with_flat_values(self.call(inputs.flat_values, training=training))
        for layer in self.dense[:-1]:
            inputs = layer(inputs)
            if self._drop is not None:
                inputs = self._drop(inputs, training=training)
        return self.dense[-1](inputs)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "hidden_units": list(self.hidden_units),
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "seed": self.seed,
        }

    def _make_dense(self) -> list[keras.layers.Dense]:
        sizes = (self.input_dim, *self.hidden_units, self.output_dim)
        layers = []
        for index, (inner, outer) in enumerate(pairwise(sizes)):
            initializer = keras.initializers.GlorotUniform(None if self.seed is None else self.seed + index)
            activation = self.activation if index < len(self.hidden_units) else None
            layer = keras.layers.Dense(outer, activation, kernel_initializer=initializer, dtype=self.dtype_policy)
            layer.build((None, inner))
            layers.append(layer)
        return layers
