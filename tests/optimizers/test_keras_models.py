"""The optimizers train Keras models of every kind, and XLA is refused where it would be wrong."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reciperec_layers.errors import ArgumentError
from reciperec_layers.optimizers import SGD, Adagrad, Adam, RowwiseAdagrad
from tests.optimizers.cases import REFERENCES, each_optimizer
from tests.optimizers.table_models import (
    INDICES,
    Subclassed,
    assert_close,
    compiled,
    dense,
    fit,
    functional,
    sequential,
)


@pytest.mark.parametrize(
    ("cls", "make", "options"),
    [
        (SGD, sequential, {"momentum": 0.9, "nesterov": True}),
        (Adam, functional, {"amsgrad": True}),
        (Adagrad, Subclassed, {"global_clipnorm": 0.7}),
        (RowwiseAdagrad, functional, {}),
    ],
    ids=["SGD-sequential", "Adam-functional", "Adagrad-subclassed", "RowwiseAdagrad-functional"],
)
def test_fit_equals_dense_fit(cls, make, options):
    """From fresh slots and with all rows in one batch, the dense rules move no other rows either."""
    reference = dense(REFERENCES[cls])(0.1, **options)
    expected = fit(compiled(reference, make, run_eagerly=cls is RowwiseAdagrad), batch_size=len(INDICES))
    assert_close(fit(compiled(cls(0.1, **options), make), batch_size=len(INDICES)), expected)


def test_epochs_equal_dense_epochs():
    """Adagrad's dense rule leaves rows alone whose gradient is zero, so that they are equal after any batches."""
    assert_close(fit(compiled(Adagrad(0.1))), fit(compiled(dense(keras.optimizers.Adagrad)(0.1))))


def test_xla_compiles_dense_models():
    def fitted(optimizer: keras.optimizers.Optimizer) -> list[np.ndarray]:
        def make() -> keras.Model:
            return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

        return fit(compiled(optimizer, make, jit_compile=True))

    assert_close(fitted(Adagrad(0.1)), fitted(keras.optimizers.Adagrad(0.1)))
    with pytest.raises(ArgumentError, match="^Adagrad: XLA cannot compile `gradient_accumulation_steps`"):
        fitted(Adagrad(0.1, gradient_accumulation_steps=2))


@each_optimizer
def test_xla_is_refused_for_tables(cls):
    message = rf"^{cls.__name__}: XLA cannot compile.*jit_compile=True\. Compile.*jit_compile=False"
    with pytest.raises(ArgumentError, match=message):
        fit(compiled(cls(0.1), jit_compile=True))
