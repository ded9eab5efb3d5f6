"""Vector: vectors that were computed elsewhere, as they are or projected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reciperec_layers.arguments import check_integer
from reciperec_layers.columns.id_arrays import to_id_array
from reciperec_layers.columns.vectors import to_vectors
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, describe_ids, explain
from reciperec_layers.features.encoder import ENCODERS, Encoder, name_of_data
from reciperec_layers.vocabulary import Vocabulary

_SCALINGS = ("standardize", "unit")
# Standard deviations: what is farther out says no more, and would be infinite in half precision.
_FARTHEST = 10.0
_LEAST_SCALE = 1e-30


@ENCODERS.register("vector")
class Vector(Encoder):
    """Takes a column of vectors, such as those of a sentence or image encoder, standardized or of unit length.

    Without `width` the vectors go through, there are no weights, and the output is as wide as they are. With it they
    are projected by a learned matrix. A missing vector gives zeros; in a tensor it is a row with NaN or infinity.

    `"standardize"` subtracts the mean of each component and divides by its standard deviation, both of the training
    rows, and cuts at 10 deviations; `"unit"` divides each vector by its length.

    Args:
        data: Vectors of the training rows, from which `dim`, `mean` and `scale` are computed.
        dim: Length of each vector; in place of `data`, with `mean` and `scale` where they are needed.
        width: Size of the output, or `None` for the vectors themselves.
        scaling: `"standardize"` or `"unit"`.
        mean: Means of the components, shape `(dim,)`.
        scale: Their standard deviations, above 0, shape `(dim,)`.
        seed: Seed of the matrix.
        name: Name of the layer.
        **kwargs: As for `Encoder`.

    Call arguments:
        inputs: Column of arrays or lists of numbers, all of length `dim`, or None where one is missing; or an array,
            data frame or tensor of shape `(batch, dim)`, where a row of NaN is missing.

    Returns:
        Tensor of shape `(batch, width)`, in the compute dtype.

    Raises:
        ArgumentError: Vectors are of unequal lengths, or have NaN or infinite values; statistics are missing or do not
            fit `dim`.
        ArgumentTypeError: A row is not a vector of numbers.

    Example:
        >>> import pandas as pd
        >>> images = Vector(pd.Series([[1.0, 5.0], [3.0, 5.0], None]))
        >>> images(pd.Series([[3.0, 5.0], None])).numpy()
        array([[1., 0.],
               [0., 0.]], dtype=float32)
    """

    def __init__(
        self,
        data: Any = None,
        *,
        dim: int | None = None,
        width: int | None = None,
        scaling: str = "standardize",
        mean: Any = None,
        scale: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        if scaling not in _SCALINGS:
            problem = '`scaling` must be "standardize" or "unit"'
            raise ArgumentError(explain("Vector", problem, scaling=scaling, fix='Use for example scaling="unit"'))
        width = check_integer("Vector", "width", width, optional=True, example=32)
        dim = check_integer("Vector", "dim", dim, optional=True, example=384)
        self.scaling = scaling
        if data is not None:
            vectors = to_vectors(data, "Vector", name_of_data(), dim)
            dim = vectors.shape[1]
            if scaling == "standardize":
                mean, scale = _statistics(vectors)
        if dim is None:
            fix = "Pass the vectors of the training rows, or `dim`"
            raise ArgumentError(explain("Vector", "`data` or `dim` is needed", data=None, dim=None, fix=fix))
        self.dim = dim
        self.mean = self.scale = None
        if scaling == "standardize":
            self.mean, self.scale = _checked_statistics(mean, scale, dim)
        self.projection = None
        if width is not None:
            initializer = keras.initializers.GlorotUniform(seed=seed)
            # Without a bias, so that a missing vector gives zeros.
            self.projection = keras.layers.Dense(
                width, use_bias=False, kernel_initializer=initializer, dtype=self.dtype_policy
            )
            self.projection.build((None, dim))
        self.seed = seed
        self.built = True

    @staticmethod
    def column(vectors: Any, ids: Any) -> Any:
        """Returns a pandas column of vectors for a column of ids, `None` where an id has no vector.

        Args:
            vectors: Vectors by id: a data frame of numbers or a pandas column of arrays, whose index are the ids, or a
                dict.
            ids: Ids of the rows, of one type with those of `vectors`.

        Raises:
            IdError: Ids of `vectors` repeat, or ids are missing or of another type.
            ArgumentError: No id has a vector.

        Example:
            >>> import pandas as pd
            >>> vectors = pd.DataFrame([[0.5, 1.0], [0.0, 2.0]], index=["r_1", "r_2"])
            >>> Vector.column(vectors, ["r_2", "r_3"]).tolist()
            [array([0., 2.]), None]
        """
        import pandas as pd  # not needed to train, and slow to import

        if isinstance(vectors, Mapping):
            keys, rows = list(vectors.keys()), list(vectors.values())
        elif hasattr(vectors, "index") and hasattr(vectors, "to_numpy"):
            keys, rows = vectors.index, list(vectors.to_numpy())
        else:
            fix = "Pass a data frame of numbers or a pandas column of arrays with the ids as index, or a dict"
            raise ArgumentTypeError(explain("Vector.column", "vectors by id are needed", vectors=vectors, fix=fix))
        wanted = to_id_array(ids, "Vector.column")
        places = Vocabulary(keys).lookup(wanted)
        if wanted.size and (places < 0).all():
            problem = f"none of {wanted.size} ids has a vector: {describe_ids(wanted)}"
            fix = f"Check the index of the vectors, which has ids such as {describe_ids(list(keys[:2]))}"
            raise ArgumentError(explain("Vector.column", problem, fix=fix))
        found = [rows[place] if place >= 0 else None for place in places]
        return pd.Series(found, index=getattr(ids, "index", None) if hasattr(ids, "isna") else None, dtype=object)

    @property
    def width(self) -> int:
        return self.dim if self.projection is None else self.projection.units

    @property
    def form(self) -> tf.TensorSpec:
        return tf.TensorSpec((None, self.dim), tf.float32)

    @property
    def missing(self) -> Any:
        return float("nan")

    @property
    def deterministic(self) -> bool:
        return self.activity_regularizer is None

    def read(self, column: Any, owner: str, name: str) -> Any:
        if not isinstance(column, (tf.Tensor, tf.Variable, keras.Variable)):
            return tf.constant(to_vectors(column, owner, name, self.dim))
        if not tf.TensorShape(column.shape).is_compatible_with([None, self.dim]):
            problem = f"column {name!r} must have shape (batch, {self.dim})"
            raise ArgumentError(explain(owner, problem, fix="Pass one vector a row", **{name: column}))
        return column

    def prepare(self, column: Any) -> Any:
        vectors = tf.cast(column, tf.float32)
        is_known = tf.reduce_all(tf.math.is_finite(vectors), axis=1, keepdims=True)
        vectors = tf.where(is_known, vectors, 0)
        if self.scaling == "unit":
            # First by the largest component, whose square may be infinite.
            largest = tf.reduce_max(tf.abs(vectors), axis=1, keepdims=True)
            vectors = tf.math.divide_no_nan(vectors, largest)
            return tf.math.divide_no_nan(vectors, tf.norm(vectors, axis=1, keepdims=True))
        scaled = tf.clip_by_value((vectors - self.mean) / self.scale, -_FARTHEST, _FARTHEST)
        return tf.where(is_known, scaled, 0)

    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        vectors = tf.cast(prepared, self.compute_dtype)
        return vectors if self.projection is None else self.projection(vectors)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "data": None,
            "dim": self.dim,
            "width": None if self.projection is None else self.width,
            "scaling": self.scaling,
            "mean": None if self.mean is None else self.mean.tolist(),
            "scale": None if self.scale is None else self.scale.tolist(),
            "seed": self.seed,
        }


def _statistics(vectors: np.ndarray) -> tuple[Any, Any]:
    known = vectors[~np.isnan(vectors).any(axis=1)].astype(np.float64)
    if not len(known):
        return np.zeros(vectors.shape[1]), np.ones(vectors.shape[1])
    mean, scale = known.mean(axis=0), known.std(axis=0)
    # A component that does not vary has no scale.
    return mean, np.where(scale > np.maximum(1e-6 * np.abs(mean), _LEAST_SCALE), scale, 1)


def _checked_statistics(mean: Any, scale: Any, dim: int) -> tuple[Any, Any]:
    if mean is None or scale is None:
        problem = "standardizing needs the mean and the scale of each component"
        raise ArgumentError(explain("Vector", problem, mean=mean, scale=scale, fix='Pass data, or use scaling="unit"'))
    means, scales = np.asarray(mean, np.float32), np.asarray(scale, np.float32)
    are_fit = means.shape == scales.shape == (dim,) and np.isfinite(means).all() and np.isfinite(scales).all()
    if not are_fit or (scales < _LEAST_SCALE).any():
        problem = f"`mean` and `scale` must be {dim} finite numbers each, scales above 0"
        raise ArgumentError(explain("Vector", problem, mean=means, scale=scales, fix="Pass data, which has both"))
    return means, scales
