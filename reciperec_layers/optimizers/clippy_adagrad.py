"""ClippyAdagrad: Adagrad whose steps are small beside the weights that they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_number
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.graph.sparse_rows import AllRows, DistinctRows
from reciperec_layers.optimizers.row_sparse_optimizer import RowSparseOptimizer
from reciperec_layers.saving.keras_names import serializable


@serializable
class ClippyAdagrad(RowSparseOptimizer):
    """Adagrad with a learning rate that is lowered, for each variable, until no weight changes too much.

    With gradients `g` summed per row,

        delta = learning_rate * g / sqrt(accumulator + epsilon)
        most  = |variable| * variable_relative_threshold
                + accumulator_relative_threshold / sqrt(accumulator + epsilon) + absolute_threshold
        variable -= delta * min(1, min over all weights of most / |delta|)
        accumulator += g ** 2

    Of a table only the rows that the batch reads are looked at, and changed. The accumulator grows after the step, so
    that it does not depend on it.

    Args:
        learning_rate: Number >= 0, `keras.optimizers.schedules.LearningRateSchedule`, or callable without arguments.
            That of the paper is 1.
        initial_accumulator_value: Value, >= 0, at which accumulators start.
        variable_relative_threshold: Share of a weight by which it may change, >= 0.
        accumulator_relative_threshold: Share of `1 / sqrt(accumulator)` that is added, >= 0.
        absolute_threshold: What is added for weights near 0, >= 0. With 0 a weight that is 0 stops its variable.
        epsilon: Number >= 0 under the root.
        export_clipping_factors: Whether `clipping_factors` has the last factor of each variable.
        clip_accumulator_update: Whether the accumulator grows by the gradient times the factor.
        use_standard_accumulator_update: Whether the accumulator grows before the step, as in Adagrad.
        name: Name of the optimizer.
        **kwargs: Arguments of every optimizer of this package, see `Adagrad`.

    Raises:
        ArgumentError: A number is out of range, or both `clip_accumulator_update` and
            `use_standard_accumulator_update` are set.

    Example:
        >>> weight = keras.Variable([1.0, 2.0])
        >>> ClippyAdagrad(1.0, absolute_threshold=0.0).apply([tf.constant([1.0, 0.0])], [weight])
        >>> weight.numpy().round(3)
        array([0.9, 2. ], dtype=float32)

    Source:
        Tang et al., "Improving Training Stability for Multitask Ranking Models in Recommender Systems", KDD 2023,
        algorithm 2; `tfrs.experimental.optimizers.ClippyAdagrad` of TensorFlow Recommenders 0.7.7.
    """

    _nearest_in_keras = "Adagrad"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        variable_relative_threshold: float = 0.1,
        accumulator_relative_threshold: float = 0.0,
        absolute_threshold: float = 1e-7,
        epsilon: float = 1e-7,
        export_clipping_factors: bool = False,
        clip_accumulator_update: bool = False,
        use_standard_accumulator_update: bool = False,
        name: str = "ClippyAdagrad",
        **kwargs: Any,
    ) -> None:
        if clip_accumulator_update and use_standard_accumulator_update:
            problem = "`clip_accumulator_update` and `use_standard_accumulator_update` cannot both be set"
            fix = "The factor is not known before the standard update: leave one of them out"
            raise ArgumentError(explain("ClippyAdagrad", problem, fix=fix))
        super().__init__(learning_rate, name=name, **kwargs)
        numbers = {
            "initial_accumulator_value": initial_accumulator_value,
            "variable_relative_threshold": variable_relative_threshold,
            "accumulator_relative_threshold": accumulator_relative_threshold,
            "absolute_threshold": absolute_threshold,
            "epsilon": epsilon,
        }
        for argument, value in numbers.items():
            setattr(self, argument, check_number("ClippyAdagrad", argument, value, least=0, example=0.1))
        self._numbers = tuple(numbers)
        self.export_clipping_factors = bool(export_clipping_factors)
        self.clip_accumulator_update = bool(clip_accumulator_update)
        self.use_standard_accumulator_update = bool(use_standard_accumulator_update)
        self._accumulators: list[Any] = []
        self.clipping_factors: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        start = keras.initializers.Constant(self.initial_accumulator_value)
        self._accumulators = self.add_optimizer_variables(variables, "accumulator", initializer=start)
        if self.export_clipping_factors:
            self.clipping_factors = [
                self.add_variable(shape=(), initializer="ones", dtype=variable.dtype, name="clipping_factor")
                for variable in variables
            ]

    def row_updates(self, rows: DistinctRows | AllRows, variable: tf.Variable, learning_rate: tf.Tensor) -> tf.Tensor:
        gradient = rows.values
        slot = self.local_slot(self._accumulators, variable)
        accumulated = rows.read(slot)
        if self.use_standard_accumulator_update:
            accumulated += tf.square(gradient)
        precondition = tf.math.rsqrt(accumulated + tf.cast(self.epsilon, accumulated.dtype))
        delta, factor = shrink_by_references(
            learning_rate * gradient * precondition,
            [tf.cast(rows.read(variable), gradient.dtype), precondition],
            [self.variable_relative_threshold, self.accumulator_relative_threshold],
            self.absolute_threshold,
        )
        if not self.use_standard_accumulator_update:
            accumulated += tf.square(gradient * factor if self.clip_accumulator_update else gradient)
        rows.write(slot, accumulated)
        if self.export_clipping_factors:
            self.clipping_factors[self._get_variable_index(variable)].assign(factor)
        return delta

    def _updates_whole(self, variable: Any) -> bool:
        return True  # there is no such optimizer in Keras

    def get_config(self) -> dict[str, Any]:
        names = *self._numbers, "export_clipping_factors", "clip_accumulator_update", "use_standard_accumulator_update"
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def shrink_by_references(
    tensor: Any, references: Sequence[Any], relative_factors: Sequence[float], absolute_factor: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales a tensor so that each element is at most a sum of shares of references.

    Args:
        tensor: Floats of any shape.
        references: Floats of shapes that broadcast to it.
        relative_factors: Share of each reference, >= 0.
        absolute_factor: What is added, >= 0.

    Returns:
        The tensor times the factor, and the factor, a scalar in [0, 1].

    Raises:
        ArgumentError: A factor is negative, or there are not as many as references.

    Example:
        >>> scaled, factor = shrink_by_references(tf.constant([1.0, 1.0]), [tf.constant([1.0, 0.1])], [0.1], 0.01)
        >>> scaled.numpy().round(3), round(float(factor), 3)
        (array([0.02, 0.02], dtype=float32), 0.02)
    """
    owner = "shrink_by_references"
    if any(factor < 0 for factor in relative_factors) or absolute_factor < 0:
        received = {"relative_factors": list(relative_factors), "absolute_factor": absolute_factor}
        raise ArgumentError(explain(owner, "factors must not be negative", fix="Use 0 or more", **received))
    if len(references) != len(relative_factors):
        problem = f"{len(references)} references have {len(relative_factors)} factors"
        raise ArgumentError(explain(owner, problem, fix="Pass one for each"))
    tensor = tf.convert_to_tensor(tensor)
    most: Any = tf.cast(absolute_factor, tensor.dtype)
    for reference, factor in zip(references, relative_factors, strict=True):
        most += tf.abs(reference) * tf.cast(factor, tensor.dtype)
    scales = tf.where(tensor == 0, tf.ones_like(tensor), tf.math.divide_no_nan(most, tf.abs(tensor)))
    scale = tf.minimum(tf.ones((), tensor.dtype), tf.reduce_min(scales))
    return tensor * scale, scale
