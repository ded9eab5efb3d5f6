"""Loss scaling that keeps rows sparse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.optimizers.model_gradients import with_rows_summed
from reciperec_layers.saving.keras_names import serializable


@serializable
class LossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Keras's dynamic loss scaling for mixed precision, at the cost of the batch's rows instead of the whole table.

    Keras's own class makes the gradients of tables dense to check and divide them; this one checks and divides their
    rows. The results are the same. Under the policy `mixed_float16`, `RetrievalModel.compile` wraps the optimizers of
    this package automatically, as Keras does with its own class. For other Keras models pass it to `compile`:

        model.compile(optimizers.LossScaleOptimizer(optimizers.Adagrad(0.1)), ...)

    Args:
        inner_optimizer: The Keras optimizer to wrap.
        **kwargs: Of Keras's class: `initial_scale`, the first factor of the loss, by default 32768;
            `dynamic_growth_steps`, after how many finite steps the factor doubles, by default 2000; and `name`.

    Raises:
        ArgumentError: `inner_optimizer` is not a Keras optimizer (names are not accepted, as in Keras), or a number is
            out of range. In training: XLA compiles the step (`jit_compile=True`) and a gradient is row-sparse.

    Example:
        >>> from reciperec_layers.optimizers import Adagrad
        >>> optimizer = LossScaleOptimizer(Adagrad(0.25, initial_accumulator_value=0.0), initial_scale=4.0)
        >>> table = keras.Variable([[1.0], [1.0], [1.0]])
        >>> optimizer.apply([tf.IndexedSlices(tf.constant([[8.0]]), tf.constant([2]))], [table])
        >>> table.numpy().ravel().tolist()
        [1.0, 1.0, 0.75]

    Source:
        `keras.optimizers.LossScaleOptimizer`; a step whose gradients are not finite is skipped, and the factor is
        halved.
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer, **kwargs: Any) -> None:
        if not isinstance(inner_optimizer, keras.optimizers.Optimizer):
            problem = "`inner_optimizer` must be a Keras optimizer"
            fix = "Use for example LossScaleOptimizer(Adagrad(0.1))"
            raise ArgumentError(explain("LossScaleOptimizer", problem, fix=fix, inner_optimizer=inner_optimizer))
        if "initial_scale" in kwargs:
            scale = kwargs["initial_scale"]
            kwargs["initial_scale"] = check_number("LossScaleOptimizer", "initial_scale", scale, above=0, example=32768)
        if "dynamic_growth_steps" in kwargs:
            steps = kwargs["dynamic_growth_steps"]
            steps = check_integer("LossScaleOptimizer", "dynamic_growth_steps", steps, example=2000)
            kwargs["dynamic_growth_steps"] = steps
        super().__init__(inner_optimizer, **kwargs)

    def apply(self, grads: Iterable[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        super().apply(with_rows_summed(type(self).__name__, grads), trainable_variables)

    def check_finite(self, grads: Sequence[Any]) -> Any:
        return super().check_finite([grad.values if isinstance(grad, tf.IndexedSlices) else grad for grad in grads])

    def _stateful_handle_finite_grads(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None) -> None:
        scale = self.dynamic_scale.value
        unscaled = [
            grad if grad is None or self._overwrite_variable_with_gradient(variable) else grad / scale
            for grad, variable in zip(grads, trainable_variables or self._trainable_variables, strict=True)
        ]
        self.inner_optimizer.apply(unscaled, trainable_variables)
        grows = tf.equal(self.step_counter.value, self.dynamic_growth_steps - 1)
        self.step_counter.assign(tf.where(grows, tf.zeros_like(self.step_counter.value), self.step_counter.value + 1))
        self.dynamic_scale.assign(tf.where(grows, 2 * scale, scale))
