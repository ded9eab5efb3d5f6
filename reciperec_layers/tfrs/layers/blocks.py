"""MLP: dense layers, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from reciperec_layers.saving.keras_names import register_name


class MLP(keras.layers.Layer):
    """Dense layers, one after the other; their weights are made by the first call.

    Args:
        units: Sizes of the layers.
        use_bias: Whether they have biases.
        activation: Of all layers but the last.
        final_activation: Of the last layer.
        **kwargs: As for every Keras layer.

    Call arguments:
        x: Floats of shape `(..., dim)`.

    Returns:
        Floats of shape `(..., units[-1])`.

    Example:
        >>> MLP([8, 2], final_activation="sigmoid")(keras.ops.ones((3, 4))).shape.as_list()
        [3, 2]

    Source:
        `tfrs.layers.blocks.MLP` of TensorFlow Recommenders 0.7.7, which forgets its arguments when it is saved.
    """

    def __init__(
        self,
        units: Sequence[int],
        use_bias: bool = True,
        activation: Any = "relu",
        final_activation: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._config: dict[str, Any] = {"units": list(units), "use_bias": bool(use_bias)}
        self._activation = keras.activations.get(activation)
        self._final_activation = keras.activations.get(final_activation)
        activations = [self._activation] * (len(units) - 1) + [self._final_activation]
        self._dense = [
            keras.layers.Dense(size, activation=each, use_bias=use_bias, dtype=self.dtype_policy)
            for size, each in zip(units, activations, strict=True)
        ]

    def build(self, input_shape: Any) -> None:
        for layer in self._dense:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, x: Any) -> Any:
        for layer in self._dense:
            x = layer(x)
        return x

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (*input_shape[:-1], self._config["units"][-1])

    def get_config(self) -> dict[str, Any]:
        activation = keras.activations.serialize(self._activation)
        final = keras.activations.serialize(self._final_activation)
        return {**super().get_config(), **self._config, "activation": activation, "final_activation": final}


register_name(MLP, "tfrs.MLP", "reciperec_layers")
