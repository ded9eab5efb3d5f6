"""Words and character n-grams of text in TensorFlow operations, for any script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

# Marks belong to words: the vowels of Devanagari and Thai, and accents that stand alone, are marks.
_BETWEEN_WORDS = r"[^\p{L}\p{N}\p{M}]+"
_HAS_WORD = r"(?s).*[\p{L}\p{N}\p{M}].*"
_WITHOUT_SPACES = r"(?s).*[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}].*"


def split_words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Returns the words of texts: runs of letters, digits and marks, in lower case.

    A script without spaces gives one word for each run.

    Args:
        texts: UTF-8 of shape `(n,)`.

    Returns:
        Text of shape `(n, None)`.

    Example:
        >>> [word.decode() for word in split_words(tf.constant(["Crème Brûlée, 2 eggs"])).flat_values.numpy()]
        ['crème', 'brûlée', '2', 'eggs']
    """
    return tf.strings.split(tf.strings.regex_replace(lower_case(texts), _BETWEEN_WORDS, " "))


def has_word(texts: tf.Tensor) -> tf.Tensor:
    """Returns which texts have a word, bool.

    Example:
        >>> has_word(tf.constant(["pie", " - "])).numpy().tolist()
        [True, False]
    """
    return tf.strings.regex_full_match(texts, _HAS_WORD)


def lower_case(texts: tf.Tensor) -> tf.Tensor:
    """Returns UTF-8 text in lower case, which does not depend on the language that the system is set to.

    A NUL character becomes a space.

    Example:
        >>> lower_case(tf.constant("TITLE İ Ä")).numpy().decode()
        'title i ä'
    """
    # TensorFlow lowers by the system's rules, which in Turkish turn I into a dotless i. ASCII goes first, then the
    # dotted capital, the only other letter for which the rules differ.
    same_everywhere = tf.strings.regex_replace(tf.strings.lower(texts), "İ", "i")
    # It also takes text to end at a NUL.
    return tf.strings.lower(tf.strings.regex_replace(same_everywhere, r"\x00", " "), encoding="utf-8")


def character_ngrams(words: tf.RaggedTensor, lengths: Sequence[int]) -> tf.RaggedTensor:
    """Returns the runs of characters of each word, whose ends are marked by `<` and `>`; `#` stands before a run.

    Args:
        words: Text of shape `(n, None)`.
        lengths: Numbers of characters, marks of the ends counted.

    Returns:
        Text of shape `(n, None)`.

    Example:
        >>> character_ngrams(tf.ragged.constant([["pie"], []]), [3]).to_list()
        [[b'#<pi', b'#pie', b'#ie>'], []]
    """
    characters = tf.strings.unicode_split(tf.strings.join(["<", words.flat_values, ">"]), "UTF-8")
    runs: Any = tf.strings.ngrams(characters, list(lengths), separator="")
    runs = words.with_flat_values(runs.with_flat_values(tf.strings.join(["#", runs.flat_values])))
    return runs.merge_dims(1, 2)


def share_without_spaces(texts: tf.Tensor) -> float:
    """Returns the share of texts that have characters of a script without spaces between words.

    Example:
        >>> share_without_spaces(tf.constant(["麻婆豆腐", "mapo tofu"]))
        0.5
    """
    return float(tf.reduce_mean(tf.cast(tf.strings.regex_full_match(texts, _WITHOUT_SPACES), tf.float64)))
