"""DotInteraction: products of all pairs of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.layers.feature_crosses import keras_rs_layers
from reciperec_layers.saving.keras_names import register_name


class DotInteraction(keras.layers.Layer):
    """Inner products of all pairs of features of a row, as in DLRM.

    Computed by `keras_rs.layers.DotInteraction`, which the extra `cross` installs.

    Args:
        self_interaction: Whether the product of a feature with itself is one of them.
        skip_gather: Whether all pairs have a place, those that are left out with 0; this is faster.
        name: Name of the layer.
        **kwargs: As for every Keras layer.

    Call arguments:
        inputs: List of `n` tensors, floats of shape `(batch, dim)`.

    Returns:
        Floats of shape `(batch, n * (n - 1) / 2)`; with `self_interaction` `(batch, n * (n + 1) / 2)`, and with
        `skip_gather` `(batch, n * n)`.

    Raises:
        ArgumentError: The tensors have other shapes than the first.
        MissingExtraError: keras-rs is not installed.

    Example:
        >>> DotInteraction()([keras.ops.array([[1.0, 2.0]]), keras.ops.array([[3.0, 4.0]])]).numpy()
        array([[11.]], dtype=float32)

    Source:
        Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation Systems", 2019,
        section 2.1.3; `tfrs.layers.feature_interaction.DotInteraction` of TensorFlow Recommenders 0.7.7.
    """

    def __init__(
        self, self_interaction: bool = False, skip_gather: bool = False, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self._interaction = keras_rs_layers("DotInteraction").DotInteraction(
            self_interaction=self_interaction, skip_gather=skip_gather, dtype=self.dtype_policy
        )

    def build(self, input_shape: Any) -> None:
        self._interaction.built = True

    def call(self, inputs: Sequence[Any]) -> Any:
        shapes = {tuple(each.shape[1:]) for each in inputs}
        if len(shapes) != 1:
            problem, fix = "input tensors` dimensions must be equal", "Pass features of one size"
            raise ArgumentError(explain("DotInteraction", problem, shapes=[each.shape for each in inputs], fix=fix))
        return self._interaction(list(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._interaction.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self._interaction, name) for name in ("self_interaction", "skip_gather")}
        return {**super().get_config(), **own}


register_name(DotInteraction, "tfrs.DotInteraction", "reciperec_layers")
