"""CrossTower: any columns, each by its encoder, crossed by a deep and cross network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.layers.feature_crosses import feature_cross
from reciperec_layers.layers.mlp import MLP
from reciperec_layers.towers.encoded_tower import EncodedTower
from reciperec_layers.towers.tower import TOWERS


@TOWERS.register("cross")
class CrossTower(EncodedTower):
    """Embeds a row by its columns and their products: DCN-v2, then dense layers.

    With the encodings of all columns side by side as `x_0`, each of `num_crosses` layers computes

        x_{l+1} = x_0 * (W_l x_l + b_l) + x_l

    so that `x_l` has products of up to `l + 1` numbers; dense layers make the embedding of the last. A sum of columns
    cannot say that a kitchen is liked on Sundays; a product can. Where nothing of the kind is known, `FeatureTower`
    is faster and learns from fewer rows. Needs keras-rs, which the extra `cross` installs.

    Args:
        encoders: Encoders by column, or their configs, as for `FeatureTower`.
        embedding_dim: Size of the embeddings, >= 1.
        num_crosses: Number of cross layers, >= 1.
        projection_dim: Rank of each `W_l`, >= 1, which makes it a product of two narrow matrices; `None` for full rank.
        hidden_units: Sizes of the hidden layers after the crosses; with none, these layers are linear.
        activation: Keras activation of the hidden layers.
        dropout: Share of hidden values set to 0 in training, in [0, 1).
        feature_dropout: Share of values, in [0, 1), that training leaves out with all that they contribute, drawn for
            each row and column.
        normalize: Whether embeddings are scaled to length 1.
        seed: Seed of the initial weights and of the dropouts.
        name: Name of the layer.
        **kwargs: As for `FeatureTower`.

    Call arguments:
        inputs: As for `FeatureTower`.
        training: Whether the dropouts apply.

    Returns:
        Tensor of shape `(batch, embedding_dim)`, in the compute dtype.

    Raises:
        MissingExtraError: keras-rs is not installed.
        ArgumentError: A number is out of its range, or there are no encoders.
        ArgumentTypeError: As for `FeatureTower`.
        ColumnError: As for `FeatureTower`.

    Example:
        >>> from reciperec_layers.features import Id
        >>> tower = CrossTower({"user_id": Id([7, 9], width=4), "city": Id(["Rome"], width=2)}, embedding_dim=3)
        >>> tower({"user_id": [9, 5], "city": ["Rome", None]}).shape.as_list()
        [2, 3]

    Source:
        Wang et al., "DCN V2" (2021), equation 1, its stacked structure; the layers are `keras_rs.layers.FeatureCross`.
    """

    def __init__(
        self,
        encoders: Any,
        embedding_dim: int,
        *,
        num_crosses: int = 2,
        projection_dim: int | None = None,
        hidden_units: Sequence[int] = (),
        activation: Any = "relu",
        dropout: float = 0.0,
        feature_dropout: float = 0.0,
        normalize: bool = False,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoders, embedding_dim, feature_dropout, normalize, seed, name, **kwargs)
        self.num_crosses = check_integer("CrossTower", "num_crosses", num_crosses, example=2)
        self.projection_dim = check_integer(
            "CrossTower", "projection_dim", projection_dim, most=self.columns.width, optional=True, example=8
        )
        self.crosses = self._make_crosses()
        self.mlp = MLP(
            self.columns.width, embedding_dim, hidden_units, activation, dropout, seed, dtype=self.dtype_policy
        )

    @property
    def deterministic(self) -> bool:
        return super().deterministic and self.mlp.deterministic

    def embed(self, encodings: list[Any], training: bool | None = None) -> Any:
        joined = crossed = tf.concat(encodings, axis=1)
        for cross in self.crosses:
            crossed = cross(joined, crossed)
        return self.mlp(crossed, training=training)

    def get_config(self) -> dict[str, Any]:
        layers = self.mlp.get_config()
        return {
            **super().get_config(),
            **{argument: layers[argument] for argument in ("hidden_units", "activation", "dropout")},
            "num_crosses": self.num_crosses,
            "projection_dim": self.projection_dim,
        }

    def _make_crosses(self) -> list[keras.layers.Layer]:
        crosses = []
        for place in range(self.num_crosses):
            initializer = keras.initializers.GlorotUniform(None if self.seed is None else self.seed + place)
            options = {"kernel_initializer": initializer, "dtype": self.dtype_policy}
            cross = feature_cross("CrossTower", self.columns.width, projection_dim=self.projection_dim, **options)
            crosses.append(cross)
        return crosses
