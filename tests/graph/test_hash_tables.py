"""Tables of ids are freed with what uses them, and not before."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.graph.hash_tables import static_hash_table

IDS = np.array([7, 9, 11])


def size_of(name):
    """The number of entries of the table with a name, 0 without one: asked of TensorFlow itself."""
    handle = tf.raw_ops.HashTableV2(shared_name=name, key_dtype=tf.int64, value_dtype=tf.int64)
    return int(tf.raw_ops.LookupTableSizeV2(table_handle=handle))


def ids(*values):
    return tf.constant(values, tf.int64)


def make():
    return static_hash_table(tf.constant(IDS), tf.range(3, dtype=tf.int64), -1)


def make_graph():
    table = make()
    graph = tf.function(lambda keys: table.lookup(keys)).get_concrete_function(tf.TensorSpec([None], tf.int64))
    return graph, table._shared_name


def test_a_table_that_nobody_uses_is_gone():
    table = make()
    name = table._shared_name
    assert size_of(name) == 3
    del table
    gc.collect()
    assert size_of(name) == 0


def test_a_graph_keeps_its_table():
    lookup, name = make_graph()
    gc.collect()
    np.testing.assert_array_equal(lookup(ids(9, 8)), [1, -1])
    del lookup
    gc.collect()
    assert size_of(name) == 0


def test_a_table_that_goes_while_a_graph_is_traced_leaves_nothing_in_it():
    tables = [make()]

    @tf.function
    def traced():
        tables.clear()
        gc.collect()
        return tf.constant(1)

    traced()
    kinds = {operation.type for operation in traced.get_concrete_function().graph.get_operations()}
    assert not kinds & {"DestroyResourceOp", "HashTableV2"}


def make_tower():
    module = tf.Module()
    module.tower = rl.IdTower(IDS, 2, feature="user_id")
    lookup = module.tower.id_lookup
    module.run = tf.function(lambda keys: lookup(keys), input_signature=[tf.TensorSpec([None], tf.int64)])
    np.testing.assert_array_equal(module.run(ids(9, 8)), [2, 0])
    return module, lookup._table._shared_name


def test_a_layer_frees_its_table():
    module, name = make_tower()
    assert size_of(name) == 3
    del module
    gc.collect()
    assert size_of(name) == 0


@pytest.mark.saving
def test_an_exported_table_is_whole(tmp_path):
    module, _ = make_tower()
    tf.saved_model.save(module, str(tmp_path))
    del module
    gc.collect()
    np.testing.assert_array_equal(tf.saved_model.load(str(tmp_path)).run(ids(11, 8)), [3, 0])


def test_a_table_that_goes_while_a_graph_is_written_waits_for_nothing():
    """TensorFlow writes a model inside of a plain graph, whose lock the collector of garbage must not wait for."""
    table = make()
    name = table._shared_name
    with tf.Graph().as_default() as graph:
        del table
        gc.collect()
        assert not graph.get_operations()
    assert size_of(name) == 0
