"""Id: a row of a table for each id."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.columns.frames import from_arrow
from reciperec_layers.columns.missing_values import missing_entries
from reciperec_layers.columns.tensors import to_id_tensor
from reciperec_layers.features.encoder import ENCODERS, name_of_data
from reciperec_layers.features.table_encoder import TableEncoder
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.vocabulary import Vocabulary, to_vocabulary

# No id is this, so that it stands for one that is missing.
_MISSING_INTEGER = np.iinfo(np.int64).min


@ENCODERS.register("id")
class Id(TableEncoder):
    """Embeds an id by one row of a table. Unknown and missing ids share the rows of `num_oov_indices`.

    These rows are zeros before training, so that an id that is not known adds nothing. With `id_dropout` they become
    what is best where nothing is known of the id.

    Args:
        data: Ids of the training rows, repeats counted, from which the vocabulary is made.
        vocabulary: A `Vocabulary`, or unique ids in row order; in place of `data`.
        width: Columns of the table.
        min_count: How often an id must occur in `data` to get a row of its own.
        num_oov_indices: Rows for unknown ids, >= 1.
        id_dropout: Share of ids, in [0, 1), that training sends to an OOV row, so that this row stands for an id never
            seen.
        regularizer: Keras regularizer, applied to the distinct rows that a batch reads, or `None`.
        seed: Seed of the table and of `id_dropout`.
        name: Name of the layer.
        **kwargs: As for `Encoder`.

    Call arguments:
        inputs: Ids, integers or text of shape `(batch,)`; None, NaN and NA are missing.
        training: Whether `id_dropout` applies.

    Returns:
        Tensor of shape `(batch, width)`, in the compute dtype.

    Example:
        >>> users = Id([7, 7, 9], width=4)
        >>> users.vocabulary.ids.tolist(), users([9, None, 5]).shape.as_list()
        ([7, 9], [3, 4])
    """

    tells = "id"

    def __init__(
        self,
        data: Any = None,
        *,
        vocabulary: Any = None,
        width: int = 32,
        min_count: int = 1,
        num_oov_indices: int = 1,
        id_dropout: float = 0.0,
        regularizer: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        if data is not None:
            vocabulary = Vocabulary.from_data(_known_ids(data), min_count=min_count)
        num_oov_indices = check_integer("Id", "num_oov_indices", num_oov_indices, example=1)
        self.lookup = IdLookup(to_vocabulary(vocabulary), num_oov_indices, id_dropout, seed)
        self._make_table(self.lookup.num_rows, width, regularizer, seed)
        self.table.assign_rows(np.arange(num_oov_indices), np.zeros((num_oov_indices, width)))
        self.min_count = min_count
        self.built = True

    @property
    def form(self) -> tf.TensorSpec:
        return tf.TensorSpec((None,), self.vocabulary.dtype)

    @property
    def missing(self) -> Any:
        return "" if self.vocabulary.dtype == "string" else _MISSING_INTEGER

    @property
    def vocabulary(self) -> Vocabulary:
        """The known ids, in row order."""
        return self.lookup.vocabulary

    @property
    def deterministic(self) -> bool:
        return self.lookup.deterministic and super().deterministic

    def read(self, column: Any, owner: str, name: str) -> Any:
        if tf.is_tensor(column):
            return column
        column = from_arrow(column, owner, name)
        if not len(column):
            return tf.zeros([0], self.form.dtype)
        missing = missing_entries(column)
        if missing.any():
            column = _without_missing(column, missing, self.missing)
        return to_id_tensor(column, self.vocabulary.dtype, owner, name)

    def is_known(self, column: Any) -> Any:
        return self.lookup(column) >= self.lookup.num_oov_indices

    def prepare(self, column: Any) -> Any:
        return self.lookup(column)

    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        return self.table(self.lookup.with_dropout(prepared) if training else prepared)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary": self.vocabulary,
            "min_count": self.min_count,
            "num_oov_indices": self.lookup.num_oov_indices,
            "id_dropout": self.lookup.id_dropout,
        }


def _known_ids(data: Any) -> Any:
    data = from_arrow(data, "Id", name_of_data())
    missing = missing_entries(data)
    return _without_missing(data, missing)[~missing] if missing.any() else data


def _without_missing(column: Any, missing: np.ndarray, stand_in: Any = None) -> np.ndarray:
    """Returns ids as objects, with a stand-in where one is missing, and whole floats as the integers they were."""
    values = np.array(column, dtype=object)
    known = values[~missing]
    if all(isinstance(each, (float, np.floating)) and each.is_integer() for each in known):
        values[~missing] = [int(each) for each in known]
    values[missing] = stand_in
    return values
