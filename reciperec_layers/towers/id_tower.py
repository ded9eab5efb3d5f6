"""IdTower: an id, one row of a table."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_number
from reciperec_layers.layers.embedding_table import EmbeddingTable
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.layers.resumable_dropout import ResumableDropout
from reciperec_layers.towers.single_id_tower import SingleIdTower, unit_length
from reciperec_layers.towers.tower import TOWERS


@TOWERS.register("id")
class IdTower(SingleIdTower):
    """Embeds a raw id: `IdLookup`, then `EmbeddingTable`.

    The usual tower for users and items that are known by id. For a tower with dense layers on top see `MLPTower`.

    Args:
        vocabulary: A `Vocabulary`, or unique ids in row order, shape `(n,)`.
        embedding_dim: Size of the embeddings, >= 1.
        feature: Column of the ids when inputs are a dict; not used for a tensor.
        num_oov_indices: Rows for unknown ids, >= 0. With 0 an unknown id is an error.
        id_dropout: Share of ids, in [0, 1), that training sends to an OOV row, so that this row is trained and
            stands for an id never seen.
        dropout: Share of the numbers of an embedding, in [0, 1), that training sets to 0, drawn for each row; before
            `normalize`. On the side of queries it keeps a model from learning by heart what each of them had.
        normalize: Whether embeddings are scaled to length 1.
        initializer: Keras initializer of the table, or `None` for uniform numbers in [-0.05, 0.05) from `seed` and
            zeros in the OOV rows, so that an id never seen scores nothing.
        regularizer: Keras regularizer, applied to the distinct rows that a batch reads, or `None`.
        seed: Seed of the initial table and of the dropouts.
        name: Name of the layer.
        **kwargs: `dtype` (a dtype or policy, of the table and the embeddings) and `trainable`.

    Call arguments:
        inputs: Ids of any shape, usually `(batch,)`: integers or text in a tensor, ragged tensor, NumPy array or
            pandas column; or a dict or data frame that has the column `feature`.
        training: Whether the dropouts apply.

    Returns:
        Tensor of shape `(*ids.shape, embedding_dim)` in the compute dtype, ragged for ragged ids.

    Raises:
        ArgumentError: A number is out of its range.
        IdError: Ids are missing, repeat in the vocabulary, are floats, or of another type than the vocabulary's.
        UnknownIdError: An id is unknown and `num_oov_indices` is 0.
        ColumnError: Inputs are a dict without the column.

    Example:
        >>> tower = IdTower([7, 9], embedding_dim=4)
        >>> tower(keras.ops.array([7, 5])).shape.as_list()
        [2, 4]
        >>> tower.lookup([7, 5]).tolist()
        [1, 0]
    """

    def __init__(
        self,
        vocabulary: Any,
        embedding_dim: int,
        *,
        feature: str | None = None,
        num_oov_indices: int = 1,
        id_dropout: float = 0.0,
        dropout: float = 0.0,
        normalize: bool = False,
        initializer: Any = None,
        regularizer: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        table_dtype = kwargs.pop("dtype", None) or keras.config.dtype_policy()
        lookup = IdLookup(vocabulary, num_oov_indices, id_dropout, seed)
        super().__init__(embedding_dim, feature, lookup.vocabulary.dtype, name, **kwargs)
        self.dropout = check_number("IdTower", "dropout", dropout, least=0, below=1, example=0.1)
        self.normalize = bool(normalize)
        self.seed = seed
        self.initializer = keras.initializers.get(initializer)
        self.ids_to_rows = lookup
        self.embedding_table = EmbeddingTable(
            lookup.num_rows,
            embedding_dim,
            keras.initializers.RandomUniform(seed=seed) if self.initializer is None else self.initializer,
            regularizer,
            dtype=table_dtype,
        )
        if self.initializer is None:
            unknown = np.arange(num_oov_indices)
            self.embedding_table.assign_rows(unknown, np.zeros((num_oov_indices, embedding_dim)))
        policy = self.embedding_table.dtype_policy
        self._drop = ResumableDropout(self.dropout, seed=seed, dtype=policy) if self.dropout else None
        self.built = True

    @property
    def id_lookup(self) -> IdLookup:
        return self.ids_to_rows

    @property
    def deterministic(self) -> bool:
        return self.activity_regularizer is None and not self.id_lookup.id_dropout and not self.dropout

    @property
    def repeats_cost_little(self) -> bool:
        return True

    def table_of_ids(self, name: str) -> tuple[IdLookup, EmbeddingTable] | None:
        return self.id_lookup, self.embedding_table

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        embeddings = self.embedding_table(self.id_lookup(inputs, training=training))
        if self._drop is not None and isinstance(embeddings, tf.RaggedTensor):
            embeddings = embeddings.with_flat_values(self._drop(embeddings.flat_values, training=training))
        elif self._drop is not None:
            embeddings = self._drop(embeddings, training=training)
        return unit_length(embeddings) if self.normalize else embeddings

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> keras.KerasTensor:
        return self.embedding_table.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        table = self.embedding_table
        return {
            **super().get_config(),
            "dtype": keras.saving.serialize_keras_object(table.dtype_policy),
            "vocabulary": self.vocabulary,
            "feature": self.feature,
            "num_oov_indices": self.id_lookup.num_oov_indices,
            "id_dropout": self.id_lookup.id_dropout,
            "dropout": self.dropout,
            "normalize": self.normalize,
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(table.regularizer),
            "seed": self.seed,
        }
