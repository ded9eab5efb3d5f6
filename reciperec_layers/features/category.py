"""Category: a row of a small table for each value of a column of few values."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.columns.tensors import to_tensor
from reciperec_layers.columns.value_texts import value_texts
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.features.encoder import ENCODERS, data_needed, name_of_data
from reciperec_layers.features.table_encoder import TableEncoder
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.vocabulary import Vocabulary


@ENCODERS.register("category")
class Category(TableEncoder):
    """Embeds one of a few values, such as a language or a kitchen, by a row of a small table. For ids there is `Id`.

    Values are compared as text: 3, 3.0 and "3" are one value, True is "True". So a column may be of another type than
    in training, and a value of any type that was not there is an unknown one.

    Row 0 of the table is for missing values (None, NaN, NA, ""), row 1 for unknown ones, and known values follow, the
    most frequent first. Where no value of `data` is missing, nothing would train row 0, and a missing value is unknown.
    Lone surrogates, which UTF-8 cannot hold, are read as U+FFFD, with a warning.

    Args:
        data: Values of the training rows, from which the vocabulary is made.
        vocabulary: A `Vocabulary`, or unique values in row order; in place of `data`.
        has_missing: Whether missing values have a row that training reaches; computed from `data`.
        width: Columns of the table.
        min_count: How often a value must occur in `data` to get a row of its own.
        value_dropout: Share of known values, in [0, 1), that training takes for unknown ones, so that their row is
            trained.
        regularizer: Keras regularizer, applied to the distinct rows that a batch reads, or `None`.
        seed: Seed of the table and of `value_dropout`.
        name: Name of the layer.
        **kwargs: As for `Encoder`.

    Call arguments:
        inputs: Values of shape `(batch,)`: text, integers, booleans or floats.
        training: Whether `value_dropout` applies.

    Returns:
        Tensor of shape `(batch, width)`, in the compute dtype.

    Raises:
        ArgumentError: No value of `data` occurs `min_count` times, or an argument is out of range.
        ArgumentTypeError: A value is a list, dict or array.

    Example:
        >>> kitchens = Category(["thai", None, "greek", "thai"], width=4)
        >>> kitchens.vocabulary.ids.tolist(), kitchens(["greek", "lost", None]).shape.as_list()
        (['thai', 'greek'], [3, 4])
    """

    def __init__(
        self,
        data: Any = None,
        *,
        vocabulary: Any = None,
        has_missing: bool = True,
        width: int = 8,
        min_count: int = 1,
        value_dropout: float = 0.05,
        regularizer: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        if data is not None:
            texts = value_texts(data, "Category", name_of_data(), self._warn_of_surrogates)
            vocabulary, has_missing = _statistics(texts, min_count)
        elif vocabulary is None:
            raise data_needed("Category")
        width = check_integer("Category", "width", width, example=8)
        self.lookup = IdLookup(_of_texts(vocabulary), 1, value_dropout, seed)
        self._make_table(self.lookup.num_rows + 1, width, regularizer, seed)
        self.has_missing = has_missing
        self.min_count = min_count
        self.built = True

    @property
    def form(self) -> tf.TensorSpec:
        return tf.TensorSpec((None,), tf.string)

    @property
    def missing(self) -> Any:
        return ""

    @property
    def vocabulary(self) -> Vocabulary:
        """The known values as text, in row order."""
        return self.lookup.vocabulary

    @property
    def deterministic(self) -> bool:
        return self.lookup.deterministic and super().deterministic

    def read(self, column: Any, owner: str, name: str) -> Any:
        if tf.is_tensor(column):
            return column
        return to_tensor(value_texts(column, owner, name, self._warn_of_surrogates), owner, name)

    def is_known(self, column: Any) -> Any:
        return self.lookup(_as_text(column)) > 0

    def prepare(self, column: Any) -> Any:
        texts = _as_text(column)
        row_of_missing = tf.constant(0 if self.has_missing else 1, tf.int64)
        return tf.where(texts == "", row_of_missing, self.lookup(texts) + 1)

    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        if training:
            dropped = self.lookup.with_dropout(prepared - 1) + 1
            prepared = tf.where(prepared == 0, prepared, dropped)
        return self.table(prepared)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary": self.vocabulary,
            "has_missing": self.has_missing,
            "min_count": self.min_count,
            "value_dropout": self.lookup.id_dropout,
        }


def _statistics(texts: np.ndarray, min_count: int) -> tuple[Vocabulary, bool]:
    min_count = check_integer("Category", "min_count", min_count)
    try:
        return Vocabulary.from_data(texts[texts != ""], min_count), bool((texts == "").any())
    except ArgumentError as error:
        problem = f"no value of `data` occurs {min_count} times" if min_count > 1 else "`data` has no values"
        fix = "Leave the column out, or lower min_count" if min_count > 1 else "Leave the column out"
        raise ArgumentError(explain("Category", problem, data=texts, fix=fix)) from error


def _of_texts(vocabulary: Any) -> Vocabulary:
    if isinstance(vocabulary, Vocabulary):
        if vocabulary.dtype == "string":
            return vocabulary
        vocabulary = vocabulary.ids
    return Vocabulary(value_texts(vocabulary, "Category", "vocabulary"))


def _as_text(column: Any) -> Any:
    """Returns the texts of `value_texts` for a tensor, which another than `read` may have made."""
    if column.dtype == tf.string:
        return column
    if column.dtype.is_floating:
        is_whole = (column == tf.round(column)) & (tf.abs(column) < 2.0**53)
        whole = tf.as_string(tf.cast(tf.where(is_whole, column, 0), tf.int64))
        texts = tf.where(is_whole, whole, tf.as_string(column, shortest=True))
        return tf.where(tf.math.is_nan(column), "", texts)
    return tf.where(column, "True", "False") if column.dtype == tf.bool else tf.as_string(column)
