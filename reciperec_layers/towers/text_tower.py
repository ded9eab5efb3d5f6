"""TextTower: one column of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.names import NAME_COLUMNS, find_column
from reciperec_layers.errors import ColumnError, describe_ids, explain
from reciperec_layers.features.encoder import data_of_column
from reciperec_layers.features.text import Text
from reciperec_layers.layers.mlp import MLP
from reciperec_layers.towers.encoded_tower import EncodedTower
from reciperec_layers.towers.tower import TOWERS


@TOWERS.register("text")
class TextTower(EncodedTower):
    """Embeds a row by one column of text: a bag of its words and runs of characters, then dense layers.

    For candidates that come and go faster than ids can be learned, and to see what a title alone is worth. For text
    beside other columns see `FeatureTower`.

    Args:
        text: A `features.Text`, or its config, such as `{"encoder": "text", "num_hash_buckets": 10_000}`.
        embedding_dim: Size of the embeddings, >= 1.
        feature: The column of text.
        hidden_units: Sizes of the hidden layers; with none, the layers are linear.
        activation: Keras activation of the hidden layers.
        dropout: Share of hidden values set to 0 in training, in [0, 1).
        normalize: Whether embeddings are scaled to length 1.
        seed: Seed of the initial weights and of the dropout.
        name: Name of the layer.
        **kwargs: As for `FeatureTower`.

    Call arguments:
        inputs: Texts of shape `(batch,)`; or a dict or data frame that has the column `feature`.
        training: Whether the dropout applies.

    Returns:
        Tensor of shape `(batch, embedding_dim)`, in the compute dtype.

    Raises:
        ArgumentError: A number is out of its range.
        ColumnError: Inputs are columns by name without `feature`.

    Example:
        >>> from reciperec_layers.features import Text
        >>> tower = TextTower(Text(["apple pie", "onion soup"], width=8), embedding_dim=4, feature="recipe_name")
        >>> tower(["pie with onions", ""]).shape.as_list()
        [2, 4]
    """

    takes_columns = False  # it reads one

    def __init__(
        self,
        text: Any,
        embedding_dim: int,
        *,
        feature: str,
        hidden_units: Sequence[int] = (),
        activation: Any = "relu",
        dropout: float = 0.0,
        normalize: bool = False,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__({feature: text}, embedding_dim, normalize=normalize, seed=seed, name=name, **kwargs)
        width, dtype = self.columns.width, self.dtype_policy
        self.mlp = MLP(width, embedding_dim, hidden_units, activation, dropout, seed, dtype=dtype)

    @classmethod
    def from_data(
        cls,
        frame: Any,
        *,
        feature: str,
        embedding_dim: int,
        seed: int | None = None,
        column: str | None = None,
        text: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Self:
        """Returns a tower whose words are counted in a frame.

        Args:
            frame: Data frame or dict of columns.
            feature: The id column of this side, which is not read.
            embedding_dim: Size of the embeddings.
            seed: Seed of the initial weights and of dropout.
            column: The column of text; by default one with a conventional name, such as `recipe_name`.
            text: Further arguments of `features.Text`.
            **options: Further arguments of the tower.

        Raises:
            ColumnError: There is no such column.
        """
        owner = f"{cls.__name__}.from_data"
        frame = from_arrow(frame, owner)
        try:
            column = find_column(frame.keys(), NAME_COLUMNS, column, owner)
        except ColumnError as error:
            if column is not None:
                raise
            # The conventional names are of candidates, and the frame may be of queries.
            names = list(frame.keys())
            problem = (
                f"no column has a name by which texts are known; the columns are {describe_ids(names, len(names))}"
            )
            fix = 'Name the column of texts, for example {"tower": "text", "column": "about"}'
            raise ColumnError(explain(owner, problem, fix=fix)) from error
        with data_of_column(column):
            encoder = Text(frame[column], **{"width": embedding_dim, "seed": seed, **(text or {})})
        return cls(encoder, embedding_dim, feature=column, seed=seed, **options)

    @property
    def deterministic(self) -> bool:
        return super().deterministic and self.mlp.deterministic

    def embed(self, encodings: list[Any], training: bool | None = None) -> Any:
        return self.mlp(encodings[0], training=training)

    def get_config(self) -> dict[str, Any]:
        config, layers = super().get_config(), self.mlp.get_config()
        del config["encoders"], config["feature_dropout"]
        return {
            **config,
            **{argument: layers[argument] for argument in ("hidden_units", "activation", "dropout")},
            "text": self.columns.encoders[0],
            "feature": self.features[0],
        }
