"""Id: rows of a table, one for each id, and one for all that are not known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from reciperec_layers.features import Id


def test_the_vocabulary_counts_and_leaves_missing_ids_out():
    encoder = Id(pd.Series(["a", None, "b", "b"]), width=3)
    assert encoder.vocabulary.ids.tolist() == ["b", "a"]
    assert (encoder.width, encoder.form.dtype, encoder.missing) == (3, tf.string, "")


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([7.0, np.nan, 9.0]),
        pd.Series([7, None, 9], dtype="Int64"),
        [7, None, 9],
        np.ma.array([7, 1, 9], mask=[False, True, False]),
    ],
    ids=["float", "nullable", "list", "masked"],
)
def test_a_missing_id_is_read_as_one_that_is_not_known(column: object):
    encoder = Id([7, 9], width=2, seed=1)
    table = encoder.table.get_weights()[0]
    np.testing.assert_array_equal(encoder(column).numpy(), table[[1, 0, 2]])
    assert encoder.is_known(encoder.read(column, "test", "id")).numpy().tolist() == [True, False, True]


def test_what_is_prepared_is_a_row_and_dropout_replaces_it_in_training():
    encoder = Id([7, 9], width=2, id_dropout=0.5, seed=1)
    prepared = encoder.prepare(tf.constant([9] * 64, tf.int64))
    assert prepared.numpy().tolist() == [2] * 64
    table = encoder.table.get_weights()[0]
    dropped = (encoder.encode(prepared, training=True).numpy() == table[0]).all(axis=1)
    assert 10 < dropped.sum() < 54
    assert not (encoder.encode(prepared, training=False).numpy() == table[0]).all(axis=1).any()
