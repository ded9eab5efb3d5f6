"""Encoder: the contract of layers from one raw column to numbers, and the registry of encoders."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Self

import keras
import tensorflow as tf

from reciperec_layers.arguments import refuse_unknown
from reciperec_layers.columns.tensors import to_tensor
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.registry import Registry, without_distribution
from reciperec_layers.saving.keras_names import deserialize_nested, register_name

FEATURES_PACKAGE = "reciperec_layers.features"

_NAME_OF_DATA: ContextVar[str] = ContextVar("name_of_data", default="data")


class Encoder(keras.layers.Layer):
    """A layer from one raw column to numbers of shape `(batch, width)`. Base of all encoders.

    The way of a column has three steps. `read` turns what a user has, a pandas column with gaps or datetimes or lists,
    into one dense tensor. `prepare` does in the graph what depends on no weight, such as looking ids up; it is run
    once for a whole corpus. `encode` computes the numbers from what was prepared. Calling the layer does all three.
    A row never depends on the others, and every row gives finite numbers, also one without a value.

    A subclass computes statistics from `data` in `__init__` or takes them as arguments, makes its weights there, and
    implements `width`, `form`, `encode` and `get_config`, whose `"data"` is `None`.

    Args:
        name: Name of the layer.
        **kwargs: `dtype` (a dtype or policy) and `trainable`.

    Raises:
        ArgumentTypeError: An argument is neither the encoder's nor one of every Keras layer.

    Example:
        >>> class Length(Encoder):
        ...     width, form, missing = 1, tf.TensorSpec((None,), tf.string), ""
        ...     def encode(self, prepared, training=None):
        ...         return tf.cast(tf.strings.length(prepared), self.compute_dtype)[:, tf.newaxis]
        >>> Length()(["pie", "soup"]).numpy()
        array([[3.],
               [4.]], dtype=float32)
    """

    # What a known value tells: who it is ("id"), something about it ("feature"), or only the circumstances ("context").
    tells: ClassVar[str] = "feature"
    # Whether all numbers of the output are trained, so that a tower may add them to its embeddings as they are.
    is_embedding: ClassVar[bool] = False

    _last_warning: str | None = None

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        refuse_unknown(type(self), kwargs)
        # Ids and times would be rounded if Keras cast inputs to the compute dtype.
        super().__init__(name=name, **{**kwargs, "autocast": False})

    @property
    @abstractmethod
    def width(self) -> int:
        """Size of the output."""

    @property
    @abstractmethod
    def form(self) -> tf.TensorSpec:
        """Dtype and shape of a column as `read` gives it, the first axis of unknown length."""

    @property
    def missing(self) -> Any:
        """What stands for a missing value in a column of `form`, or `None` where none may be missing."""
        return None

    @property
    def deterministic(self) -> bool:
        """Whether a row's numbers depend on its value alone, in training too; as `Tower.deterministic`."""
        return False

    def read(self, column: Any, owner: str, name: str) -> Any:
        """Returns a column as a tensor of `form`; a tensor stays as it is.

        Args:
            column: pandas column, NumPy array or list.
            owner: Name of the caller, for messages.
            name: Name of the column, for messages.
        """
        return to_tensor(column, owner, name)

    def prepare(self, column: Any) -> Any:
        """Returns what of the encoding depends on no weight: a dense or ragged tensor, one entry a row.

        Args:
            column: Tensor, as `read` gives it. Part of a graph.
        """
        return column

    @abstractmethod
    def encode(self, prepared: Any, training: bool | None = None) -> Any:
        """Returns numbers of shape `(batch, width)`, in the compute dtype.

        Args:
            prepared: Tensor, as `prepare` gives it.
            training: Whether dropouts apply.
        """

    def is_known(self, column: Any) -> Any:
        """Returns which values of a column tell something, bool of shape `(batch,)`: those that are not missing.

        Args:
            column: Tensor, as `read` gives it.
        """
        if self.missing is None:
            return tf.ones(tf.shape(column)[:1], tf.bool)
        if column.dtype != self.form.dtype:  # a smaller integer type cannot hold what is missing
            column = tf.cast(column, self.form.dtype)
        is_nan = self.missing != self.missing
        known = ~(tf.math.is_nan(column) if is_nan else tf.equal(column, tf.constant(self.missing, column.dtype)))
        return known if known.shape.rank == 1 else tf.reduce_any(tf.reshape(known, [tf.shape(known)[0], -1]), axis=1)

    def _warn_of_values(self, problem: str) -> None:
        """Warns of values that are not read as they are; not again of those of the last warning, read once more.

        Args:
            problem: Which values, and what is wrong with them; no full stop at the end.
        """
        if problem != self._last_warning:
            self._last_warning = problem
            warnings.warn(f"{type(self).__name__}: {problem}.", stacklevel=2)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(inputs, keras.KerasTensor):
            inputs = self.read(inputs, type(self).__name__, self.name)
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.encode(self.prepare(inputs), training)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> keras.KerasTensor:
        return keras.KerasTensor((inputs.shape[0], self.width), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the config; `distribution` is for messages about a missing plugin and is not read back."""
        return ENCODERS.with_distribution(super().get_config(), type(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**deserialize_nested(without_distribution(config)))


@contextmanager
def data_of_column(name: str) -> Iterator[None]:
    """Lets encoders that are made within call their data by the name of the column.

    Args:
        name: Name of the column.

    Example:
        >>> with data_of_column("minutes"):
        ...     name_of_data()
        'minutes'
    """
    token = _NAME_OF_DATA.set(name)
    try:
        yield
    finally:
        _NAME_OF_DATA.reset(token)


def name_of_data() -> str:
    """Returns what messages call the column of an encoder's `data`: its name where that is known, else `"data"`.

    Example:
        >>> name_of_data()
        'data'
    """
    return _NAME_OF_DATA.get()


def data_needed(owner: str) -> ArgumentError:
    """Returns the error for an encoder that is given neither data nor statistics.

    Args:
        owner: Name of the encoder's class.

    Example:
        >>> raise data_needed("Number")
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Number: `data` is needed, from which statistics are computed. Pass ...
    """
    problem, fix = "`data` is needed, from which statistics are computed", "Pass the column of the training rows"
    return ArgumentError(explain(owner, problem, fix=fix))


ENCODERS: Registry[Encoder] = Registry(
    "encoder",
    base=Encoder,  # type: ignore[type-abstract]
    group=FEATURES_PACKAGE,
    on_register=lambda name, cls: register_name(cls, name, FEATURES_PACKAGE),
)
