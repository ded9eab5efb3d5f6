"""Times as tensors: one unit for integers of any, and for floats and text that nobody has read."""

from __future__ import annotations

import tensorflow as tf

from reciperec_layers.columns.time_arrays import MICROSECONDS_BELOW, MILLISECONDS_BELOW, MISSING_TIME, SECONDS_BELOW

_SECOND = 10**6
# A date, and where it has one a time with seconds, and where it has one an offset.
_ISO = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d*)?)?(Z|[+-]\d{2}:?\d{2})?)?"
_CUMULATIVE_DAYS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def to_microseconds(times: tf.Tensor) -> tf.Tensor:
    """Returns microseconds since 1970, int64 of the same shape; `MISSING_TIME` stays. Part of a graph.

    Args:
        times: Integers whose size tells the unit, as `to_time_array` gives them; floats of the same units, in their
            precision; or text, of which ISO-8601 dates and times are read to the second and anything else is missing.

    Example:
        >>> to_microseconds(tf.constant([1_500_000_000, 1_500_000_000_000], tf.int64)).numpy().tolist()
        [1500000000000000, 1500000000000000]
        >>> to_microseconds(tf.constant(["2017-07-14T04:40:00.5+02:00 "])).numpy().tolist()
        [1500000000000000]
    """
    if times.dtype == tf.string:
        return _of_text(times)
    if times.dtype.is_floating:
        times = tf.where(tf.math.is_finite(times), times, MISSING_TIME)
    times = tf.cast(times, tf.int64)
    size = tf.abs(times)
    smaller = tf.where(
        size < MILLISECONDS_BELOW, times * 10**3, tf.where(size < MICROSECONDS_BELOW, times, times // 1000)
    )
    microseconds = tf.where(size < SECONDS_BELOW, times * _SECOND, smaller)
    return tf.where(times == MISSING_TIME, times, microseconds)


def _of_text(times: tf.Tensor) -> tf.Tensor:
    texts = tf.strings.strip(times)
    is_time = tf.strings.regex_full_match(texts, _ISO)
    texts = tf.where(is_time, texts, "1970-01-01")
    texts = tf.where(tf.strings.length(texts) == 10, texts + "T00:00", texts)
    texts = tf.strings.regex_replace(texts, r"^(.{16})($|Z|[+-])", r"\1:00\2")
    year, month, day, hour, minute, second = (_number(texts, at) for at in ((0, 4), 5, 8, 11, 14, 17))
    has_offset = tf.strings.regex_full_match(texts, r".*[+-]\d{2}:?\d{2}") & (tf.strings.length(texts) > 19)
    ends = tf.where(has_offset, tf.strings.regex_replace(texts, r"^.*([+-]\d{2}):?(\d{2})$", r"\1\2"), "+0000")
    offset = _number(ends, 1) * 60 + _number(ends, 3)
    offset = tf.where(tf.strings.substr(ends, 0, 1) == "-", -offset, offset)
    minutes = (_days(year, month, day) * 24 + hour) * 60 + minute - offset
    return tf.where(is_time, (minutes * 60 + second) * _SECOND, MISSING_TIME)


def _number(texts: tf.Tensor, at: int | tuple[int, int]) -> tf.Tensor:
    start, length = (at, 2) if isinstance(at, int) else at
    return tf.strings.to_number(tf.strings.substr(texts, start, length), tf.int64)


def _days(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
    """Returns days since 1970 of dates of the Gregorian calendar."""
    is_leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    before = year - 1  # leap days of the years before
    leap_days = before // 4 - before // 100 + before // 400 - 477
    of_year = tf.gather(tf.constant(_CUMULATIVE_DAYS, tf.int64), tf.clip_by_value(month - 1, 0, 11))
    of_year += tf.cast(is_leap & (month > 2), tf.int64)
    return (year - 1970) * 365 + leap_days + of_year + day - 1
