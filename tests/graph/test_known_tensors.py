"""What is known while a graph is traced is computed then, once, and what is not stays in the graph."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.candidates.column_join import ColumnJoin
from reciperec_layers.corpus import Corpus
from reciperec_layers.errors import UnknownIdError
from reciperec_layers.graph.known_tensors import computed_once, known_values
from reciperec_layers.graph.sparse_rows import are_distinct
from reciperec_layers.layers import EmbeddingTable, IdLookup

# Larger than what TensorFlow writes into a graph as a constant.
SIZE = 1000
PERMUTED = np.random.default_rng(1).permutation(SIZE)


def operations(function, *specs) -> list[str]:
    return [operation.type for operation in tf.function(function).get_concrete_function(*specs).graph.get_operations()]


@pytest.mark.parametrize("rows", [np.arange(3), PERMUTED])
def test_values_are_known_in_branches_and_behind_shapes(rows):
    outside, found = tf.constant(rows), []

    def look():
        found.append(known_values(tf.reshape(tf.identity(outside), [-1])))
        return 0

    tf.function(lambda: tf.cond(tf.random.uniform([]) > 0.5, look, lambda: 1))()
    np.testing.assert_array_equal(found[0], rows)


def test_what_a_step_gets_is_not_known():
    def step(ids):
        assert known_values(ids) is None
        assert known_values(ids + 1) is None
        assert not are_distinct(ids)
        return computed_once(lambda ids: ids + 1, ids)

    assert "AddV2" in operations(step, tf.TensorSpec([SIZE], tf.int64))


def test_known_ids_are_looked_up_once():
    lookup, ids = IdLookup(PERMUTED), tf.constant(np.append(PERMUTED[::-1], SIZE))
    found = []
    assert "LookupTableFindV2" not in operations(lambda: found.append(lookup(ids)))
    np.testing.assert_array_equal(found[0], np.append(np.arange(SIZE, 0, -1), 0))
    with pytest.raises(UnknownIdError, match="1 of 1001 ids are not in the vocabulary"):
        tf.function(lambda: IdLookup(PERMUTED, num_oov_indices=0)(ids), autograph=False)()


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("make_optimizer", [rl.optimizers.Adam, keras.optimizers.Adam])
def test_a_table_read_at_known_rows_trains_as_at_others(repeats, make_optimizer):
    rows = np.tile(PERMUTED[: SIZE // 2], repeats)
    known, upstream = tf.constant(rows), np.random.default_rng(2).normal(size=(len(rows), 2)).astype("float32")

    def trained(is_known: bool) -> tuple[np.ndarray, ...]:
        table = EmbeddingTable(SIZE, 2, keras.initializers.RandomNormal(seed=1), keras.regularizers.L2(0.1))
        optimizer, before = make_optimizer(0.1), table.embeddings.numpy()
        optimizer.build([table.embeddings])

        def step(indices):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(table(indices) * upstream) + tf.add_n(table.losses)
            [gradient] = tape.gradient(loss, [table.embeddings.value])
            optimizer.apply([gradient], [table.embeddings])
            return loss, tf.convert_to_tensor(gradient)

        function, arguments = (lambda: step(known), []) if is_known else (step, [known])
        assert ("Unique" in operations(function, *arguments)) != is_known
        found = tf.function(function)(*arguments)
        return before, *(each.numpy() for each in found), table.embeddings.numpy()

    before, loss, gradient, after = trained(is_known=True)
    expected = np.zeros((SIZE, 2))
    np.add.at(expected, rows, upstream)
    expected[rows] += 0.2 * before[rows]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)
    _, *others = trained(is_known=False)
    for of_known, of_others in zip((loss, gradient, after), others, strict=True):
        np.testing.assert_allclose(of_known, of_others, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [np.arange(SIZE), PERMUTED, PERMUTED[:5]])
def test_columns_of_known_candidates_are_taken_once(rows):
    minutes = np.arange(SIZE) * 3
    join = ColumnJoin(Corpus({"recipe_id": np.arange(SIZE), "minutes": minutes}, "recipe_id", ["minutes"]))
    ids, found = tf.constant(rows), []
    step = lambda: found.append(join.add_columns({"recipe_id": ids}, ["minutes"])["minutes"])  # noqa: E731
    assert not {"GatherV2", "LookupTableFindV2"} & set(operations(step))
    np.testing.assert_array_equal(found[0], minutes[rows])
