"""Rows that were appended are all there, in their order, however they were cut."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.graph.growing_rows import GrowingRows


@given(cuts=st.lists(st.integers(0, 9), max_size=8), first_capacity=st.sampled_from([0, 1, 4, 100]))
def test_all_rows_are_there(cuts, first_capacity):
    rows = GrowingRows(first_capacity, ids=((), tf.int64), values=((2,), tf.float32))
    expected = np.arange(sum(cuts))
    for part in np.split(expected, np.cumsum(cuts)[:-1]) if cuts else []:
        rows.append(ids=tf.constant(part, tf.int64), values=tf.constant(np.stack([part, -part], 1), tf.float32))
    assert rows.column("ids").numpy().tolist() == expected.tolist()
    np.testing.assert_array_equal(rows.column("values"), np.stack([expected, -expected], 1).reshape(-1, 2))


def test_one_trace_appends_any_number():
    rows = GrowingRows(2, ids=((), tf.int64))
    traces = []

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int64)])
    def append(ids):
        traces.append(1)
        rows.append(ids=ids)

    for start, stop in ((0, 1), (1, 1), (1, 40), (40, 41)):
        append(tf.range(start, stop, dtype=tf.int64))
    assert rows.column("ids").numpy().tolist() == list(range(41))
    assert len(traces) == 1


def test_rows_that_are_forgotten_leave_room_and_no_trace():
    rows = GrowingRows(0, ids=((), tf.int64))
    rows.append(ids=tf.range(50, dtype=tf.int64))
    rows.clear()
    assert rows.column("ids").numpy().tolist() == []
    room = int(rows.reserve(tf.constant(20, tf.int64)))
    assert room == pytest.approx(50)
    rows.append(ids=tf.constant([7], tf.int64))
    assert rows.column("ids").numpy().tolist() == [7]
