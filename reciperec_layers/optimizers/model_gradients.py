"""Checks of what optimizers take: numbers, and gradients where XLA compiles the step."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import control_flow_util  # nothing public tells that XLA compiles the graph at hand

from reciperec_layers.errors import ArgumentError, explain
from reciperec_layers.graph.sparse_rows import sum_repeated_rows


def checked_number(
    owner: str, argument: str, value: Any, *, positive: bool = False, below: float = math.inf, example: float = 0.1
) -> float:
    """Returns a number as a Python float, or raises `ArgumentError`.

    Args:
        owner: Class that takes the argument.
        argument: Its name.
        value: What was given; a number >= 0, Python's or NumPy's.
        positive: Whether 0 is refused, too.
        below: The value must be smaller.
        example: A value that the message proposes.

    Example:
        >>> checked_number("Adam", "beta_1", 1.0, below=1, example=0.9)
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Adam: `beta_1` must be a number >= 0 and < 1. Received: beta_1=1.0. ...
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value < below or (positive and value == 0):
        finite, upper = ("finite ", "") if below == math.inf else ("", f" and < {below}")
        problem = f"`{argument}` must be a {finite}number {'>' if positive else '>='} 0{upper}"
        raise ArgumentError(explain(owner, problem, fix=f"Use for example {argument}={example}", **{argument: value}))
    return float(value)


def check_adagrad_start(owner: str, initial_accumulator_value: Any, epsilon: Any) -> dict[str, float]:
    """Returns the two numbers that keep the divisor of Adagrad positive, or raises `ArgumentError`.

    Example:
        >>> check_adagrad_start("Adagrad", 0, 0.0)
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Adagrad: `initial_accumulator_value` or `epsilon` must be positive...
    """
    start = checked_number(owner, "initial_accumulator_value", initial_accumulator_value)
    epsilon = checked_number(owner, "epsilon", epsilon, example=1e-7)
    if start == epsilon == 0:
        problem = "`initial_accumulator_value` or `epsilon` must be positive, or a zero gradient divides 0 by 0"
        fix = "Use for example initial_accumulator_value=0.1 and epsilon=1e-7"
        raise ArgumentError(explain(owner, problem, fix=fix, initial_accumulator_value=start, epsilon=epsilon))
    return {"initial_accumulator_value": start, "epsilon": epsilon}


def refuse_xla(owner: str, what: str) -> None:
    """Raises `ArgumentError` while XLA compiles the graph at hand.

    Example:
        >>> @tf.function(jit_compile=True, autograph=False)
        ... def step():
        ...     refuse_xla("Adam", "row-sparse updates")
        >>> step()
        Traceback (most recent call last):
        reciperec_layers.errors.ArgumentError: Adam: XLA cannot compile row-sparse updates. ...
    """
    if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        fix = "Compile the model with jit_compile=False"
        raise ArgumentError(explain(owner, f"XLA cannot compile {what}", fix=fix, jit_compile=True))


def with_rows_summed(owner: str, gradients: Iterable[Any]) -> list[Any]:
    """Returns gradients in which no row repeats; those that are no `tf.IndexedSlices` stay as they are.

    Raises:
        ArgumentError: XLA compiles the step. There `tf.unique` of its own result, as of an EmbeddingTable's gradient,
            is wrong without a word.

    Example:
        >>> twice = tf.IndexedSlices(tf.constant([1.0, 2.0]), tf.constant([7, 7]))
        >>> with_rows_summed("Adam", [None, twice])[1].values.numpy().tolist()
        [3.0]
    """
    gradients = list(gradients)
    if any(isinstance(gradient, tf.IndexedSlices) for gradient in gradients):
        refuse_xla(owner, "row-sparse updates")
    return [
        sum_repeated_rows(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient for gradient in gradients
    ]
