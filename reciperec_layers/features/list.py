"""List: pooled embeddings of the items of a list."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.columns.list_texts import BEFORE_WEIGHT, find_item_separator, to_list_texts
from reciperec_layers.columns.tensors import to_tensor
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain
from reciperec_layers.features.encoder import ENCODERS, name_of_data
from reciperec_layers.features.items import pack, split_items, split_weights, unpack
from reciperec_layers.features.table_encoder import TableEncoder
from reciperec_layers.features.token_rows import count_tokens, to_token_vocabulary, token_rows
from reciperec_layers.features.words import lower_case
from reciperec_layers.layers.embedding_table import EmbeddingTable
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.vocabulary import Vocabulary

_POOLINGS = ("mean", "sum", "sqrtn", "attention")
_TENSORS = (tf.Tensor, tf.RaggedTensor, tf.Variable, keras.Variable)


@ENCODERS.register("list")
class List(TableEncoder):
    r"""Embeds a list by pooling the embeddings of its items: genres, ingredients, tags.

    A list is a list, tuple, set or array of items, a dict of weights by item, a list of pairs of item and weight, or
    text with a `separator` between items, also in the brackets and quotes of Python, JSON or R. `["salt", "egg"]` and
    `"salt^egg"` are the same. White space and quotes around an item are left out, and so are empty items; items are
    compared in lower case unless `fold_case` is off. Numbers are items as their text.

    An item in at least `min_count` lists of the data has a row of the table; others share `num_oov_indices` rows, and
    are trained there. The pooled vector, of rows `e` with weights `w` (1 by default), is

        mean:       sum(w * e) / sum(w)
        sum:        sum(w * e)
        sqrtn:      sum(w * e) / sqrt(sum(w ** 2))
        attention:  sum(w * a * e) / sum(w * a), where a = exp(s), and s is a number learned for each row, 0 at first

    An empty or missing list gives zeros.

    Args:
        data: Lists of the training rows, from which vocabulary, separator and `weighted` are found.
        vocabulary: A `Vocabulary`, or unique items in row order, in place of `data`; `None` to hash all items.
        width: Columns of the table.
        separator: What is between the items in text; `None` for the first of `^`, `|`, line break, tab, `;` and `,`
            that a tenth of the texts in `data` have, or a comma without data. `"[]"` stands for lists that JSON or
            Python wrote, whose items may have any character in them; `None` finds them where all texts in `data` are.
        min_count: In how many lists of `data` an item must occur to get a row of its own.
        max_size: How many items get one at most, the most frequent first, or `None`.
        num_oov_indices: Rows that all other items share, >= 1.
        max_items: How many items of a list are read, so that the cost of a row has a bound.
        pooling: `"mean"`, `"sum"`, `"sqrtn"` or `"attention"`. With `"sqrtn"` lists of any length have the size of a
            single row at the start.
        weighted: Whether items have weights, in 0 .. 10^6; `None` to see by `data`.
        fold_case: Whether upper and lower case are the same.
        regularizer: Keras regularizer, applied to the distinct rows that a batch reads, or `None`.
        seed: Seed of the table.
        name: Name of the layer.
        **kwargs: As for `Encoder`.

    Call arguments:
        inputs: Lists, as above, shape `(batch,)`; or a tensor of text of that shape, where `"\x1f"` after each item
            serves for any separator, and `"\x1e"` stands before a weight; or a ragged or dense tensor of text or
            integers, shape `(batch, None)`.

    Returns:
        Tensor of shape `(batch, width)`, in the compute dtype.

    Raises:
        ArgumentError: A number is out of range, or weights are given to an encoder without them.
        ArgumentTypeError: An item is neither text nor a number.

    Example:
        >>> ingredients = List(["Salt^egg", "salt^flour", None], width=4, min_count=1)
        >>> ingredients.separator, ingredients.vocabulary.ids.tolist()
        ('^', ['salt', 'egg', 'flour'])
        >>> ingredients([["egg", "milk"], "egg^milk", []]).shape.as_list()
        [3, 4]
    """

    def __init__(
        self,
        data: Any = None,
        *,
        vocabulary: Any = None,
        width: int = 32,
        separator: str | None = None,
        min_count: int = 2,
        max_size: int | None = 50_000,
        num_oov_indices: int = 1,
        max_items: int = 64,
        pooling: str = "sqrtn",
        weighted: bool | None = None,
        fold_case: bool = True,
        regularizer: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self.min_count = check_integer("List", "min_count", min_count)
        self.max_size = check_integer("List", "max_size", max_size, optional=True, example=50_000)
        self.num_oov_indices = check_integer("List", "num_oov_indices", num_oov_indices, example=1)
        self.max_items = check_integer("List", "max_items", max_items, example=64)
        if pooling not in _POOLINGS:
            problem = f"`pooling` must be one of {', '.join(map(repr, _POOLINGS))}"
            raise ArgumentError(explain("List", problem, pooling=pooling, fix='Use for example pooling="sqrtn"'))
        if separator is not None and (not isinstance(separator, str) or not separator):
            fix = 'Use for example separator="|"'
            raise ArgumentError(
                explain("List", "`separator` must be text that is not empty", separator=separator, fix=fix)
            )
        self.pooling = pooling
        self.fold_case = bool(fold_case)
        texts = None if data is None else to_list_texts(data, "List", name_of_data(), self._warn_of_surrogates)
        if texts is None:
            self.separator, self.weighted = separator or ",", bool(weighted)
        else:
            self.separator = separator or find_item_separator(texts)
            self.weighted = any(BEFORE_WEIGHT in text for text in texts) if weighted is None else bool(weighted)
            column = self.read(texts, "List", name_of_data())
            vocabulary = count_tokens(column, lambda part: self._items(part)[0], self.min_count, self.max_size)
        self.lookup = None
        if vocabulary is not None:
            self.lookup = IdLookup(to_token_vocabulary(vocabulary, self.fold_case), self.num_oov_indices)
        num_rows = self.num_oov_indices if self.lookup is None else self.lookup.num_rows
        combiner = "mean" if pooling == "attention" else pooling
        self._make_table(num_rows, width, regularizer, seed, combiner)
        # In float32, since a softmax of half precision is coarse.
        self.scores = EmbeddingTable(num_rows, 1, "zeros", dtype="float32") if pooling == "attention" else None
        self.built = True

    @property
    def form(self) -> tf.TensorSpec:
        return tf.TensorSpec((None,), tf.string)

    @property
    def missing(self) -> Any:
        return ""

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The items that have rows of their own, or `None`."""
        return None if self.lookup is None else self.lookup.vocabulary

    def read(self, column: Any, owner: str, name: str) -> Any:
        if isinstance(column, _TENSORS):
            return column
        texts = to_list_texts(column, owner, name, self._warn_of_surrogates)
        if not self.weighted and any(BEFORE_WEIGHT in text for text in texts):
            problem = f"column {name!r} has weights, and the encoder was made without them"
            fix = "Create it with weighted=True or with data that have weights, or pass lists of items"
            raise ArgumentError(explain(owner, problem, fix=fix))
        return to_tensor(texts, owner, name)

    def is_known(self, column: Any) -> Any:
        return self._items(column)[0].row_lengths() > 0

    def prepare(self, column: Any) -> Any:
        items, weights = self._items(column)
        rows = token_rows(items, self.lookup, self.num_oov_indices)
        return rows if weights is None else rows.with_flat_values(pack(rows.flat_values, weights))

    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        rows, weights = prepared, None
        if self.weighted:
            values, weights = unpack(prepared.flat_values)
            rows = prepared.with_flat_values(values)
        if self.scores is not None:
            attention = _attention(self.scores(rows.flat_values)[:, 0], rows)
            weights = attention if weights is None else weights * attention
        return self.table(rows) if weights is None else self.table(rows, weights=rows.with_flat_values(weights))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary": self.vocabulary,
            "separator": self.separator,
            "min_count": self.min_count,
            "max_size": self.max_size,
            "num_oov_indices": self.num_oov_indices,
            "max_items": self.max_items,
            "pooling": self.pooling,
            "weighted": self.weighted,
            "fold_case": self.fold_case,
        }

    def _items(self, column: Any) -> tuple[Any, Any]:
        """Returns the items of each row, text of shape `(n, None)`, and their flat weights or `None`."""
        items = (split_items(column, self.separator) if _is_text(column) else _items_of_rows(column))[
            :, : self.max_items
        ]
        values, weights = items.flat_values, None
        if self.weighted:
            values, weights = split_weights(values)
        return items.with_flat_values(lower_case(values) if self.fold_case else values), weights


def _is_text(column: Any) -> bool:
    return not isinstance(column, tf.RaggedTensor) and column.shape.rank == 1 and column.dtype == tf.string


def _items_of_rows(column: Any) -> Any:
    rows = (
        column if isinstance(column, tf.RaggedTensor) or column.shape.rank == 1 else tf.RaggedTensor.from_tensor(column)
    )
    if rows.shape.rank != 2 or not (rows.dtype == tf.string or rows.dtype.is_integer):
        problem = "a tensor of lists must be text of shape (batch,), or text or integers of shape (batch, None)"
        raise ArgumentTypeError(explain("List", problem, inputs=column, fix="Pass the column as pandas or a list"))
    return rows if rows.dtype == tf.string else rows.with_flat_values(tf.strings.as_string(rows.flat_values))


def _attention(scores: tf.Tensor, rows: Any) -> tf.Tensor:
    """Returns what each item weighs, the most important one of its list 1; flat."""
    of_row = rows.value_rowids()
    largest = tf.math.unsorted_segment_max(scores, of_row, rows.nrows())
    return tf.exp(scores - tf.stop_gradient(tf.gather(largest, of_row)))
