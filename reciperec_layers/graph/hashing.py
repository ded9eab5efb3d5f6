"""Hashes of ids in TensorFlow operations, the same in every process, in Python and in exported graphs."""

from __future__ import annotations

import tensorflow as tf

# Constants of the splitmix64 finalizer (Steele, Lea and Flood, OOPSLA 2014), as in Java's SplittableRandom.
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_SHIFTS = (30, 27, 31)
_INCREMENT = 0x9E3779B97F4A7C15


def hash_buckets(ids: tf.Tensor, num_buckets: int) -> tf.Tensor:
    """Returns the bucket of each id.

    Text is hashed by FarmHash Fingerprint64, integers by the splitmix64 finalizer, which spreads even consecutive
    integers evenly.

    Args:
        ids: Integers or strings of any shape.
        num_buckets: Number of buckets, >= 1.

    Returns:
        int64 in `0 .. num_buckets - 1`, of the same shape.

    Example:
        >>> hash_buckets(tf.constant(["r_1", "r_2"]), 1000).numpy().tolist()
        [304, 142]
    """
    if ids.dtype == tf.string:
        return tf.strings.to_hash_bucket_fast(ids, num_buckets)
    mixed = tf.bitcast(tf.cast(ids, tf.int64), tf.uint64) + tf.constant(_INCREMENT, tf.uint64)
    for shift, multiplier in zip(_SHIFTS, _MULTIPLIERS, strict=False):
        mixed = _shift_xor(mixed, shift) * tf.constant(multiplier, tf.uint64)
    mixed = _shift_xor(mixed, _SHIFTS[-1])
    # Dropping one bit makes it a non-negative int64, for which the remainder is well defined.
    positive = tf.bitcast(tf.bitwise.right_shift(mixed, tf.constant(1, tf.uint64)), tf.int64)
    return tf.math.floormod(positive, tf.constant(num_buckets, tf.int64))


def _shift_xor(values: tf.Tensor, bits: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(values, tf.bitwise.right_shift(values, tf.constant(bits, tf.uint64)))
