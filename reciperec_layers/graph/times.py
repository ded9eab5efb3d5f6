"""Times in a graph: integers since 1970 of any usual unit."""

from __future__ import annotations

import tensorflow as tf

# Beyond these a number of seconds would lie after the year 5000, one of milliseconds and so on, too.
_UNITS = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (None, 10**9))


def to_seconds(times: tf.Tensor) -> tf.Tensor:
    """Returns whole seconds since 1970 of times in seconds, milli-, micro- or nanoseconds, told by their size.

    Args:
        times: int64 of any shape. Below 10^11 they are seconds, below 10^14 ms, below 10^17 us, else ns.

    Example:
        >>> to_seconds(tf.constant([1_500_000_000, 1_500_000_000_000], tf.int64)).numpy().tolist()
        [1500000000, 1500000000]
    """
    size = tf.abs(times)
    seconds = times // _UNITS[-1][1]
    for limit, per_second in reversed(_UNITS[:-1]):
        seconds = tf.where(size < limit, times // per_second, seconds)
    return seconds
