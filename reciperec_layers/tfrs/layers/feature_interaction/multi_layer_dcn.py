"""MultiLayerDCN: a whole deep and cross network of low rank."""

from __future__ import annotations

from typing import Any

import keras

from reciperec_layers.arguments import check_integer
from reciperec_layers.layers.feature_crosses import feature_cross
from reciperec_layers.saving.keras_names import register_name
from reciperec_layers.tfrs.layers.feature_interaction.layer_options import resolved_options, serialized_options


class MultiLayerDCN(keras.layers.Layer):
    """Several cross layers in a row: `x_{l+1} = x_0 * (V_l U_l x_l + b_l) + x_l`.

    Computed by `keras_rs.layers.FeatureCross`, which the extra `cross` installs.

    Args:
        projection_dim: Rank of each `V_l U_l`, >= 1.
        num_layers: Number of layers, >= 1.
        use_bias: Whether there are biases.
        kernel_initializer: Of the matrices.
        bias_initializer: Of the biases.
        kernel_regularizer: Of the matrices.
        bias_regularizer: Of the biases.
        **kwargs: As for every Keras layer.

    Call arguments:
        x0: Floats of shape `(batch, dim)`.

    Returns:
        Floats of shape `(batch, dim)`.

    Raises:
        ArgumentError: A number is not positive.
        MissingExtraError: keras-rs is not installed.

    Example:
        >>> MultiLayerDCN(num_layers=1, kernel_initializer="ones")(keras.ops.array([[0.1, 0.2]])).numpy().round(2)
        array([[0.13, 0.26]], dtype=float32)

    Source:
        Wang et al., "DCN V2", 2021, equation 2; `tfrs.layers.feature_interaction.MultiLayerDCN` of TensorFlow
        Recommenders 0.7.7.
    """

    def __init__(
        self,
        projection_dim: int = 1,
        num_layers: int = 3,
        use_bias: bool = True,
        kernel_initializer: Any = "truncated_normal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._num_layers = check_integer("MultiLayerDCN", "num_layers", num_layers, example=3)
        self._options = resolved_options(
            projection_dim=check_integer("MultiLayerDCN", "projection_dim", projection_dim, example=8),
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
        )

    def build(self, input_shape: Any) -> None:
        options = {**self._options, "dtype": self.dtype_policy}
        self.crosses = [feature_cross("MultiLayerDCN", input_shape[-1], **options) for _ in range(self._num_layers)]

    def call(self, x0: Any) -> Any:
        x = x0
        for cross in self.crosses:
            x = cross(x0, x)
        return x

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_layers": self._num_layers, **serialized_options(self._options)}


register_name(MultiLayerDCN, "tfrs.MultiLayerDCN", "reciperec_layers")
