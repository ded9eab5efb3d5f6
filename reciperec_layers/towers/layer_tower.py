"""LayerTower: any Keras layer or model as a tower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from reciperec_layers.columns import require_column
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.serialization import serializable
from reciperec_layers.towers.tower import Tower


@serializable
class LayerTower(Tower):
    """Makes a tower of a Keras layer or model that maps features to `(batch, embedding_dim)`.

    `RetrievalModel` wraps layers by itself when it can tell which columns they read; wrap one yourself to say so.

    Args:
        layer: The layer or model. It takes a tensor when `features` is one name and `as_dict` is not set, else a
            dict of tensors by these names. It must be built, so that its weights can be saved and loaded.
        features: Names of the columns that it reads.
        embedding_dim: Size of the embeddings.
        as_dict: Whether the layer takes a dict also for one column.
        name: Name of the layer.
        **kwargs: `trainable`.

    Call arguments:
        inputs: Dict of tensors by column name, or the tensor itself for a layer of one column.
        training: Passed on.

    Returns:
        Float tensor of shape `(batch, embedding_dim)`.

    Raises:
        ArgumentError: `features` is empty, or `layer` is no Keras layer.

    Example:
        >>> dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
        >>> tower = LayerTower(dense, features=["nutrients"], embedding_dim=4)
        >>> tower({"nutrients": keras.ops.ones((2, 3))}).shape.as_list()
        [2, 4]
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        features: Sequence[str],
        embedding_dim: int,
        as_dict: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(layer, keras.layers.Layer) or not features or isinstance(features, str):
            problem = "a Keras layer and the list of the columns that it reads are needed"
            fix = 'Pass for example LayerTower(layer, features=["recipe_id"], embedding_dim=32)'
            raise ArgumentError(explain("LayerTower", problem, layer=layer, features=features, fix=fix))
        # The inner layer casts its inputs itself; ids among them must pass as they are.
        super().__init__(embedding_dim, features, name, **{**kwargs, "dtype": layer.dtype_policy, "autocast": False})
        self.layer = layer
        self.as_dict = bool(as_dict)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        inputs = self._inputs_of_layer(inputs)
        return self.layer(inputs, training=training) if self.layer._call_has_training_arg else self.layer(inputs)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> keras.KerasTensor:
        return self.layer.compute_output_spec(self._inputs_of_layer(inputs))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("dtype")
        return {**config, "layer": self.layer, "features": list(self.features), "as_dict": self.as_dict}

    def _inputs_of_layer(self, inputs: Any) -> Any:
        if not self.as_dict and len(self.features) == 1:
            return self.column(inputs)
        return {name: inputs[require_column(inputs.keys(), name, "LayerTower")] for name in self.features}
