"""Number: a column of numbers, scaled and in quantile buckets."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_ascending, check_integer, check_number
from reciperec_layers.columns.number_arrays import to_number_array
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, explain
from reciperec_layers.features.encoder import ENCODERS, Encoder, data_needed, name_of_data
from reciperec_layers.layers.embedding_table import EmbeddingTable

# Scaled values beyond are clipped; the second fits into float16.
_MOST_DEVIATIONS, _MOST_UNSCALED = 10.0, 10_000.0
_SCALES = ("standard", "log", "none")


@ENCODERS.register("number")
class Number(Encoder):
    """Scales a number, and embeds which quantile bucket it is in.

    The output is `[z, missing, bucket embedding]`. With the training rows' mean and standard deviation, z is

        standard:  (x - mean) / deviation                                  within -10 .. 10
        log:       the same of sign(x) * log(1 + |x|)                      within -10 .. 10
        none:      x                                                       within -10,000 .. 10,000

    Buckets hold about equally many training rows; values that occur often make them fewer. Infinite values are the
    largest there are: z is clipped, the bucket is the last or the first. Statistics leave them out. A missing value has
    z = 0, a bucket embedding of zeros and missing = 1, or, where no value of `data` is missing and nothing would train
    what reads the indicator, missing = 0. A column that is constant or all missing is finite as well.

    Args:
        data: Values of the training rows, from which statistics are computed.
        scale: `"standard"`, `"log"` or `"none"`; `"auto"` takes `"log"` for numbers that are not negative and skewed,
            such as counts and prices, and else `"standard"`.
        mean: Mean of the transformed values; computed from `data`, as are the following three.
        deviation: Their standard deviation, > 0.
        edges: Smallest values of the buckets, without the first one's, ascending.
        has_missing: Whether training has missing values.
        num_buckets: Number of buckets at most, >= 1.
        bucket_width: Size of the bucket embedding.
        seed: Seed of the bucket embeddings.
        name: Name of the layer.
        **kwargs: As for `Encoder`.

    Call arguments:
        inputs: Numbers of shape `(batch,)`; also booleans and text with numbers in it. Computed in float32.
        training: Without effect.

    Returns:
        Tensor of shape `(batch, 2 + bucket_width)`, in the compute dtype.

    Raises:
        ArgumentError: `scale` is unknown, values are not numbers, or an argument is out of range.
        ArgumentTypeError: The column holds times, or several numbers per row.

    Example:
        >>> minutes = Number([10, 20, 30], scale="standard", bucket_width=1)
        >>> minutes([20, None, 1e30])[:, 0].numpy()
        array([ 0.,  0., 10.], dtype=float32)
    """

    def __init__(
        self,
        data: Any = None,
        *,
        scale: str = "auto",
        mean: float | None = None,
        deviation: float | None = None,
        edges: Any = None,
        has_missing: bool = True,
        num_buckets: int = 16,
        bucket_width: int = 4,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        if scale not in ("auto", *_SCALES):
            problem = f"`scale` must be one of 'auto', {', '.join(map(repr, _SCALES))}"
            raise ArgumentError(explain("Number", problem, scale=scale, fix='Use for example scale="auto"'))
        num_buckets = check_integer("Number", "num_buckets", num_buckets, example=16)
        bucket_width = check_integer("Number", "bucket_width", bucket_width, example=4)
        if data is not None:
            scale, mean, deviation, edges, has_missing = _statistics(data, scale, num_buckets)
        elif mean is None or deviation is None or edges is None or scale == "auto":
            raise data_needed("Number")
        self.scale = scale
        self.mean = check_number("Number", "mean", mean, example=0.0)
        self.deviation = check_number("Number", "deviation", deviation, above=0, example=1.0)
        self.edges = check_ascending("Number", "edges", edges, example=[10.0, 20.0])
        self.has_missing = has_missing
        self.num_buckets = num_buckets
        self.seed = check_integer("Number", "seed", seed, least=0, optional=True)
        initializer = keras.initializers.RandomUniform(seed=seed)
        self.table = EmbeddingTable(len(self.edges) + 1, bucket_width, initializer, dtype=self.dtype_policy)
        self.built = True

    @property
    def width(self) -> int:
        return 2 + self.table.embedding_dim

    @property
    def form(self) -> tf.TensorSpec:
        return tf.TensorSpec((None,), tf.float32)

    @property
    def missing(self) -> Any:
        return np.nan

    @property
    def deterministic(self) -> bool:
        return self.activity_regularizer is None

    def read(self, column: Any, owner: str, name: str) -> Any:
        return column if tf.is_tensor(column) else tf.constant(to_number_array(column, owner, name))

    def prepare(self, column: Any) -> Any:
        if column.dtype == tf.string:
            fix = "Pass numbers, or the column as it was before it became a tensor"
            raise ArgumentTypeError(explain("Number", "a tensor of numbers is needed", tensor=column, fix=fix))
        return tf.cast(column, tf.float32)

    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        is_missing = tf.math.is_nan(prepared)
        known = tf.where(is_missing, 0.0, prepared)
        z = tf.where(is_missing, 0.0, _scaled(known, self.scale, self.mean, self.deviation))
        indicator = tf.cast(is_missing & self.has_missing, tf.float32)
        buckets = self.table(self._bucket(known))
        buckets = tf.where(is_missing[:, tf.newaxis], tf.zeros_like(buckets), buckets)
        return tf.concat([tf.cast(tf.stack([z, indicator], axis=1), self.compute_dtype), buckets], axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "data": None,
            "scale": self.scale,
            "mean": self.mean,
            "deviation": self.deviation,
            "edges": list(self.edges),
            "has_missing": self.has_missing,
            "num_buckets": self.num_buckets,
            "bucket_width": self.table.embedding_dim,
            "seed": self.seed,
        }

    def _bucket(self, known: tf.Tensor) -> tf.Tensor:
        edges = tf.constant(self.edges, tf.float32, shape=[len(self.edges)])
        return tf.searchsorted(edges, known, side="right")


def _scaled(values: tf.Tensor, scale: str, mean: float, deviation: float) -> tf.Tensor:
    if scale == "none":
        return tf.clip_by_value(values, -_MOST_UNSCALED, _MOST_UNSCALED)
    if scale == "log":
        values = tf.sign(values) * tf.math.log1p(tf.abs(values))
    return tf.clip_by_value((values - mean) / deviation, -_MOST_DEVIATIONS, _MOST_DEVIATIONS)


def _statistics(data: Any, scale: str, num_buckets: int) -> tuple[str, float, float, tuple[float, ...], bool]:
    column = to_number_array(data, "Number", name_of_data()).astype(np.float64)
    values = column[np.isfinite(column)]
    logs = np.sign(values) * np.log1p(np.abs(values))
    if scale == "auto":
        is_skewed = _skewness(values) > max(1.0, abs(_skewness(logs))) and values.min() >= 0
        scale = "log" if is_skewed else "standard"
    mean, deviation = (0.0, 1.0) if scale == "none" else _moments(logs if scale == "log" else values)
    return scale, mean, deviation, _edges(values, num_buckets), bool(np.isnan(column).any())


def _moments(values: np.ndarray) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    deviation = float(values.std())
    # Rounding gives equal values a deviation, and float32 would take a tiny one for 0.
    is_constant = values.min() == values.max() or deviation < np.finfo(np.float32).tiny
    return float(values.mean()), 1.0 if is_constant else deviation


def _skewness(values: np.ndarray) -> float:
    mean, deviation = _moments(values)
    return float((((values - mean) / deviation) ** 3).mean()) if values.size else 0.0


def _edges(values: np.ndarray, num_buckets: int) -> tuple[float, ...]:
    """Returns values of the data, so that no bucket is empty."""
    if not values.size:
        return ()
    quantiles = np.quantile(values, np.arange(1, num_buckets) / num_buckets, method="inverted_cdf")
    distinct = np.unique(quantiles)
    return tuple(distinct[distinct > values.min()].tolist())
