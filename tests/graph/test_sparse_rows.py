"""Rows of a gradient are summed where they repeat, and taken as they are where the graph shows that they do not."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from reciperec_layers.graph.sparse_rows import DistinctRows, sum_repeated_rows
from reciperec_layers.layers import EmbeddingTable

INDICES = np.array([3, 1, 3, 3, 0])


def rows_of(table, reads):
    """Returns the summed gradient of the sum of all rows read, as one step would get it."""
    with tf.GradientTape() as tape:
        total = tf.add_n([tf.reduce_sum(table(indices)) for indices in reads])
    return sum_repeated_rows(tape.gradient(total, table.embeddings.value))


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("reads", [1, 2])
def test_a_row_counts_as_often_as_it_is_read(in_graph, reads):
    table = EmbeddingTable(5, 2)

    def step(*indices):
        rows = rows_of(table, indices)
        assert isinstance(rows, DistinctRows)
        return rows.indices, rows.values

    indices, values = (tf.function(step) if in_graph else step)(*[tf.constant(INDICES)] * reads)
    assert sorted(indices.numpy()) == [0, 1, 3]
    expected = {row: reads * count for row, count in zip(*np.unique(INDICES, return_counts=True), strict=True)}
    for index, value in zip(indices.numpy(), values.numpy(), strict=True):
        np.testing.assert_array_equal(value, [expected[index]] * 2)


@pytest.mark.parametrize(("reads", "searches"), [(1, 1), (2, 3)])
def test_distinct_rows_of_a_table_are_not_searched_for_repeats_again(reads, searches):
    table = EmbeddingTable(5, 2)
    step = tf.function(lambda indices: rows_of(table, [indices] * reads).values)
    operations = step.get_concrete_function(tf.TensorSpec([None], tf.int64)).graph.get_operations()
    assert sum(operation.type == "Unique" for operation in operations) == searches


def test_positions_of_unique_are_not_distinct_rows():
    @tf.function
    def step(indices):
        _, positions = tf.unique(indices)
        return sum_repeated_rows(tf.IndexedSlices(tf.ones([5]), positions)).values

    np.testing.assert_array_equal(step(tf.constant(INDICES)), [3, 1, 1])
