"""TwoTowerModel: a query tower and a candidate tower of one size, and the columns that they read."""

from __future__ import annotations

from typing import Any, Self

import tensorflow as tf

from reciperec_layers.columns.frames import has_named_columns
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import num_rows
from reciperec_layers.errors import ArgumentError, IdError, explain
from reciperec_layers.models.whole_file_model import WholeFileModel
from reciperec_layers.saving.keras_names import deserialize_nested
from reciperec_layers.saving.required_plugins import require_plugins
from reciperec_layers.towers import Tower
from reciperec_layers.towers.resolve_tower import resolve_tower

# Rows that a tower embeds at one time outside of training.
ENCODE_ROWS = 8192


class TwoTowerModel(WholeFileModel):
    """Base of `RetrievalModel`, where the arguments are described: two towers, and what they read.

    Example:
        >>> from reciperec_layers.models import RetrievalModel
        >>> issubclass(RetrievalModel, TwoTowerModel)
        True
    """

    def __init__(
        self,
        query_tower: Any,
        candidate_tower: Any,
        candidate_id: str | None = None,
        query_id: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.candidate_id = candidate_id
        self.query_id = query_id
        # Keras walks attributes in alphabetical order and stores a layer under the first path it finds. These names
        # come before `layers`, where the path would be the class's name and a renamed class would break old files.
        self.encoder_of_candidates = resolve_tower(candidate_tower, "candidate_tower", candidate_id)
        self.encoder_of_queries = resolve_tower(query_tower, "query_tower", query_id)
        dims = {"query_tower": self.query_tower.embedding_dim, "candidate_tower": self.candidate_tower.embedding_dim}
        if len(set(dims.values())) > 1:
            problem = "both towers must have the same embedding_dim"
            raise ArgumentError(explain("RetrievalModel", problem, fix="Give them one embedding_dim", **dims))
        self._query_columns = _columns_of(self.query_tower, query_id, "query_tower")
        self._candidate_columns = _columns_of(self.candidate_tower, candidate_id, "candidate_tower")
        self.built = True

    @property
    def query_tower(self) -> Tower:
        """The tower of queries."""
        return self.encoder_of_queries

    @property
    def candidate_tower(self) -> Tower:
        """The tower of candidates."""
        return self.encoder_of_candidates

    @property
    def query_columns(self) -> tuple[str, ...]:
        """Names of the columns that the query tower reads."""
        return self._query_columns

    @property
    def query_id_column(self) -> str | None:
        """Name of the column that says which rows are of one query: `query_id`, or what the tower reads alone."""
        return self.query_id or (self.query_columns[0] if len(self.query_columns) == 1 else None)

    @property
    def candidate_columns(self) -> tuple[str, ...]:
        """Names of the columns that the candidate tower reads."""
        return self._candidate_columns

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return _encode(self.query_tower, self.query_columns, inputs, "query_tower", training)

    def encode_candidates(self, features: Any, training: bool | None = None) -> Any:
        """Returns candidate embeddings of a dict of columns, shape `(batch, embedding_dim)`."""
        return _encode(self.candidate_tower, self.candidate_columns, features, "candidate_tower", training)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "query_tower": self.query_tower,
            "candidate_tower": self.candidate_tower,
            "candidate_id": self.candidate_id,
            "query_id": self.query_id,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Returns a model from its config; the plugins that it needs are looked for first.

        Args:
            config: From `get_config`, serialized or not.

        Raises:
            PluginError: A tower or an index is of a package that is not installed.
        """
        require_plugins(config)
        return cls(**deserialize_nested(config))

    def _encode_queries(self, tensors: dict[str, Any]) -> tf.Tensor:
        names = self.query_columns
        for name in names:
            require_column(tensors, name, "RetrievalModel.recommend: features")
        rows = num_rows(tensors[names[0]])
        starts = range(0, max(rows, 1), ENCODE_ROWS)
        parts = [self({name: tensors[name][start : start + ENCODE_ROWS] for name in names}) for start in starts]
        return tf.cast(tf.concat(parts, axis=0), tf.float32)


def _columns_of(tower: Tower, default: str | None, side: str) -> tuple[str, ...]:
    if tower.features:
        return tower.features
    if default is None:
        problem = f"which column `{side}` reads is not known"
        fix = 'Create the tower with feature="...", or name the column by query_id= or candidate_id='
        raise ArgumentError(explain("RetrievalModel", problem, fix=fix, tower=tower))
    return (default,)


def _encode(tower: Tower, names: tuple[str, ...], inputs: Any, side: str, training: bool | None) -> Any:
    """Calls a tower with the columns that it reads: alone, they cannot disturb it, nor it them."""
    if not has_named_columns(inputs):
        return tower(inputs, training=training)
    columns = {name: inputs[require_column(inputs.keys(), name, f"RetrievalModel: {side}")] for name in names}
    try:
        return tower(columns if tower.features else columns[names[0]], training=training)
    except IdError as error:
        raise type(error)(f"column {', '.join(map(repr, names))}: {error}") from error
