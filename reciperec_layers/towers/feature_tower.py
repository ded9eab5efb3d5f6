"""FeatureTower: any columns, each by its encoder, summed or concatenated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.features.id import Id
from reciperec_layers.layers.embedding_table import EmbeddingTable
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.layers.mlp import MLP
from reciperec_layers.towers.encoded_tower import EncodedTower
from reciperec_layers.towers.tower import TOWERS

_COMBINES = ("sum", "concat")


@TOWERS.register("feature")
class FeatureTower(EncodedTower):
    """Embeds a row by all its columns: each is encoded, and the encodings are summed or concatenated.

    With `combine="sum"`, the embedding is a linear function of the encodings `e_c` of the columns,

        sum over columns c of (e_c W_c) + b

    where an encoding that is an embedding of `embedding_dim` numbers itself, such as that of an `Id` of this width, is
    added as it is. With `hidden_units`, an MLP of all the encodings is added to the sum, so that it learns only what a
    sum cannot express. With `combine="concat"` the embedding is the MLP of all the encodings.

    The sum is the default: a value never seen changes the embedding by its own term alone, and all terms have the size
    of an id's row at the start.

    Args:
        encoders: Encoders by column; or configs, each a dict with the registered name of an encoder under `"encoder"`
            and the arguments of its constructor. The order of columns does not matter.
        embedding_dim: Size of the embeddings, >= 1.
        combine: `"sum"` or `"concat"`.
        hidden_units: Sizes of the hidden layers of the MLP; with none, there is no MLP beside a sum.
        activation: Keras activation of the hidden layers.
        dropout: Share of hidden values set to 0 in training, in [0, 1).
        feature_dropout: Share of values, in [0, 1), that training leaves out with all that they contribute, drawn for
            each row and column. The others are not scaled up: a row then is like one whose value is missing.
        layer_norm: Whether the MLP's input is normalized, row by row.
        normalize: Whether embeddings are scaled to length 1.
        seed: Seed of the initial weights and of the dropouts.
        name: Name of the layer.
        **kwargs: `dtype` (a dtype or policy), `trainable` and `activity_regularizer`.

    Call arguments:
        inputs: Dict or data frame of columns, raw or as tensors of shape `(batch, ...)`; other columns are ignored. A
            tower of one column also takes the column. A column that is not given is missing in every row, where its
            encoder has a value for that.
        training: Whether the dropouts apply.

    Returns:
        Tensor of shape `(batch, embedding_dim)`, in the compute dtype.

    Raises:
        ArgumentError: A number is out of its range, there are no encoders, or `dropout` or `layer_norm` is given
            without an MLP.
        ArgumentTypeError: `encoders` is not a dict of encoders or configs.
        ColumnError: Inputs lack a column whose encoder has no missing value, or all columns.

    Example:
        >>> from reciperec_layers.features import Id
        >>> tower = FeatureTower({"user_id": Id([7, 9], width=4), "city": Id(["Rome"], width=2)}, embedding_dim=4)
        >>> tower({"user_id": [9, 5], "city": ["Rome", None]}).shape.as_list()
        [2, 4]
        >>> tower.knowledge({"user_id": [9, 5, 5], "city": ["Rome", "Rome", None]}).numpy().tolist()
        [2, 1, 0]
    """

    def __init__(
        self,
        encoders: Any,
        embedding_dim: int,
        *,
        combine: str = "sum",
        hidden_units: Sequence[int] = (),
        activation: Any = "relu",
        dropout: float = 0.0,
        feature_dropout: float = 0.0,
        layer_norm: bool = False,
        normalize: bool = False,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoders, embedding_dim, feature_dropout, normalize, seed, name, **kwargs)
        if combine not in _COMBINES:
            problem = '`combine` must be "sum" or "concat"'
            raise ArgumentError(explain("FeatureTower", problem, combine=combine, fix='Use combine="sum"'))
        self.combine = combine
        self.layer_norm = bool(layer_norm)
        # The MLP checks its arguments where there is none, too.
        mlp = MLP(self.columns.width, embedding_dim, hidden_units, activation, dropout, seed, dtype=self.dtype_policy)
        self.hidden_units, self.activation, self.dropout = mlp.hidden_units, mlp.activation, mlp.dropout
        self.mlp = mlp if mlp.hidden_units or combine == "concat" else None
        if not mlp.hidden_units and (dropout or (layer_norm and self.mlp is None)):
            option = {"dropout": dropout} if dropout else {"layer_norm": layer_norm}
            problem = f"`{next(iter(option))}` is for hidden layers, and there are none"
            raise ArgumentError(explain("FeatureTower", problem, **option, fix="Use for example hidden_units=(64,)"))
        self.input_norm = self._make_input_norm() if self.layer_norm else None
        self.projection = self._make_projection() if combine == "sum" else None

    @property
    def deterministic(self) -> bool:
        return super().deterministic and not self.dropout

    def table_of_ids(self, name: str) -> tuple[IdLookup, EmbeddingTable] | None:
        encoder = self.columns.by_name.get(name)
        if self.combine != "sum" or not isinstance(encoder, Id) or encoder.width != self.embedding_dim:
            return None
        return encoder.lookup, encoder.table

    def embed(self, encodings: list[Any], training: bool | None = None) -> Any:
        parts: list[Any] = []
        projected: list[Any] = []
        if self.combine == "sum":
            for encoding, is_term in zip(encodings, self._are_terms(), strict=True):
                (parts if is_term else projected).append(encoding)
        if self.projection is not None:
            parts.append(self.projection(tf.concat(projected, axis=1)))
        if self.mlp is not None:
            joined = tf.concat(encodings, axis=1)
            joined = joined if self.input_norm is None else self.input_norm(joined)
            parts.append(self.mlp(joined, training=training))
        return parts[0] if len(parts) == 1 else tf.add_n(parts)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "combine": self.combine,
            "hidden_units": list(self.hidden_units),
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "layer_norm": self.layer_norm,
        }

    def _are_terms(self) -> list[bool]:
        """Returns which encodings are added as they are."""
        return [each.is_embedding and each.width == self.embedding_dim for each in self.columns.encoders]

    def _make_input_norm(self) -> keras.layers.LayerNormalization:
        layer = keras.layers.LayerNormalization(dtype=self.dtype_policy)
        layer.build((None, self.columns.width))
        return layer

    def _make_projection(self) -> keras.layers.Dense | None:
        """Returns one dense layer for all columns that are projected: a product of joined rows is the sum of theirs."""
        pairs = zip(self.columns.encoders, self._are_terms(), strict=True)
        width = sum(encoder.width for encoder, is_term in pairs if not is_term)
        if not width:
            return None
        initializer = keras.initializers.RandomUniform(seed=self.seed)  # terms of the size of a table's rows
        layer = keras.layers.Dense(self.embedding_dim, kernel_initializer=initializer, dtype=self.dtype_policy)
        layer.build((None, width))
        return layer
