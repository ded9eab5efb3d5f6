"""No operation of a step, in whatever graph inside of it, reads or makes a whole table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from reciperec_layers.optimizers import SGD, Adagrad, LossScaleOptimizer
from tests.optimizers.cases import OPTIONS, OWN_OPTIONS, REFERENCES, name_of, slices

NUM_ROWS = 1013
CASES = [
    *((cls, options) for cls in REFERENCES for options in ({"weight_decay": 0.1}, *OWN_OPTIONS[cls])),
    *((cls, {"gradient_accumulation_steps": 3}) for cls in REFERENCES),
    *((SGD, options) for options in OPTIONS),
    *((Adagrad, {**options, "gradient_accumulation_steps": 3}) for options in OPTIONS),
]


def graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for function in graph._functions.values():
        yield from graphs(function.graph)


def whole_tables(make: Callable[[], Any], strategy: Any = None) -> list[str]:
    """Names of what has as many rows as the table, anywhere in the graph of a step."""
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        table, optimizer = keras.Variable(np.zeros((NUM_ROWS, 2))), make()
        optimizer.build([table])

    @tf.function
    def step() -> None:
        strategy.run(lambda: optimizer.apply([slices([1, 1, 4], np.ones((3, 2)), NUM_ROWS)], [table]))

    operations = [each for graph in graphs(step.get_concrete_function().graph) for each in graph.get_operations()]
    outputs = [output for operation in operations for output in operation.outputs]
    return [each.name for each in outputs if each.shape.rank and NUM_ROWS in each.shape.as_list()]


@pytest.mark.parametrize(
    ("cls", "options"), CASES, ids=lambda case: case.__name__ if isinstance(case, type) else name_of(case)
)
def test_a_step_reads_rows(cls, options):
    assert whole_tables(lambda: cls(**{"learning_rate": 0.1, **options})) == []


@pytest.mark.parametrize("options", [{}, {"gradient_accumulation_steps": 3}], ids=name_of)
def test_a_step_with_loss_scaling_reads_rows(options):
    assert whole_tables(lambda: LossScaleOptimizer(SGD(0.1, **options))) == []


def test_what_keras_does_inside_a_branch_is_seen():
    assert whole_tables(lambda: keras.optimizers.LossScaleOptimizer(SGD(0.1))) != []
