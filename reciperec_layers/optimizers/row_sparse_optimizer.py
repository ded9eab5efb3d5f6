"""RowSparseOptimizer: how every optimizer of this package applies the gradient of an embedding table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.graph.sparse_rows import AllRows, DistinctRows, sum_repeated_rows, wide
from reciperec_layers.optimizers.model_gradients import refuse_xla, with_rows_summed
from reciperec_layers.optimizers.pending_gradient import PendingGradient


class RowSparseOptimizer(keras.optimizers.Optimizer):
    """Base of the row-sparse optimizers; precedes, in the bases, the Keras optimizer whose rule they follow.

    A gradient that is a `tf.IndexedSlices` stays one from the tape to the variable: repeated rows are summed before
    they are squared or clipped, clipping acts on the summed rows, and `row_updates` reads and writes only these rows
    of the slots. All other gradients go to the Keras optimizer, unless the variable has half precision: then the same
    rule updates it as a whole, computed in float32, in which the slots of such variables are kept.

    Args:
        learning_rate: Number >= 0, `keras.optimizers.schedules.LearningRateSchedule`, or callable without arguments.
        **kwargs: Arguments of every optimizer (see `Adagrad`), and further ones of the Keras optimizer.

    Raises:
        ArgumentError: A number is out of range. `use_ema` is set. In training: XLA compiles the step
            (`jit_compile=True`) and a gradient is row-sparse or gradients are accumulated; or gradients are
            accumulated under a `tf.distribute` strategy.

    Example:
        >>> class Descent(RowSparseOptimizer, keras.optimizers.SGD):
        ...     def row_updates(self, rows, variable, learning_rate):
        ...         return learning_rate * rows.values
        >>> table = keras.Variable([[1.0], [1.0], [1.0]])
        >>> gradient = tf.IndexedSlices(tf.constant([[1.0], [1.0], [1.0]]), tf.constant([2, 0, 2]))
        >>> Descent(0.25).apply([gradient], [table])
        >>> table.numpy().ravel().tolist()
        [0.75, 1.0, 0.5]
    """

    gradient_accumulation_steps: int | None  # set by Keras
    _nearest_in_keras: str | None = None  # for messages, if no base class is a Keras optimizer

    def __init__(self, learning_rate: Any, **kwargs: Any) -> None:
        owner = type(self).__name__
        if use_ema := kwargs.get("use_ema"):
            problem = "`use_ema` changes every row of a table at every step, even rows that no batch reads"
            fix = f"Leave `use_ema` out, or use keras.optimizers.{self._name_in_keras()}"
            raise ArgumentError(explain(owner, problem, fix=fix, use_ema=use_ema))
        if not callable(learning_rate):  # schedules are callable
            learning_rate = check_number(owner, "learning_rate", learning_rate, least=0, example=0.1)
        if (decay := kwargs.get("weight_decay")) is not None:
            kwargs["weight_decay"] = check_number(owner, "weight_decay", decay, least=0, example=0.01)
        for name in ("clipnorm", "clipvalue", "global_clipnorm", "loss_scale_factor"):
            if (value := kwargs.get(name)) is not None:
                kwargs[name] = check_number(owner, name, value, above=0, example=1.0)
        if (steps := kwargs.get("gradient_accumulation_steps")) is not None:
            name = "gradient_accumulation_steps"
            kwargs[name] = check_integer(owner, name, steps, least=2, optional=True, example=4)
        super().__init__(learning_rate=learning_rate, **kwargs)
        self._pending: list[PendingGradient] = []

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        steps = self.gradient_accumulation_steps
        self.gradient_accumulation_steps = None  # otherwise Keras makes accumulators as large as the tables
        super().build(variables)
        self.gradient_accumulation_steps = steps
        if steps:
            self._refuse_accumulation_that_fails(variables)
            self._pending = [PendingGradient(variable) for variable in variables]

    def apply(self, grads: Iterable[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        super().apply(with_rows_summed(type(self).__name__, grads), trainable_variables)

    def add_variable(self, *args: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """Returns a new variable of the optimizer, in float32 where it would have half precision.

        Args:
            *args: As in Keras.
            dtype: As in Keras.
            **kwargs: As in Keras.
        """
        # Sums of squares in half precision would soon no longer grow.
        return super().add_variable(*args, dtype=None if dtype is None else wide(dtype).name, **kwargs)

    def update_step(self, gradient: Any, variable: tf.Variable, learning_rate: Any) -> None:
        rows: DistinctRows | AllRows
        if isinstance(gradient, tf.IndexedSlices):
            rows = sum_repeated_rows(gradient)  # the all-reduce joins rows of several replicas, which may repeat
        elif self._updates_whole(variable):
            rows = AllRows(gradient)
        else:
            super().update_step(gradient, variable, learning_rate)
            return
        dtype = wide(variable.dtype)
        rows = rows.with_values(tf.cast(rows.values, dtype))
        learning_rate = keras.ops.cast(learning_rate, dtype)
        old = tf.cast(rows.read(variable), dtype)
        if self.weight_decay and self._use_weight_decay(variable):
            old -= old * self.weight_decay * learning_rate
        rows.write(variable, old - self.row_updates(rows, variable, learning_rate))

    def row_updates(self, rows: DistinctRows | AllRows, variable: tf.Variable, learning_rate: tf.Tensor) -> tf.Tensor:
        """Updates rows of a variable's slots, and returns the step to subtract from the variable's rows.

        Args:
            rows: Gradient of shape `(n, ...)`, in the dtype of the variable, or float32 where that is half precision.
            variable: The variable, or its component on one device.
            learning_rate: Scalar, in the dtype of the gradient.
        """
        raise NotImplementedError

    def update_slot(
        self,
        slots: Sequence[Any],
        variable: tf.Variable,
        rows: DistinctRows | AllRows,
        rule: Callable[[tf.Tensor], tf.Tensor],
    ) -> tf.Tensor:
        """Replaces rows of a slot, and returns the new ones.

        Args:
            slots: One slot per variable, as `add_optimizer_variables` makes them.
            variable: The variable passed to `row_updates`.
            rows: The gradient, which selects the rows.
            rule: Function from old rows to new rows.
        """
        slot = self.local_slot(slots, variable)
        values = rule(rows.read(slot))
        rows.write(slot, values)
        return values

    def local_slot(self, slots: Sequence[Any], variable: tf.Variable) -> tf.Variable:
        """Returns the slot of a variable: its component on the variable's device.

        Args:
            slots: One slot per variable, as `add_optimizer_variables` makes them.
            variable: The variable passed to `update_step`.
        """
        slot = slots[self._get_variable_index(variable)].value
        components = tf.distribute.get_strategy().experimental_local_results(slot)
        # Gathering from a mirrored variable instead of its component reads the whole variable.
        return next((component for component in components if component.device == variable.device), slot)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        super().save_own_variables(store)
        for index, pending in enumerate(self._pending):
            pending.save(store, f"pending_{index}")

    def load_own_variables(self, store: MutableMapping[str, Any]) -> None:
        # Keras checks the number of entries, and accumulation adds some between two updates.
        own = {name: store[name] for name in store.keys() if name.isdigit()}  # noqa: SIM118
        if self.built and own and len(own) != len(self.variables):  # Keras would warn, and leave the slots as they are
            raise ValueError(f"the optimizer has {len(self.variables)} variables, and the file has {len(own)}")
        super().load_own_variables(own)
        for index, pending in enumerate(self._pending):
            pending.load(store, f"pending_{index}")

    def _backend_apply_gradients(self, grads: Sequence[Any], trainable_variables: Sequence[Any]) -> None:
        steps = self.gradient_accumulation_steps
        if not steps:
            self._update(grads, trainable_variables)
            return
        refuse_xla(type(self).__name__, "`gradient_accumulation_steps`")
        sums = [self._pending[self._get_variable_index(variable)] for variable in trainable_variables]
        for pending, grad in zip(sums, grads, strict=True):
            pending.add(grad)

        def update() -> None:
            totals = [pending.total(isinstance(grad, DistinctRows)) for pending, grad in zip(sums, grads, strict=True)]
            self._update([total / steps for total in totals], trainable_variables)
            for pending in self._pending:
                pending.clear()

        tf.cond(tf.equal((self._iterations.value + 1) % steps, 0), update, lambda: None)

    def _updates_whole(self, variable: Any) -> bool:
        """Returns whether dense gradients follow `row_updates`, too: Keras computes in the variable's dtype."""
        return tf.as_dtype(variable.dtype) != wide(variable.dtype)

    def _update(self, grads: Sequence[Any], variables: Sequence[Any]) -> None:
        grads = self._clip_gradients(grads)
        pairs = zip(grads, variables, strict=True)
        # The others are decayed by `update_step`, in tables only the rows that the batch reads.
        of_keras = [var for grad, var in pairs if not (isinstance(grad, tf.IndexedSlices) or self._updates_whole(var))]
        self._apply_weight_decay(of_keras)
        self._backend_update_step(grads, variables, self.learning_rate)

    def _clip_gradients(self, grads: Sequence[Any]) -> list[Any]:
        # All other rows of a gradient are zero: they add nothing to a norm, and clipping leaves them zero.
        tensors = [grad.values if isinstance(grad, DistinctRows) else grad for grad in grads]
        return [
            grad.with_values(clipped) if isinstance(grad, DistinctRows) else clipped
            for grad, clipped in zip(grads, super()._clip_gradients(tensors), strict=True)
        ]

    @classmethod
    def _name_in_keras(cls) -> str:
        of_keras = (base.__name__ for base in cls.__mro__ if getattr(keras.optimizers, base.__name__, None) is base)
        return cls._nearest_in_keras or next(of_keras)

    def _refuse_accumulation_that_fails(self, variables: Sequence[Any]) -> None:
        owner, steps = type(self).__name__, self.gradient_accumulation_steps
        if tf.distribute.has_strategy():
            problem = "`gradient_accumulation_steps` does not work with tf.distribute: replicas cannot meet in a branch"
            fix = "Leave it out, since several replicas already make a larger batch; or train without a strategy"
            raise ArgumentError(explain(owner, problem, fix=fix, gradient_accumulation_steps=steps))
        if any(map(self._overwrite_variable_with_gradient, variables)):
            problem = "`gradient_accumulation_steps` does not work with variables that their gradient overwrites"
            fix = f"Leave it out, or use keras.optimizers.{self._name_in_keras()}"
            raise ArgumentError(explain(owner, problem, fix=fix, gradient_accumulation_steps=steps))
