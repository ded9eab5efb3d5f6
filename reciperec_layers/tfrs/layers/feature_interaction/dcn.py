"""Cross: one layer of a deep and cross network."""

from __future__ import annotations

from typing import Any

import keras

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.layers.feature_crosses import feature_cross
from reciperec_layers.saving.keras_names import register_name
from reciperec_layers.tfrs.layers.feature_interaction.layer_options import resolved_options, serialized_options


class Cross(keras.layers.Layer):
    """Multiplies features with a linear function of features: `x0 * (W x + b + diag_scale * x) + x`.

    Computed by `keras_rs.layers.FeatureCross`, which the extra `cross` installs.

    Args:
        projection_dim: Rank of `W`, which makes it a product of two narrow matrices; `None` for full rank.
        diag_scale: What is added to the diagonal of `W`; a number >= 0.
        use_bias: Whether there is a `b`.
        preactivation: Keras activation of `W x + b`.
        kernel_initializer: Of `W`.
        bias_initializer: Of `b`.
        kernel_regularizer: Of `W`.
        bias_regularizer: Of `b`.
        **kwargs: As for every Keras layer.

    Call arguments:
        x0: Floats of shape `(batch, dim)`: the features.
        x: Of the same shape: the output of the layer before; by default `x0`.

    Returns:
        Floats of shape `(batch, dim)`.

    Raises:
        ArgumentError: `diag_scale` is negative, or the two inputs have other sizes.
        MissingExtraError: keras-rs is not installed.

    Example:
        >>> Cross(kernel_initializer="ones")(keras.ops.array([[0.1, 0.2]])).numpy().round(2)
        array([[0.13, 0.26]], dtype=float32)

    Source:
        Wang et al., "DCN V2", 2021, equations 1 and 2; `tfrs.layers.dcn.Cross` of TensorFlow Recommenders 0.7.7.
    """

    def __init__(
        self,
        projection_dim: int | None = None,
        diag_scale: float | None = 0.0,
        use_bias: bool = True,
        preactivation: Any = None,
        kernel_initializer: Any = "truncated_normal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if diag_scale is not None and diag_scale < 0:
            problem = "`diag_scale` should be non-negative"
            raise ArgumentError(explain("Cross", problem, diag_scale=diag_scale, fix="Use 0 or more"))
        self._options = resolved_options(
            projection_dim=projection_dim,
            diag_scale=diag_scale,
            use_bias=use_bias,
            preactivation=preactivation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
        )

    def build(self, x0_shape: Any, x_shape: Any = None) -> None:
        options = {**self._options, "pre_activation": self._options["preactivation"], "dtype": self.dtype_policy}
        del options["preactivation"]
        self.cross = feature_cross("Cross", x0_shape[-1], **options)

    def call(self, x0: Any, x: Any = None) -> Any:
        if x is not None and x0.shape[-1] != x.shape[-1]:
            problem = "`x0` and `x` dimension mismatch"
            raise ArgumentError(explain("Cross", problem, x0=x0, x=x, fix="Pass two of one size"))
        return self.cross(x0, x0 if x is None else x)

    # By these names the tutorial on DCN reads the weights: one layer, or with a projection two.
    _dense = property(lambda self: self.cross.dense)
    _dense_u = property(lambda self: self.cross.down_proj_dense)
    _dense_v = property(lambda self: self.cross.dense)

    def compute_output_shape(self, x0_shape: Any, x_shape: Any = None) -> Any:
        return x0_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **serialized_options(self._options)}


register_name(Cross, "tfrs.Cross", "reciperec_layers")
