"""MLPTower: an id, one row of a table, then dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.layers.mlp import MLP
from reciperec_layers.towers.id_tower import IdTower
from reciperec_layers.towers.single_id_tower import SingleIdTower, unit_length
from reciperec_layers.towers.tower import TOWERS


@TOWERS.register("mlp")
class MLPTower(SingleIdTower):
    """Embeds a raw id and passes the embedding through dense layers.

    Args:
        vocabulary: A `Vocabulary`, or unique ids in row order, shape `(n,)`.
        embedding_dim: Size of the output embeddings, >= 1.
        feature: Column of the ids when inputs are a dict; not used for a tensor.
        hidden_units: Sizes of the hidden layers; none makes the layers on top linear.
        activation: Keras activation of the hidden layers.
        dropout: Share of hidden values set to 0 in training, in [0, 1).
        id_embedding_dim: Columns of the table, or `None` for `embedding_dim`.
        num_oov_indices: Rows for unknown ids, >= 0. With 0 an unknown id is an error.
        id_dropout: Share of ids, in [0, 1), that training sends to an OOV row.
        normalize: Whether the output is scaled to length 1.
        regularizer: Keras regularizer, applied to the distinct rows that a batch reads, or `None`.
        seed: Seed of the initial weights and of both dropouts.
        name: Name of the layer.
        **kwargs: `dtype` (a dtype or policy) and `trainable`.

    Call arguments:
        inputs: As for `IdTower`.
        training: Whether the dropouts apply.

    Returns:
        Tensor of shape `(*ids.shape, embedding_dim)` in the compute dtype, ragged for ragged ids.

    Raises:
        ArgumentError: A number is out of its range.
        IdError: As for `IdTower`.
        ColumnError: Inputs are a dict without the column.

    Example:
        >>> tower = MLPTower(["a", "b"], embedding_dim=4, hidden_units=(8,))
        >>> tower(keras.ops.convert_to_tensor(["a", "x"])).shape.as_list()
        [2, 4]
    """

    def __init__(
        self,
        vocabulary: Any,
        embedding_dim: int,
        *,
        feature: str | None = None,
        hidden_units: Sequence[int] = (64,),
        activation: Any = "relu",
        dropout: float = 0.0,
        id_embedding_dim: int | None = None,
        num_oov_indices: int = 1,
        id_dropout: float = 0.0,
        normalize: bool = False,
        regularizer: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        dtype = kwargs.pop("dtype", None) or keras.config.dtype_policy()
        id_tower = IdTower(
            vocabulary,
            embedding_dim if id_embedding_dim is None else id_embedding_dim,
            feature=feature,
            num_oov_indices=num_oov_indices,
            id_dropout=id_dropout,
            regularizer=regularizer,
            seed=seed,
            dtype=dtype,
        )
        super().__init__(embedding_dim, feature, id_tower.vocabulary.dtype, name, **kwargs)
        self.id_embedding_dim = id_embedding_dim
        self.normalize = bool(normalize)
        self.seed = seed
        self.id_tower = id_tower
        self.mlp = MLP(id_tower.embedding_dim, embedding_dim, hidden_units, activation, dropout, seed, dtype=dtype)
        self.built = True

    @property
    def id_lookup(self) -> IdLookup:
        return self.id_tower.id_lookup

    @property
    def deterministic(self) -> bool:
        return self.activity_regularizer is None and self.id_tower.deterministic and not self.mlp.dropout

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        embeddings = self.mlp(self.id_tower(inputs, training=training), training=training)
        return unit_length(embeddings) if self.normalize else embeddings

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> keras.KerasTensor:
        ragged = getattr(inputs, "ragged", False)
        return keras.KerasTensor((*inputs.shape, self.embedding_dim), dtype=self.mlp.compute_dtype, ragged=ragged)

    def get_config(self) -> dict[str, Any]:
        inner = self.id_tower.get_config()
        shared = ("dtype", "vocabulary", "feature", "num_oov_indices", "id_dropout", "regularizer", "seed")
        layers = self.mlp.get_config()
        return {
            **super().get_config(),
            **{argument: inner[argument] for argument in shared},
            **{argument: layers[argument] for argument in ("hidden_units", "activation", "dropout")},
            "id_embedding_dim": self.id_embedding_dim,
            "normalize": self.normalize,
        }
