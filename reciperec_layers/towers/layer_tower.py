"""LayerTower: any Keras layer or model as a tower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras.src.models.functional import Functional  # public only as what keras.Model(inputs, outputs) returns

from reciperec_layers.columns.names import require_column
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.layers.embedding_table import EmbeddingTable
from reciperec_layers.saving.keras_names import serializable
from reciperec_layers.towers.tower import Tower

# Each row of what they return is a function of the same row of their inputs and of their weights.
_ROW_BY_ROW = (
    EmbeddingTable,
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Concatenate,
    keras.layers.Dense,
    keras.layers.Embedding,
    keras.layers.Flatten,
    keras.layers.Hashing,
    keras.layers.InputLayer,
    keras.layers.IntegerLookup,
    keras.layers.LayerNormalization,
    keras.layers.Multiply,
    keras.layers.ReLU,
    keras.layers.Reshape,
    keras.layers.StringLookup,
    keras.layers.UnitNormalization,
)


@serializable
class LayerTower(Tower):
    """Makes a tower of a Keras layer or model that maps features to `(batch, embedding_dim)`.

    `RetrievalModel` wraps layers by itself when it can tell which columns they read; wrap one yourself to say so.

    Args:
        layer: The layer or model. It takes a tensor when `features` is one name and `as_dict` is not set, else a
            dict of tensors by these names; a functional model of a list of inputs takes a list, in the order of
            `features`. It must be built, so that its weights can be saved and loaded.
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
        ArgumentError: `features` is empty or has another length than a list of inputs, or `layer` is not a Keras
            layer.

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
        inputs: Any = layer.input if isinstance(layer, Functional) else None
        self._takes_list = isinstance(inputs, (list, tuple))
        # Keras warns of a dict of another type than that of its inputs, and FeatureSpace has one of its own.
        self._dict_type: Any = type(inputs) if isinstance(inputs, dict) else dict
        if self._takes_list and len(inputs) != len(features):
            fix = "Name one column for each input, in their order"
            problem = f"the layer has {len(inputs)} inputs, and {len(features)} columns are named"
            raise ArgumentError(explain("LayerTower", problem, features=features, fix=fix))
        self.layer = layer
        self.as_dict = bool(as_dict)
        self.built = True

    @property
    def deterministic(self) -> bool:
        return self.activity_regularizer is None and _is_deterministic(self.layer)

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
            column = self.column(inputs)
            return [column] if self._takes_list else column
        columns = {name: inputs[require_column(inputs.keys(), name, "LayerTower")] for name in self.features}
        return list(columns.values()) if self._takes_list else self._dict_type(columns)


def inputs_of(layer: Any) -> Any:
    """Returns the symbolic inputs of a functional or sequential model, a dict or a list; `None` of other layers.

    Example:
        >>> age = keras.Input((1,), name="age")
        >>> [each.name for each in inputs_of(keras.Model(age, keras.layers.Dense(2)(age)))]
        ['age']
    """
    if isinstance(layer, Functional):
        inputs = layer.input
        return inputs if isinstance(inputs, (dict, list, tuple)) else [inputs]
    # Of another model the tensor that it was called with last, if any, says nothing about columns.
    return layer.inputs if isinstance(layer, keras.Sequential) and layer.built else None


def _is_deterministic(layer: keras.layers.Layer) -> bool:
    """Returns whether it is known of a layer that its rows do not depend on each other, nor on chance."""
    if layer.activity_regularizer is not None:
        return False
    if type(layer) is keras.Sequential:
        return all(map(_is_deterministic, layer.layers))
    if type(layer) is Functional:  # its operations may also be functions, such as a mean over the batch
        return all(isinstance(each, keras.layers.Layer) and _is_deterministic(each) for each in layer.operations)
    return type(layer) in _ROW_BY_ROW or getattr(layer, "deterministic", False) is True
