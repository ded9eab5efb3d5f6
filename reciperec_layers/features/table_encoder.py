"""TableEncoder: what encoders share whose numbers are rows of a table."""

from __future__ import annotations

from typing import Any

import keras

from reciperec_layers.features.encoder import Encoder
from reciperec_layers.layers.embedding_table import EmbeddingTable


class TableEncoder(Encoder):
    """Base of encoders that embed a value by rows of a trained table, one or several that are pooled. Abstract.

    A subclass calls `_make_table` in `__init__`. One that drops values in training overrides `deterministic`.

    Args:
        name: Name of the layer.
        **kwargs: As for `Encoder`.

    Example:
        >>> from reciperec_layers.features import Category
        >>> kitchens = Category(["thai", "greek"], width=4)
        >>> isinstance(kitchens, TableEncoder), kitchens.table.num_rows  # two more, for missing and unknown ones
        (True, 4)
    """

    is_embedding = True
    table: EmbeddingTable

    def _make_table(
        self, num_rows: int, width: int, regularizer: Any, seed: int | None, combiner: str | None = None
    ) -> None:
        """Makes the table, with uniform numbers in [-0.05, 0.05).

        Args:
            num_rows: Rows of the table.
            width: Columns of the table.
            regularizer: Keras regularizer, or `None`.
            seed: Seed of the table.
            combiner: As for `EmbeddingTable`.
        """
        initializer = keras.initializers.RandomUniform(seed=seed)
        self.table = EmbeddingTable(num_rows, width, initializer, regularizer, combiner, dtype=self.dtype_policy)
        self.seed = seed

    def _warn_of_surrogates(self, problem: str) -> None:
        """Warns of text that UTF-8 cannot hold, as `Encoder._warn_of_values`.

        Args:
            problem: Which values have lone surrogates; no full stop at the end.
        """
        self._warn_of_values(f"{problem}; each surrogate is read as U+FFFD")

    @property
    def width(self) -> int:
        return self.table.embedding_dim

    @property
    def deterministic(self) -> bool:
        return self.activity_regularizer is None

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "data": None,
            "width": self.width,
            "regularizer": keras.regularizers.serialize(self.table.regularizer),
            "seed": self.seed,
        }
