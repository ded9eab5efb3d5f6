"""Items of lists that are written as text, in TensorFlow operations, and rows packed with weights."""

from __future__ import annotations

import re
from typing import Any

import tensorflow as tf

from reciperec_layers.columns.list_texts import BEFORE_WEIGHT, END_OF_ITEM, MAX_WEIGHT, WRITTEN_LISTS
from reciperec_layers.features.written_lists import mark_items

# As Python, JSON and R write lists.
_BRACKETS = r"(?s)^\s*(?:c?\(|\[|\{)(.*)[\])}]\s*$"
_AROUND_ITEM = rf"(?s)^[\s\p{{Z}}'\"]+|[\s\p{{Z}}'\"]+({BEFORE_WEIGHT}.*)?$"
_NO_ITEM = f"(?s)({BEFORE_WEIGHT}.*)?"
_NUMBER = r"\d+(\.\d*)?([eE][+-]?\d+)?"
_BITS_OF_WEIGHT = 32


def split_items(texts: tf.Tensor, separator: str) -> tf.RaggedTensor:
    r"""Returns the items of lists; white space and quotes around an item are left out, and so are empty items.

    Args:
        texts: Text of shape `(n,)`: items that are each followed by `"\x1f"`, else items with a separator between
            them, also in brackets.
        separator: What is between items; `"[]"` for lists as JSON and Python write them, whose items may have commas.

    Returns:
        Text of shape `(n, None)`, weights included.

    Example:
        >>> split_items(tf.constant(["egg^ milk ^", "['egg'^'milk']", "a^b\x1f"]), "^").to_list()
        [[b'egg', b'milk'], [b'egg', b'milk'], [b'a^b']]
    """
    is_list = tf.strings.regex_full_match(texts, f"(?s).*{END_OF_ITEM}.*")
    inside = tf.strings.regex_replace(texts, _BRACKETS, r"\1")
    if separator == WRITTEN_LISTS:
        written = mark_items(inside)
    else:
        written = tf.strings.regex_replace(inside, re.escape(separator), END_OF_ITEM)
    items: Any = tf.strings.split(tf.where(is_list, texts, written), sep=END_OF_ITEM)
    items = items.with_flat_values(tf.strings.regex_replace(items.flat_values, _AROUND_ITEM, r"\1"))
    is_item = items.with_flat_values(~tf.strings.regex_full_match(items.flat_values, _NO_ITEM))
    return tf.ragged.boolean_mask(items, is_item)


def split_weights(items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    r"""Returns items without their weights, and the weights; 1 where there is none.

    Args:
        items: Text of shape `(n,)`; a weight follows `"\x1e"`.

    Example:
        >>> items, weights = split_weights(tf.constant(["egg\x1e2.5", "milk"]))
        >>> items.numpy().tolist(), weights.numpy().tolist()
        ([b'egg', b'milk'], [2.5, 1.0])
    """
    written = tf.strings.regex_replace(items, f"(?s)^[^{BEFORE_WEIGHT}]*{BEFORE_WEIGHT}?", "")
    is_number = tf.strings.regex_full_match(written, _NUMBER)
    weights = tf.strings.to_number(tf.where(is_number, written, "1"))
    return tf.strings.regex_replace(items, f"(?s){BEFORE_WEIGHT}.*$", ""), tf.minimum(weights, MAX_WEIGHT)


def pack(rows: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Returns rows and their weights in one tensor, int64.

    Example:
        >>> [each.numpy().tolist() for each in unpack(pack(tf.constant([7]), tf.constant([0.5])))]
        [[7], [0.5]]
    """
    bits = tf.cast(tf.bitcast(weights, tf.int32), tf.int64)  # not negative, as the weights
    return tf.bitwise.left_shift(tf.cast(rows, tf.int64), tf.constant(_BITS_OF_WEIGHT, tf.int64)) + bits


def unpack(packed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the rows, int64, and weights, float32, that `pack` made one tensor of."""
    rows = tf.bitwise.right_shift(packed, tf.constant(_BITS_OF_WEIGHT, tf.int64))
    bits = tf.bitwise.bitwise_and(packed, tf.constant((1 << _BITS_OF_WEIGHT) - 1, tf.int64))
    return rows, tf.bitcast(tf.cast(bits, tf.int32), tf.float32)
