"""Contract suite for encoders, run by one line of a test."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from reciperec_layers.features import Encoder
from reciperec_layers.testing.contract import (
    check_mixed_precision,
    check_neighbours,
    check_training,
    config_checks,
    layer_checks,
    run_checks,
)

_OWNER, _NAME = "check_encoder", "column"


def check_encoder(
    make: Callable[[], Encoder],
    column: Any,
    *,
    larger: Callable[[], Encoder] | None = None,
    skip: Mapping[str, str] | None = None,
) -> None:
    """Checks that an encoder fulfils the contract of encoders.

    The checks are those of `check_serializable` except `sequential`, `neighbours`, `training` and `mixed_precision` of
    `check_tower`, and:

    - `read`: a column is read as a tensor of the `form`, one without rows as well; a tensor stays as it is.
    - `tells`: the class says what a known value tells, "id", "feature" or "context".
    - `output`: the output is finite, of shape `(batch, width)`, in the compute dtype.
    - `prepared`: `encode` of what `prepare` gives equals a call, also for rows that were gathered from it.
    - `order`: rows in another order give the same numbers in that order.
    - `batch_sizes`: batches of one row and of none have their shape.
    - `missing`: None is read as `missing`, is not known, and changes no other row. Columns of nothing else are finite.
    - `deterministic`: an encoder that says so gives the same numbers in training.
    - `graph`: a `tf.function` for any number of rows gives the same numbers.
    - `exported`: a SavedModel gives the same numbers.

    `training` is for encoders with trainable weights, `missing` for those whose `missing` is not None.

    Args:
        make: Returns a new encoder. Give its arguments values other than the defaults; otherwise a lost argument goes
            unnoticed.
        column: A column as users have it: a list, NumPy array or pandas column of at least 2 rows, none of them
            missing. Have in it whatever needs care: values that the encoder's data do not have, empty text and lists.
        larger: Returns an encoder like that of `make` with much larger statistics, such as a larger vocabulary.
        skip: Checks that do not apply, by name, each with its reason.

    Raises:
        AssertionError: A check fails; names the class and the check.
        ValueError: `skip` names an unknown check.

    Example:
        >>> from reciperec_layers.features import Id
        >>> check_encoder(lambda: Id([7, 9], width=3, seed=1), [9, 5, 7])
    """
    tensor = make().read(column, _OWNER, _NAME)
    layers = layer_checks(make, tensor)
    layers.pop("sequential", None)  # without a keras.Input, Keras casts text and integers to floats
    checks: dict[str, Callable[[], object]] = {
        **config_checks(make, larger),
        "read": lambda: _check_read(make(), column),
        "tells": lambda: _check_tells(make()),
        "output": lambda: _check_output(make(), tensor),
        **layers,
        "prepared": lambda: _check_prepared(make(), tensor),
        "neighbours": lambda: check_neighbours(make(), tensor),
        "order": lambda: _check_order(make(), tensor),
        "batch_sizes": lambda: _check_batch_sizes(make(), tensor),
        "deterministic": lambda: _check_deterministic(make(), tensor),
        "graph": lambda: _check_graph(make(), tensor),
        "exported": lambda: _check_exported(make(), tensor),
        "mixed_precision": lambda: check_mixed_precision(make, tensor),
    }
    encoder = make()
    if encoder.missing is not None:
        checks["missing"] = lambda: _check_missing(make(), column)
    if encoder.trainable_weights:
        checks["training"] = lambda: check_training(make(), tensor)
    run_checks(checks, make, skip)


def _check_read(encoder: Encoder, column: Any) -> None:
    tensor = encoder.read(column, _OWNER, _NAME)
    none = encoder.read(_rows(column, 0), _OWNER, _NAME)
    for each, length in ((tensor, len(column)), (none, 0)):
        assert isinstance(each, tf.Tensor), f"a column is read as a {type(each).__name__}, not as a dense tensor"
        wanted = tf.TensorSpec((length, *encoder.form.shape[1:]), encoder.form.dtype)
        assert wanted.is_compatible_with(each), f"{length} rows are read as {tf.TensorSpec.from_tensor(each)}"
    assert encoder.read(tensor, _OWNER, _NAME) is tensor, "a tensor does not stay as it is"
    _assert_equal(encoder(column), encoder(tensor), "a column that was read before gives other numbers")


def _check_tells(encoder: Encoder) -> None:
    assert encoder.tells in ("id", "feature", "context"), f"a known value tells {encoder.tells!r}"


def _check_output(encoder: Encoder, tensor: tf.Tensor) -> None:
    _assert_finite(encoder, encoder(tensor), len(tensor))
    _assert_finite(encoder, encoder(tensor, training=True), len(tensor))


def _check_prepared(encoder: Encoder, tensor: tf.Tensor) -> None:
    prepared = encoder.prepare(tensor)
    _assert_equal(encoder.encode(prepared), encoder(tensor), "encode(prepare(column)) differs from a call")
    again = list(range(len(tensor)))[::-1] * 2
    gathered = encoder.encode(tf.gather(prepared, again))
    _assert_equal(gathered, tf.gather(encoder(tensor), again), "rows gathered from what was prepared differ")


def _check_order(encoder: Encoder, tensor: tf.Tensor) -> None:
    order = np.random.default_rng(5).permutation(len(tensor))
    moved = encoder(tf.gather(tensor, order))
    _assert_equal(moved, tf.gather(encoder(tensor), order), "rows in another order give other numbers")


def _check_batch_sizes(encoder: Encoder, tensor: tf.Tensor) -> None:
    for length in (0, 1):
        _assert_finite(encoder, encoder(tensor[:length]), length)


def _check_missing(encoder: Encoder, column: Any) -> None:
    entries = [*_rows(column, len(column)), None]
    tensor = encoder.read(entries, _OWNER, _NAME)
    stated = tf.broadcast_to(tf.constant(encoder.missing, tensor.dtype), tensor[-1].shape).numpy()
    np.testing.assert_array_equal(tensor[-1].numpy(), stated, "None is not read as `missing`")
    assert not encoder.is_known(tensor).numpy()[-1], "a missing value is known"
    output = encoder(tensor)
    _assert_finite(encoder, output, len(entries))
    _assert_equal(output[:-1], encoder(column), "a missing value changes other rows")
    nothing = encoder.read([None, None], _OWNER, _NAME)
    assert not encoder.is_known(nothing).numpy().any(), "a missing value is known"
    _assert_equal(encoder(nothing), tf.stack([output[-1]] * 2), "a column of missing values gives other numbers")


def _check_deterministic(encoder: Encoder, tensor: tf.Tensor) -> None:
    if encoder.deterministic:
        _assert_equal(encoder(tensor, training=True), encoder(tensor), "numbers in training differ")


def _check_graph(encoder: Encoder, tensor: tf.Tensor) -> None:
    _assert_equal(_any_rows(encoder)(tensor), encoder(tensor), "a graph gives other numbers")


def _check_exported(encoder: Encoder, tensor: tf.Tensor) -> None:
    module = tf.Module()
    module.encoder, module.run = encoder, _any_rows(encoder)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder)
        loaded = tf.saved_model.load(folder)
    _assert_equal(loaded.run(tensor), encoder(tensor), "an exported encoder gives other numbers")


def _any_rows(encoder: Encoder) -> Any:
    return tf.function(lambda column: encoder(column), input_signature=[encoder.form])


def _rows(column: Any, length: int) -> Any:
    return column.iloc[:length] if hasattr(column, "iloc") else column[:length]


def _assert_finite(encoder: Encoder, output: tf.Tensor, length: int) -> None:
    wanted = (length, encoder.width)
    assert tuple(output.shape) == wanted, f"the shape of the output is {tuple(output.shape)}, but must be {wanted}"
    assert output.dtype == encoder.compute_dtype, f"the output is {output.dtype.name}, not {encoder.compute_dtype}"
    assert np.isfinite(output.numpy()).all(), "the output is not finite"


def _assert_equal(one: tf.Tensor, other: tf.Tensor, message: str) -> None:
    # Sums and products of other shapes differ in their last bits.
    np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6, err_msg=message)
