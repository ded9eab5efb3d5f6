"""Times that nobody has read, in a graph, against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.columns.time_arrays import MISSING_TIME
from reciperec_layers.columns.time_tensors import to_microseconds

FORMS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", " %Y-%m-%dT%H:%M:%S.123456Z\n"]
_graph = tf.function(to_microseconds, input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)


@given(st.integers(-9_000_000_000, 9_000_000_000), st.sampled_from(FORMS), st.integers(-14 * 60, 14 * 60))
def test_text_is_read_to_the_second(seconds: int, form: str, offset: int):
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    text = (pd.Timestamp(0) + pd.Timedelta(seconds=seconds)).strftime(form)
    zoned = text.strip().removesuffix("Z") + f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    found = _graph(tf.constant([text, zoned])).numpy()
    assert found.tolist() == [seconds * 10**6, (seconds - 60 * offset) * 10**6]


@pytest.mark.parametrize("text", ["2016-02-29", "2016-02-29T00:00", "2016-02-29T00:00Z", "2016-02-29 02:00+0200"])
def test_seconds_and_times_may_be_left_out(text: str):
    assert _graph(tf.constant([text])).numpy().tolist() == [pd.Timestamp("2016-02-29").value // 1000]


def test_what_is_not_a_time_is_missing():
    assert _graph(tf.constant(["", "soon", "2016", "29.02.2016"])).numpy().tolist() == [MISSING_TIME] * 4
    assert to_microseconds(tf.constant([np.nan, 1.5e9])).numpy().tolist() == [MISSING_TIME, 1_500_000_000_000_000]
