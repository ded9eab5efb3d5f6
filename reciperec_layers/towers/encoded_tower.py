"""EncodedTower: what towers that encode columns share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import keras
import tensorflow as tf

from reciperec_layers.features.proposals import Proposals
from reciperec_layers.towers.column_encoders import ColumnEncoders
from reciperec_layers.towers.proposed_encoders import proposed_encoders
from reciperec_layers.towers.single_id_tower import unit_length
from reciperec_layers.towers.tower import Tower


class EncodedTower(Tower):
    """Base of towers that read columns by encoders, and join the encodings. Abstract.

    A subclass makes its weights in `__init__`, where `self.columns` has the encoders, and implements `embed` and
    `get_config`. One with dropout of its own overrides `deterministic`.

    Args:
        encoders: Encoders by column, or their configs, as for `FeatureTower`.
        embedding_dim: Size of the embeddings, >= 1.
        feature_dropout: Share of values, in [0, 1), that training leaves out, drawn for each row and column.
        normalize: Whether embeddings are scaled to length 1.
        seed: Seed of the initial weights and of dropouts.
        name: Name of the layer.
        **kwargs: `dtype` (a dtype or policy), `trainable` and `activity_regularizer`.

    Example:
        >>> from reciperec_layers.features import Id
        >>> class MeanTower(EncodedTower):
        ...     def embed(self, encodings, training=None):
        ...         return tf.add_n(encodings) / len(encodings)
        >>> encoders = {"user_id": Id([7, 9], width=4), "city": Id(["Rome"], width=4)}
        >>> MeanTower(encoders, 4)({"user_id": [9, 5], "city": ["Rome", None]}).shape.as_list()
        [2, 4]
    """

    takes_columns: ClassVar[bool] = True

    def __init__(
        self,
        encoders: Any,
        embedding_dim: int,
        feature_dropout: float = 0.0,
        normalize: bool = False,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        columns = ColumnEncoders(encoders, type(self).__name__, feature_dropout, seed, kwargs.get("dtype"))
        # Ids and times would be rounded if Keras cast them to the compute dtype.
        super().__init__(embedding_dim, columns.names, name, **{**kwargs, "autocast": False})
        self.columns = columns
        self.normalize = bool(normalize)
        self.seed = seed
        # What `from_data` found of the frame's columns; `None` of a tower that was made otherwise, or is from a file.
        self.proposals: Proposals | None = None
        self.built = True

    @classmethod
    def from_data(
        cls,
        frame: Any,
        *,
        feature: str,
        embedding_dim: int,
        seed: int | None = None,
        side: str | None = None,
        columns: Iterable[str] | None = None,
        leave_out: Iterable[str] = (),
        encoders: Mapping[str, Any] | None = None,
        interactions: Any = None,
        queries: Any = None,
        query_id: str | None = None,
        candidate_id: str | None = None,
        id_dropout: float | None = None,
        **options: Any,
    ) -> Self:
        """Returns a tower of the columns that `features.propose` accepts, with encoders made from the frame.

        Args:
            frame: Data frame or dict of columns: candidates, queries, or training interactions.
            feature: The id column of this side, which is read by an `Id` as wide as the embeddings.
            embedding_dim: Size of the embeddings.
            seed: Seed of the initial weights and of dropouts.
            side: `"candidates"`, `"queries"` or `"interactions"`, if the names of the columns do not tell.
            columns: The columns to read beside `feature`; by default all.
            leave_out: Columns to leave out; `feature` may be among them.
            encoders: Encoders by column, which overrule: an `Encoder`, a registered name, a config, or `None` to leave
                the column out.
            interactions: Training rows, which tell columns that were made from them; see `features.propose`.
            queries: Table of queries with which `frame` has been joined, if it has; see `features.propose`.
            query_id: Column of query ids in interactions, if its name does not tell.
            candidate_id: Column of candidate ids in interactions, likewise.
            id_dropout: Share of the ids of `feature` that training takes for unknown ones, in [0, 1). By default .1
                where other columns tell something, which is then learned for unknown ids, too; else 0.
            **options: Further arguments of the tower.

        Raises:
            ColumnError: A column that is named is not in the frame.
            ArgumentError: No column is left.
        """
        made, proposals = proposed_encoders(
            f"{cls.__name__}.from_data",
            frame,
            feature,
            embedding_dim,
            side=side,
            columns=columns,
            leave_out=leave_out,
            encoders=encoders,
            interactions=interactions,
            queries=queries,
            query_id=query_id,
            candidate_id=candidate_id,
            id_dropout=id_dropout,
            seed=seed,
            dtype=options.get("dtype"),
        )
        make: Any = cls  # a subclass takes the encoders first
        tower = make(made, embedding_dim, seed=seed, **options)
        tower.proposals = proposals
        return tower

    @abstractmethod
    def embed(self, encodings: list[Any], training: bool | None = None) -> Any:
        """Returns the embeddings before they are scaled, shape `(batch, embedding_dim)`.

        Args:
            encodings: Tensors of shape `(batch, width)`, in the order of `features`.
            training: Whether dropouts apply.
        """

    @property
    def deterministic(self) -> bool:
        return self.activity_regularizer is None and self.columns.deterministic

    def read(self, name: str, column: Any, owner: str) -> Any:
        return self.columns.encoder(name).read(column, owner, name)

    def form(self, name: str) -> tf.TensorSpec | None:
        return self.columns.encoder(name).form

    def missing_value(self, name: str) -> Any:
        return self.columns.encoder(name).missing

    @property
    def prepares(self) -> bool:
        return self.activity_regularizer is None  # Keras applies it to what a call returns

    def prepare(self, columns: dict[str, Any]) -> dict[str, Any]:
        return self.columns.prepare(columns)

    def encode(self, prepared: dict[str, Any], training: bool | None = None) -> Any:
        embeddings = self.embed(self.columns.encode(prepared, training), training)
        return unit_length(embeddings) if self.normalize else embeddings

    def knowledge(self, columns: Any) -> Any:
        return self.columns.knowledge(columns)

    @property
    def knowledge_levels(self) -> tuple[int, ...]:
        return self.columns.knowledge_levels

    def known_features(self, columns: Any) -> dict[str, Any]:
        return self.columns.known_features(columns)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(self.columns.to_tensors(inputs), *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.encode(self.prepare(inputs), training)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> keras.KerasTensor:
        first = next(iter(inputs.values()))
        return keras.KerasTensor((first.shape[0], self.embedding_dim), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "encoders": self.columns.by_name,
            "feature_dropout": self.columns.feature_dropout,
            "normalize": self.normalize,
            "seed": self.seed,
        }
