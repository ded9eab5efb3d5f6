"""Runs training and test steps on the batches of an iterator, with less overhead per step than Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import keras
import tensorflow as tf

from reciperec_layers.training.grouped_batches import GroupedIterator


def takes_own_steps(model: keras.Model) -> bool:
    """Returns whether `over_batches` serves a model: it runs in graphs, without XLA or a distribution strategy.

    Example:
        >>> model = keras.Sequential()
        >>> model.compile()
        >>> takes_own_steps(model)
        True
    """
    # Inside of a scope the strategy of the moment is that of the scope, and the model's may be the same.
    own_strategy = tf.distribute.has_strategy() or model.distribute_strategy is not tf.distribute.get_strategy()
    return not (own_strategy or model.run_eagerly or model.jit_compile)


def own_function(model: Any, kind: str, force: bool) -> Callable[[Any], Any]:
    """Returns the function that runs a model's steps, kept as `train_function` or `test_function` as Keras does.

    Args:
        model: One that `takes_own_steps`.
        kind: `"train"` or `"test"`.
        force: Whether to make it anew where there is one.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(loss="mse")
        >>> own_function(model, "test", force=False) is model.test_function
        True
    """
    name = f"{kind}_function"
    if force or getattr(model, name) is None:
        setattr(model, name, over_batches(getattr(model, f"{kind}_step"), model.steps_per_execution))
    return getattr(model, name)


def over_batches(step: Callable[[Any], Any], steps_per_execution: int) -> Callable[[Any], Any]:
    """Returns a function that runs steps on the next batches of an iterator, as Keras calls it in `fit`.

    Keras's own asks of each batch whether there is one, and passes its results through a branch; with small batches
    that takes longer than the step. Here a single step takes the next batch, and an exhausted iterator raises what
    Keras expects. Several steps run in one loop: over a group of batches, or over an iterator, where the loop holds the
    batch after the last for the next call.

    Args:
        step: Takes a batch and returns the logs, a dict of scalars.
        steps_per_execution: Steps of a call, >= 1; the last call of an epoch may have fewer.

    Example:
        >>> run = over_batches(lambda batch: {"sum": tf.reduce_sum(batch)}, 2)
        >>> batches = iter(tf.data.Dataset.range(6).batch(2))
        >>> [int(run(batches)["sum"]) for _ in range(2)]
        [5, 9]
    """
    one_step = tf.function(step, autograph=False, reduce_retracing=True)
    on_iterator = _single(one_step) if steps_per_execution == 1 else _several(one_step, steps_per_execution)
    on_group = _over_group(one_step)

    def run(batches: Any) -> Any:
        if isinstance(batches, GroupedIterator):
            return on_group(next(batches))
        if isinstance(batches, tf.data.Iterator):
            return on_iterator(batches)
        logs = None
        for _, batch in zip(range(steps_per_execution), batches, strict=False):  # train_on_batch has a generator
            logs = one_step(batch)
        return logs

    return run


def _single(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    on_next = tf.function(lambda iterator: step(iterator.get_next()), autograph=False, reduce_retracing=True)
    held = _Held()

    def run(iterator: tf.data.Iterator) -> Any:
        call = held.of(iterator)
        if call is None:
            call = held.keep(iterator, _call_of(on_next.get_concrete_function(iterator), iterator))
        return call()

    return run


def _call_of(function: Any, iterator: tf.data.Iterator) -> Callable[[], Any]:
    """Returns a call of a graph with an iterator. To find and to look at arguments takes longer than some steps."""
    arguments = [*tf.nest.flatten(iterator, expand_composites=True), *function.captured_inputs]
    call = function._inference_function.call_preflattened  # what the function itself calls after it has looked
    return lambda: call(arguments)


def _over_group(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @tf.function(autograph=False, reduce_retracing=True)
    def steps(group: Any) -> Any:
        def batch(index: Any) -> Any:
            return tf.nest.map_structure(lambda column: column[index], group)

        def body(index: tf.Tensor) -> tuple[tf.Tensor]:
            step(batch(index))
            return (index + 1,)

        last = tf.shape(tf.nest.flatten(group)[0])[0] - 1
        # The logs of all but the last step are not used, and so not computed.
        tf.while_loop(lambda index: index < last, body, (0,), parallel_iterations=1)
        return step(batch(last))

    return steps


def _several(step: Any, steps_per_execution: int) -> Callable[[Any], Any]:
    @tf.function(autograph=False, reduce_retracing=True)
    def following(iterator: tf.data.Iterator) -> Any:
        return iterator.get_next_as_optional()

    @tf.function(autograph=False, reduce_retracing=True)
    def steps(iterator: tf.data.Iterator, batch: Any) -> tuple[tf.Tensor, Any, Any]:
        outputs = step.get_concrete_function(iterator.element_spec).structured_outputs
        logs = tf.nest.map_structure(lambda output: tf.zeros(output.shape, output.dtype), outputs)
        return tf.while_loop(
            lambda done, _, batch: tf.logical_and(done < steps_per_execution, batch.has_value()),
            lambda done, _, batch: (done + 1, step(batch.get_value()), iterator.get_next_as_optional()),
            (0, logs, batch),
            parallel_iterations=1,
        )

    held = _Held()  # the batch after the last of an iterator

    def run(iterator: tf.data.Iterator) -> Any:
        batch = held.of(iterator)
        done, logs, batch = steps(iterator, following(iterator) if batch is None else batch)
        held.keep(iterator, batch if batch.has_value() else None)
        if not done:
            raise StopIteration
        return logs

    return run


class _Held:
    """Something that belongs to the last iterator, as long as that lives."""

    def __init__(self) -> None:
        self._iterator: Any = lambda: None
        self._thing: Any = None

    def of(self, iterator: tf.data.Iterator) -> Any:
        """Returns what was kept for an iterator, or `None`."""
        return self._thing if self._iterator() is iterator else None

    def keep(self, iterator: tf.data.Iterator, thing: Any) -> Any:
        """Keeps something for an iterator, which is not kept itself: it would hold all of its data."""
        self._iterator, self._thing = ref(iterator, self._forget), thing
        return thing

    def _forget(self, iterator: Any) -> None:
        if iterator is self._iterator:
            self._thing = None
