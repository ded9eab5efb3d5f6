"""Time: how long before the newest time, in which bucket, and where in the day, the week and the year."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_ascending, check_integer, check_number
from reciperec_layers.columns.time_arrays import MICROSECONDS_BELOW, MISSING_TIME, to_time_array
from reciperec_layers.columns.time_tensors import to_microseconds
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.features.encoder import ENCODERS, Encoder, data_needed, name_of_data
from reciperec_layers.features.time_statistics import (
    CYCLES,
    DAY,
    auto_bucket_days,
    compute_edges,
    phase,
    varying_cycles,
)
from reciperec_layers.layers.embedding_table import EmbeddingTable
from reciperec_layers.recency import far_future

_MOST = MICROSECONDS_BELOW * 1000
_UNREADABLE = ("error", "missing")


@ENCODERS.register("time")
class Time(Encoder):
    """Encodes a time relative to the newest one of training, so that what was popular when can be learned.

    A time that is missing is now: the newest time of training, so that `recommend` without a time asks for today's
    recommendations. Times after the newest one have its age, bucket and year, and those before the oldest have that
    one's. Statistics leave out a time far after all others, of at most one in a hundred rows, and a warning names it.
    The output joins these parts, each of which can be switched off:

        age      log(1 + days before the newest) / log(1 + days of training), in 0 .. 1
        year     -days before the newest / days of training, in -1 .. 0
        cycles   sine and cosine of the hour, of the weekday, and of the month, as the place in the year; in UTC
        bucket   embedding of the bucket of `bucket_days` that the time is in

    The newest bucket goes back a whole `bucket_days` from the newest time, so that enough rows train it. A bucket with
    fewer than one of 200 rows takes in the following older ones. Equal instants are equal in every form: integers and
    floats are seconds, milliseconds, microseconds or nanoseconds since 1970 by their size (from 10^11, 10^14 and 10^17
    on), text is ISO-8601, and datetimes may have any unit and time zone. All differences are computed in int64. Within
    three years of 1970 datetimes and floats are rounded down to seconds, as their size could not tell the unit.

    Args:
        data: Times of the training rows, from which statistics are computed.
        age: Whether the age is part of the output.
        year: Whether the year is.
        cycles: Cycles that are, out of `"hour"`, `"weekday"` and `"month"`. `"auto"` takes those whose eighteenth part
            does not hold all training times: not the hour of dates, nor the month within 20 days.
        bucket_days: Length of the buckets in days, `"auto"` for one of an hour to ten years that gives about 8 to 40
            buckets, or `None` for no buckets.
        bucket_width: Size of the bucket embedding.
        newest: Newest time of training, in microseconds since 1970, UTC; computed from `data`, as are the next two.
        oldest: Oldest time of training, likewise.
        bucket_edges: How long before the newest time each bucket but the first begins, in microseconds, ascending.
        unreadable: What a value is that is not a time: an `"error"`, or `"missing"`, with a warning.
        seed: Seed of the bucket embeddings.
        name: Name of the layer.
        **kwargs: As for `Encoder`.

    Call arguments:
        inputs: Times of shape `(batch,)`.
        training: Without effect.

    Returns:
        Tensor of shape `(batch, width)`, in the compute dtype.

    Raises:
        ArgumentError: Times cannot be read, `data` has none, an argument is out of range, or all parts are off.
        ArgumentTypeError: The column holds something else than times, or several in a row.

    Example:
        >>> times = Time(["2016-01-01", "2017-01-01 ", "2018-01-01T12:00:00.5"], cycles=(), bucket_days=None)
        >>> times(["2018-01-01T12:00:00.5", None, "2030-01-01"]).numpy()
        array([[0., 0.],
               [0., 0.],
               [0., 0.]], dtype=float32)
        >>> times(np.array([1451606400, 1451606400_000]))[:, 0].numpy()
        array([1., 1.], dtype=float32)
    """

    tells = "context"

    def __init__(
        self,
        data: Any = None,
        *,
        age: bool = True,
        year: bool = True,
        cycles: Any = "auto",
        bucket_days: float | str | None = "auto",
        bucket_width: int = 16,
        newest: int | None = None,
        oldest: int | None = None,
        bucket_edges: Any = None,
        unreadable: str = "error",
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        bucket_width = check_integer("Time", "bucket_width", bucket_width, example=16)
        if unreadable not in _UNREADABLE:
            problem = '`unreadable` must be "error" or "missing"'
            raise ArgumentError(explain("Time", problem, unreadable=unreadable, fix='Use unreadable="missing"'))
        self.unreadable = unreadable
        cycles = _checked_cycles(cycles)
        bucket_days = None if bucket_days is None else _checked_days(bucket_days)
        if data is not None:
            times = _known_times(self.read(data, "Time", name_of_data()))
            newest, oldest = int(times[-1]), int(times[0])
            cycles = varying_cycles(times) if cycles == "auto" else cycles
            bucket_days = auto_bucket_days(times) if bucket_days == "auto" else bucket_days
            bucket_edges = None if bucket_days is None else compute_edges((newest - times)[::-1], bucket_days)
        elif newest is None or oldest is None or "auto" in (cycles, bucket_days):
            raise data_needed("Time")
        self.age, self.year, self.cycles, self.bucket_days = bool(age), bool(year), cycles, bucket_days
        self.newest = check_integer("Time", "newest", newest, least=-_MOST, most=_MOST, example=0)
        self.oldest = check_integer("Time", "oldest", oldest, least=-_MOST, most=self.newest, example=0)
        self.bucket_edges = check_ascending("Time", "bucket_edges", bucket_edges or (), example=[DAY])
        self.bucket_width = bucket_width
        self.seed = check_integer("Time", "seed", seed, least=0, optional=True)
        self.table = self._make_table()
        if not self.width:
            problem, fix = "every part of the output is switched off", "Use for example age=True"
            raise ArgumentError(explain("Time", problem, fix=fix))
        self.built = True

    @property
    def width(self) -> int:
        return self.age + self.year + 2 * len(self.cycles) + (self.bucket_width if self.table is not None else 0)

    @property
    def form(self) -> tf.TensorSpec:
        return tf.TensorSpec((None,), tf.int64)

    @property
    def missing(self) -> Any:
        return MISSING_TIME

    @property
    def deterministic(self) -> bool:
        return self.activity_regularizer is None

    def read(self, column: Any, owner: str, name: str) -> Any:
        if tf.is_tensor(column):
            return column
        if self.unreadable == "missing":
            return tf.constant(to_time_array(column, owner, name, self._warn_of_missing), tf.int64)
        try:
            return tf.constant(to_time_array(column, owner, name), tf.int64)
        except ArgumentError as error:
            raise ArgumentError(f'{error} Time(unreadable="missing") reads such values as missing.') from error

    def prepare(self, column: Any) -> Any:
        times = to_microseconds(column)
        return tf.where(times == MISSING_TIME, tf.constant(self.newest, tf.int64), times)

    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        # Microseconds of years are more than float32 can tell apart.
        age = tf.clip_by_value(self.newest - prepared, 0, self.newest - self.oldest)
        span = (self.newest - self.oldest) / DAY or 1.0
        parts = [tf.math.log1p(_days(age)) / math.log1p(span)] if self.age else []
        if self.year:
            parts.append(_days(-age) / span)
        for cycle in self.cycles:
            angle = 2 * math.pi * tf.cast(phase(prepared, cycle), tf.float32)
            parts += [tf.sin(angle), tf.cos(angle)]
        joined = [tf.cast(tf.stack(parts, axis=1), self.compute_dtype)] if parts else []
        if self.table is not None:
            edges = tf.constant(self.bucket_edges, tf.int64, shape=[len(self.bucket_edges)])
            joined.append(self.table(tf.searchsorted(edges, age, side="right")))
        return tf.concat(joined, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "data": None,
            "age": self.age,
            "year": self.year,
            "cycles": list(self.cycles),
            "bucket_days": self.bucket_days,
            "bucket_width": self.bucket_width,
            "newest": self.newest,
            "oldest": self.oldest,
            "bucket_edges": list(self.bucket_edges),
            "unreadable": self.unreadable,
            "seed": self.seed,
        }

    def _warn_of_missing(self, problem: str) -> None:
        self._warn_of_values(f"{problem}; they are read as missing, as the newest time of training")

    def _make_table(self) -> EmbeddingTable | None:
        if self.bucket_days is None:
            return None
        initializer = keras.initializers.RandomUniform(seed=self.seed)
        return EmbeddingTable(len(self.bucket_edges) + 1, self.bucket_width, initializer, dtype=self.dtype_policy)


def _known_times(column: Any) -> np.ndarray:
    """Returns the times that are not missing or wrong in microseconds since 1970, ascending."""
    times = to_microseconds(column).numpy()
    times = np.sort(times[times != MISSING_TIME])
    if not times.size:
        problem, fix = "`data` has no times, or all are missing", "Leave the column out"
        raise ArgumentError(explain("Time", problem, data=column, fix=fix))
    return times[~far_future(times / 1e6, "Time")]


def _days(microseconds: Any) -> Any:
    return tf.cast(microseconds, tf.float32) / DAY


def _checked_cycles(cycles: Any) -> Any:
    if isinstance(cycles, str) and cycles == "auto":
        return cycles
    given = (cycles,) if isinstance(cycles, str) else tuple(cycles or ())
    if not set(given) <= CYCLES.keys():
        problem = f"`cycles` must be 'auto' or any of {', '.join(map(repr, CYCLES))}"
        raise ArgumentError(explain("Time", problem, cycles=cycles, fix='Use for example cycles=["hour", "weekday"]'))
    return tuple(cycle for cycle in CYCLES if cycle in given)


def _checked_days(bucket_days: Any) -> Any:
    if isinstance(bucket_days, str) and bucket_days == "auto":
        return bucket_days
    return check_number("Time", "bucket_days", bucket_days, least=1 / 86_400, most=1e6, example=180)
