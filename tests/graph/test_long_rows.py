"""The highest of long rows are those that sorting finds."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.graph.long_rows import top_k_of_long_rows


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("length", "k"), [(3, 3), (4095, 20), (4096, 16), (4096, 17), (4099, 5), (9000, 20)])
def test_as_sorted(length, k, compiled):
    values = np.random.default_rng(length + k).normal(size=(7, length)).astype(np.float32)
    function = tf.function(top_k_of_long_rows) if compiled else top_k_of_long_rows
    highest, columns = function(tf.constant(values), tf.constant(k) if compiled else k)
    np.testing.assert_array_equal(highest, -np.sort(-values, axis=1)[:, :k])
    np.testing.assert_array_equal(np.take_along_axis(values, columns.numpy(), axis=1), highest)


@given(st.integers(4096, 4300), st.integers(1, 16), st.integers(0, 2**32 - 1))
def test_ties_and_gaps(length, k, seed):
    random = np.random.default_rng(seed)
    values = random.integers(0, 3, (2, length)).astype(np.float32)
    values[random.uniform(size=values.shape) < 0.5] = -np.inf
    highest, columns = top_k_of_long_rows(tf.constant(values), k)
    np.testing.assert_array_equal(highest, -np.sort(-values, axis=1)[:, :k])
    assert all(len({*row}) == k for row in columns.numpy().tolist())
