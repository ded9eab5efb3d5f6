r"""Lists that JSON or Python wrote as text, read in TensorFlow operations: in training, in `recommend` and exported."""

from __future__ import annotations

import tensorflow as tf

from reciperec_layers.columns.list_texts import BEFORE_WEIGHT, BETWEEN_QUOTES, END_OF_ITEM

# ASCII's separator of groups, which texts of lists do not have.
_MARK = "\x1d"
_ITEM = rf"(?s)\s*(?:u?\"({BETWEEN_QUOTES[0]})\"|u?'({BETWEEN_QUOTES[1]})'|([^,]*?))\s*(?:,|$)"
_PLAIN_VALUES = {"null|None|nan|NaN": "", "true": "True", "false": "False", r"(-?\d+)\.0*": r"\1"}

# Escaped characters, and their numbers in hexadecimal. Two surrogates stand for one character.
_ESCAPED = {
    r"\\\\": "5c",
    r"\\b": "08",
    r"\\t": "09",
    r"\\n": "0a",
    r"\\f": "0c",
    r"\\r": "0d",
    r"\\u([dD][89abAB][[:xdigit:]]{2})\\u([dD][c-fC-F][[:xdigit:]]{2})": r"\1\2",
    r"\\(?:x([[:xdigit:]]{2})|u([[:xdigit:]]{4})|U([[:xdigit:]]{8}))": r"\1\2\3",
}
_LARGEST_CHARACTER = 0x10FFFF


def mark_items(texts: tf.Tensor) -> tf.Tensor:
    r"""Returns the insides of written lists with `"\x1f"` after each item, without quotes and escapes.

    Missing values are empty items, and other plain values have the text that they have in lists.

    Args:
        texts: Text of shape `(n,)`, without the brackets.

    Example:
        >>> mark_items(tf.constant([r'"salt, fine", "cr\u00e8me", null, 2.0', "'egg'"])).numpy().tolist()
        [b'salt, fine\x1fcr\xc3\xa8me\x1f\x1f2\x1f', b'egg\x1f']
    """
    marked = tf.strings.regex_replace(
        tf.strings.regex_replace(texts, _MARK, " "), _ITEM, rf"\1\2{_MARK}\3{END_OF_ITEM}"
    )
    for plain, text in _PLAIN_VALUES.items():
        marked = tf.strings.regex_replace(marked, f"{_MARK}(?:{plain}){END_OF_ITEM}", f"{text}{END_OF_ITEM}")
    return _without_escapes(tf.strings.regex_replace(marked, _MARK, ""))


def _without_escapes(texts: tf.Tensor) -> tf.Tensor:
    for escaped, number in _ESCAPED.items():
        texts = tf.strings.regex_replace(texts, escaped, f"{_MARK}{number}{_MARK}")
    texts = tf.strings.regex_replace(texts, r"(?s)\\(.)", r"\1")
    # Every second piece is a number.
    pieces = tf.strings.split(texts, _MARK)
    place = tf.range(tf.size(pieces.flat_values, tf.int64)) - tf.gather(pieces.row_starts(), pieces.value_rowids())
    is_number = place % 2 == 1
    written = tf.where(is_number, tf.strings.join(["0x", pieces.flat_values]), "0")
    characters = tf.strings.unicode_encode(
        _characters(tf.strings.to_number(written, tf.float64))[:, tf.newaxis], "UTF-8"
    )
    return tf.strings.reduce_join(pieces.with_flat_values(tf.where(is_number, characters, pieces.flat_values)), axis=1)


def _characters(numbers: tf.Tensor) -> tf.Tensor:
    """Returns the numbers of characters, int32: two surrogates joined, and what separates items a space."""
    numbers = tf.cast(numbers, tf.int64)
    high, low = numbers // 2**16, numbers % 2**16
    numbers = tf.where(numbers > _LARGEST_CHARACTER, 2**16 + (high - 0xD800) * 2**10 + low - 0xDC00, numbers)
    is_separator = (numbers == ord(END_OF_ITEM)) | (numbers == ord(BEFORE_WEIGHT))
    return tf.cast(tf.where(is_separator, tf.constant(ord(" "), tf.int64), numbers), tf.int32)
