"""SingleIdTower: what towers that read one id column share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.names import require_column
from reciperec_layers.columns.tensors import to_id_tensor
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.towers.tower import Tower
from reciperec_layers.vocabulary import Vocabulary

# Shorter embeddings have no direction; Keras's epsilon.
_ZERO_LENGTH = 1e-7


class SingleIdTower(Tower):
    """Base of towers that read one column of raw ids. Abstract.

    The tower's own dtype is that of its ids, for Keras casts inputs to it: a float32 id would find a wrong row. The
    dtype or policy that a user gives goes to the weights and the embeddings.

    Args:
        embedding_dim: Size of the embeddings, >= 1.
        feature: Column of the ids when inputs are a dict; not used for a tensor.
        id_dtype: `"int64"` or `"string"`.
        name: Name of the layer.
        **kwargs: `trainable`.

    Example:
        >>> from reciperec_layers.towers import IdTower
        >>> tower = IdTower(["pie", "soup"], 4)
        >>> tower.vocabulary.ids.tolist(), tower.lookup(["soup", "cake"]).tolist()
        (['pie', 'soup'], [2, 0])
    """

    def __init__(
        self, embedding_dim: int, feature: str | None, id_dtype: str, name: str | None = None, **kwargs: Any
    ) -> None:
        features = () if feature is None else (feature,)
        super().__init__(embedding_dim, features, name, **{**kwargs, "dtype": id_dtype, "autocast": False})
        self.feature = feature

    @classmethod
    def from_data(
        cls, frame: Any, *, feature: str, embedding_dim: int, seed: int | None = None, **options: Any
    ) -> Self:
        """Returns a tower whose vocabulary is counted from the column `feature`, unless `vocabulary=` is given."""
        owner = f"{cls.__name__}.from_data"
        frame = from_arrow(frame, owner)
        require_column(frame.keys(), feature, owner)
        vocabulary = options.pop("vocabulary", None)
        if vocabulary is None:
            vocabulary = Vocabulary.from_data(frame[feature])
        make: Any = cls  # a subclass takes the vocabulary first
        return make(vocabulary, embedding_dim, feature=feature, seed=seed, **options)

    @property
    @abstractmethod
    def id_lookup(self) -> IdLookup:
        """The layer that turns ids into rows."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The known ids, in row order."""
        return self.id_lookup.vocabulary

    def lookup(self, ids: Any) -> np.ndarray:
        """Returns the table row of each id, int64 of the same shape. Takes lists too."""
        return self.id_lookup.lookup(ids)

    def reverse_lookup(self, indices: Any) -> np.ndarray:
        """Returns the id of each table row, of the same shape; an OOV row gives -1 or `""`."""
        return self.id_lookup.reverse_lookup(indices)

    def read(self, name: str, column: Any, owner: str) -> Any:
        return to_id_tensor(column, self.vocabulary.dtype, owner, name)

    def form(self, name: str) -> tf.TensorSpec | None:
        return tf.TensorSpec((None,), self.vocabulary.dtype)

    def knowledge(self, columns: Any) -> Any:
        known = self.id_lookup(self.column(columns)) >= self.id_lookup.num_oov_indices
        return tf.where(known, 2, 0)

    @property
    def knowledge_levels(self) -> tuple[int, ...]:
        return (0, 2)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        # The column is taken before Keras sees the inputs: it cannot take the other columns of a data frame.
        return super().__call__(self.id_lookup.to_ids(self.column(inputs)), *args, **kwargs)


def unit_length(embeddings: Any) -> Any:
    """Returns embeddings scaled to length 1 along the last axis; a vector shorter than 1e-7 stays as it is.

    So does its gradient, which `keras.ops.normalize` multiplies by 1e7.

    Example:
        >>> unit_length(keras.ops.array([[3.0, 4.0], [0.0, 0.0]])).numpy()
        array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)
    """
    if isinstance(embeddings, tf.RaggedTensor):
        return embeddings.with_flat_values(unit_length(embeddings.flat_values))
    squares = keras.ops.sum(keras.ops.square(embeddings), axis=-1, keepdims=True)
    # One that is taken for a zero is replaced before the root, whose gradient there would be infinite.
    squares = keras.ops.where(squares > _ZERO_LENGTH**2, squares, keras.ops.ones_like(squares))
    return embeddings * keras.ops.rsqrt(squares)
