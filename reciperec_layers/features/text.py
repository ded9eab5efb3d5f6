"""Text: pooled embeddings of words and of runs of characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.columns.tensors import to_tensor
from reciperec_layers.columns.value_texts import value_texts
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain
from reciperec_layers.features.encoder import ENCODERS, name_of_data
from reciperec_layers.features.table_encoder import TableEncoder
from reciperec_layers.features.token_rows import count_tokens, to_token_vocabulary, token_rows
from reciperec_layers.features.words import character_ngrams, has_word, share_without_spaces, split_words
from reciperec_layers.layers.id_lookup import IdLookup
from reciperec_layers.vocabulary import Vocabulary

_MAX_NGRAM = 16
# "auto" looks at so many texts; shorter ones than these words are names, in which parts of words say something.
_TEXTS_LOOKED_AT = 10_000
_WORDS_OF_A_NAME = 12


@ENCODERS.register("text")
class Text(TableEncoder):
    """Embeds text by the embeddings of its words and, for names, of its runs of characters, added up.

    Words are runs of letters, digits and marks of any script, in lower case. A word in at least `min_count` texts of
    the data has a row of the table; all others share `num_hash_buckets` rows by a hash, and are trained there, so that
    words never seen meet rows that rare words have trained. Without `data` and `vocabulary` every word is hashed.

    Scripts without spaces, such as Chinese and Thai, give one word for each run of letters; runs of characters carry
    their meaning.

    With `idf` a token that occurs in `c` texts weighs `1 + log(c_max / c)`, where `c_max` is the count of the most
    frequent one; hashed tokens weigh as the rarest of the vocabulary.

    Text without a word, empty or missing, gives zeros. Lone surrogates, which UTF-8 cannot hold, are read as U+FFFD,
    with a warning.

    Args:
        data: Texts of the training rows, from which the vocabulary is made.
        vocabulary: A `Vocabulary`, or unique tokens in row order, in place of `data`; `None` to hash all tokens.
        width: Columns of the table.
        min_count: In how many texts of `data` a token must occur to get a row of its own.
        max_size: How many tokens get one at most, the most frequent first, or `None`.
        num_hash_buckets: Rows that all other tokens share, >= 1.
        word_ngrams: Tokens are also runs of up to so many words; 1 for single words.
        character_ngrams: Shortest and longest run of characters in a word, in `1 .. 16`, its ends counted as one each;
            `None` for none. `"auto"` is `(2, 3)` where a tenth of the data are in a script without spaces, `(3, 3)`
            where texts have 12 words or fewer on average, else `None`.
        max_tokens: How many tokens of a text are read, words first, so that the cost of a row has a bound.
        combiner: `"mean"`, `"sum"` or `"sqrtn"`, as in `layers.EmbeddingTable`. With `"sqrtn"`, the sum divided by the
            root of the number of tokens, texts of any length have the size of a single row at the start.
        idf: Whether frequent tokens weigh less. Needs counts, which a vocabulary from `data` has.
        regularizer: Keras regularizer, applied to the distinct rows that a batch reads, or `None`.
        seed: Seed of the table.
        name: Name of the layer.
        **kwargs: As for `Encoder`.

    Call arguments:
        inputs: Texts, shape `(batch,)`. Numbers are read as text; None, NaN and NA are missing, as empty text.

    Returns:
        Tensor of shape `(batch, width)`, in the compute dtype.

    Raises:
        ArgumentError: A number is out of range, or `character_ngrams` or `combiner` is none of those above.
        ArgumentTypeError: A value is a list, dict or array.

    Example:
        >>> names = Text(["Apple pie", "Plum pie", "Plum jam"], width=4, character_ngrams=None)
        >>> names.vocabulary.ids.tolist()
        ['pie', 'plum']
        >>> names(["PLUM Pie!", "", None]).shape.as_list()
        [3, 4]
    """

    def __init__(
        self,
        data: Any = None,
        *,
        vocabulary: Any = None,
        width: int = 32,
        min_count: int = 2,
        max_size: int | None = 50_000,
        num_hash_buckets: int = 1024,
        word_ngrams: int = 1,
        character_ngrams: str | Sequence[int] | None = "auto",
        max_tokens: int = 64,
        combiner: str = "sqrtn",
        idf: bool = False,
        regularizer: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self.min_count = check_integer("Text", "min_count", min_count)
        self.max_size = check_integer("Text", "max_size", max_size, optional=True, example=50_000)
        self.num_hash_buckets = check_integer("Text", "num_hash_buckets", num_hash_buckets, example=1024)
        self.word_ngrams = check_integer("Text", "word_ngrams", word_ngrams, most=_MAX_NGRAM)
        self.max_tokens = check_integer("Text", "max_tokens", max_tokens, example=64)
        if combiner is None:
            problem, fix = "the tokens of a text must be combined", 'Use for example combiner="sqrtn"'
            raise ArgumentError(explain("Text", problem, combiner=combiner, fix=fix))
        texts = None if data is None else self.read(data, "Text", name_of_data())
        self.character_ngrams = _checked_ngrams(character_ngrams, texts)
        if texts is not None:
            vocabulary = count_tokens(texts, self._tokens, self.min_count, self.max_size)
        self.lookup = None
        if vocabulary is not None:
            self.lookup = IdLookup(to_token_vocabulary(vocabulary, fold_case=True), self.num_hash_buckets)
        num_rows = self.num_hash_buckets if self.lookup is None else self.lookup.num_rows
        self._make_table(num_rows, width, regularizer, seed, combiner)
        self.idf = idf
        # A weight of Keras, so that it is in files and knows its place on each device.
        self.token_weights = self._add_token_weights() if idf and self.lookup is not None else None
        self.built = True

    @property
    def form(self) -> tf.TensorSpec:
        return tf.TensorSpec((None,), tf.string)

    @property
    def missing(self) -> Any:
        return ""

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The tokens that have rows of their own, or `None`. `#` stands before runs of characters."""
        return None if self.lookup is None else self.lookup.vocabulary

    def read(self, column: Any, owner: str, name: str) -> Any:
        if isinstance(column, (tf.Tensor, tf.Variable, keras.Variable)):
            return _checked_text(column, owner, name)
        return to_tensor(value_texts(column, owner, name, self._warn_of_surrogates), owner, name)

    def is_known(self, column: Any) -> Any:
        return has_word(column)

    def prepare(self, column: Any) -> Any:
        return token_rows(self._tokens(column), self.lookup, self.num_hash_buckets)

    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        if self.token_weights is None:
            return self.table(prepared)
        weights = tf.gather(self.token_weights.value, prepared.flat_values)
        return self.table(prepared, weights=prepared.with_flat_values(weights))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary": self.vocabulary,
            "min_count": self.min_count,
            "max_size": self.max_size,
            "num_hash_buckets": self.num_hash_buckets,
            "word_ngrams": self.word_ngrams,
            "character_ngrams": None if self.character_ngrams is None else list(self.character_ngrams),
            "max_tokens": self.max_tokens,
            "combiner": self.table.combiner,
            "idf": self.idf,
        }

    def _tokens(self, texts: Any) -> Any:
        words = split_words(texts)[:, : self.max_tokens]
        tokens = words
        if self.word_ngrams > 1:
            tokens = tf.strings.ngrams(words, list(range(1, self.word_ngrams + 1)))
        if self.character_ngrams is not None:
            shortest, longest = self.character_ngrams
            runs = character_ngrams(words, range(shortest, longest + 1))
            tokens = tf.concat([tokens, runs], axis=1)
        return tokens[:, : self.max_tokens]

    def _add_token_weights(self) -> Any:
        lookup: Any = self.lookup
        weights = np.ones(lookup.num_rows, np.float32)
        counts = lookup.vocabulary.counts if lookup.vocabulary.is_loaded else None  # else a file brings the weights
        if counts is not None:
            known = 1 + np.log(counts.max() / np.maximum(counts, 1))
            weights[: self.num_hash_buckets], weights[self.num_hash_buckets :] = known.max(), known
        initializer = keras.initializers.Constant(weights)
        return self.add_weight(
            name="token_weights",
            shape=weights.shape,
            initializer=initializer,
            trainable=False,
            autocast=False,
            dtype="float32",
        )


def _checked_text(column: Any, owner: str, name: str) -> Any:
    if tf.as_dtype(keras.backend.standardize_dtype(column.dtype)) != tf.string:
        problem = f"column {name!r} must be a tensor of text"
        fix = "Convert it by tf.strings.as_string, or pass the column as pandas or a list"
        raise ArgumentTypeError(explain(owner, problem, fix=fix, **{name: column}))
    return column


def _checked_ngrams(given: Any, texts: Any) -> tuple[int, int] | None:
    if given == "auto":
        return None if texts is None else _suited_ngrams(texts)
    if given is None:
        return None
    pair = [given, given] if isinstance(given, int) else given
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        problem = '`character_ngrams` must be the shortest and the longest length, "auto" or None'
        fix = "Use for example character_ngrams=(3, 4)"
        raise ArgumentError(explain("Text", problem, character_ngrams=given, fix=fix))
    shortest = check_integer("Text", "character_ngrams", pair[0], most=_MAX_NGRAM, example=(3, 4))
    longest = check_integer("Text", "character_ngrams", pair[1], least=shortest, most=_MAX_NGRAM, example=(3, 4))
    return shortest, longest


def _suited_ngrams(texts: tf.Tensor) -> tuple[int, int] | None:
    texts = tf.boolean_mask(texts, texts != "")[:_TEXTS_LOOKED_AT]
    if not len(texts):
        return None
    if share_without_spaces(texts) >= 0.1:
        return 2, 3
    num_words = split_words(texts).flat_values.shape[0]
    return (3, 3) if num_words <= _WORDS_OF_A_NAME * len(texts) else None
