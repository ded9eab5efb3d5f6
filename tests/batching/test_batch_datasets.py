from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.data import batches
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, IdError
from tests.batching.reading import total_in_graph


def make_frame(rows=7):
    names = [f"recipe {row}" for row in range(rows)]
    return pd.DataFrame({"user_id": range(100, 100 + rows), "recipe_name": names, "rating": np.arange(rows) / 2})


def flat(dataset):
    return [row for batch in dataset for row in batch["row"].numpy().tolist()]


@settings(deadline=None, max_examples=25)
@given(rows=st.integers(1, 8), batch_size=st.integers(1, 9), seed=st.none() | st.integers(0, 99), drop=st.booleans())
def test_an_epoch_is_a_permutation_of_the_rows(rows, batch_size, seed, drop):
    data = {"row": np.arange(rows), "twice": np.arange(rows) * 2.0}
    sizes = [min(batch_size, rows - start) for start in range(0, rows, batch_size)]
    if drop:
        sizes = [size for size in sizes if size == batch_size]
    if not sizes:
        with pytest.raises(ArgumentError, match="`drop_remainder` leaves no batch"):
            batches(data, batch_size, seed=seed, drop_remainder=True)
        return
    dataset = batches(data, batch_size, seed=seed, drop_remainder=drop)
    assert int(dataset.cardinality()) == len(sizes)
    for epoch in range(2):
        given_batches = list(dataset)
        order = np.arange(rows) if seed is None else np.random.default_rng([seed, epoch]).permutation(rows)
        assert [len(batch["row"]) for batch in given_batches] == sizes
        assert np.concatenate([batch["row"] for batch in given_batches]).tolist() == order[: sum(sizes)].tolist()
        for batch in given_batches:  # columns stay together
            np.testing.assert_array_equal(batch["twice"], batch["row"].numpy() * 2.0)


@settings(deadline=None, max_examples=25)
@given(
    ids=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    batch_size=st.integers(1, 4),
    seed=st.none() | st.integers(0, 99),
    is_text=st.booleans(),
)
def test_rows_of_an_id_are_in_one_batch_side_by_side(ids, batch_size, seed, is_text):
    column = [f"user {each}" for each in ids] if is_text else ids
    dataset = batches({"user": column, "row": np.arange(len(ids))}, batch_size, seed=seed, by="user")
    distinct = list(dict.fromkeys(ids))
    order = np.arange(len(distinct)) if seed is None else np.random.default_rng([seed, 0]).permutation(len(distinct))
    starts = range(0, len(distinct), batch_size)
    expected = [
        [row for at in order[start : start + batch_size] for row, each in enumerate(ids) if each == distinct[at]]
        for start in starts
    ]
    assert int(dataset.cardinality()) == len(expected)
    assert [batch["row"].numpy().tolist() for batch in dataset] == expected


def test_refuses_rows_by_what_are_no_ids(tmp_path):
    with pytest.raises(ArgumentTypeError, match="'rating' has no ids to put rows together by"):
        batches(make_frame(), 2, by="rating")
    with pytest.raises(ColumnError, match="userid"):
        batches(make_frame(), 2, by="userid")
    with pytest.raises(ArgumentError, match="rows of files cannot be put together by id"):
        batches(tmp_path / "rows.parquet", 2, by="user_id")


def test_unshuffled_batches_together_are_the_frame():
    frame = make_frame()
    parts = list(batches(frame, batch_size=3))
    assert np.concatenate([part["user_id"] for part in parts]).tolist() == frame["user_id"].tolist()
    names = np.concatenate([part["recipe_name"] for part in parts])
    assert [name.decode() for name in names] == frame["recipe_name"].tolist()
    assert np.concatenate([part["rating"] for part in parts]).tolist() == frame["rating"].tolist()
    assert {name: tensor.dtype for name, tensor in parts[0].items()} == {
        "user_id": tf.int64,
        "recipe_name": tf.string,
        "rating": tf.float32,
    }


def test_an_order_is_a_function_of_seed_and_epoch():
    data = {"row": np.arange(50)}
    dataset = batches(data, 8, seed=42)
    epochs = [flat(dataset) for _ in range(4)]
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert flat(batches(data, 8, seed=43)) != epochs[0]
    resumed = batches(data, 8, seed=42, initial_epoch=2)
    assert [flat(resumed), flat(resumed)] == epochs[2:]
    resumed.set_epoch(1)
    assert [flat(resumed), flat(resumed)] == epochs[1:3]
    # An order does not depend on how rows are cut into batches.
    assert flat(batches(data, 17, seed=42)) == epochs[0]


def test_an_order_is_the_same_in_another_process():
    code = (
        "import numpy as np; from reciperec_layers.data import batches;"
        "print([row for batch in batches({'row': np.arange(9)}, 4, seed=5) for row in batch['row'].numpy().tolist()])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(flat(batches({"row": np.arange(9)}, 4, seed=5)))


def test_an_iteration_that_stops_early_counts_and_leaves_the_next_order_whole():
    data = {"row": np.arange(20)}
    expected = batches(data, 4, seed=1)
    epochs = [flat(expected) for _ in range(2)]
    dataset = batches(data, 4, seed=1)
    first = next(iter(dataset))
    assert first["row"].numpy().tolist() == epochs[0][:4]
    assert flat(dataset) == epochs[1]


def test_two_iterations_side_by_side_are_two_epochs():
    dataset = batches({"row": np.arange(6)}, 2, seed=1)
    one, other = zip(
        *((a["row"].numpy(), b["row"].numpy()) for a, b in zip(dataset, dataset, strict=True)), strict=True
    )
    fresh = batches({"row": np.arange(6)}, 2, seed=1)
    assert sorted([np.concatenate(one).tolist(), np.concatenate(other).tolist()]) == sorted([flat(fresh), flat(fresh)])


class RowsSeen(keras.Model):
    """Remembers the rows it was trained on."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.rows = []

    def call(self, inputs):
        return self.dense(tf.cast(inputs["row"], tf.float32)[:, tf.newaxis])

    def train_step(self, data):
        self.rows.extend(data["row"].numpy().tolist())
        return {"loss": 0.0}


def test_a_plain_keras_model_gets_each_epoch_once():
    dataset = batches({"row": np.arange(10)}, 4, seed=1)
    model = RowsSeen()
    model(next(iter(batches({"row": np.arange(10)}, 4))))
    model.compile(run_eagerly=True)
    model.fit(dataset, epochs=3, shuffle=False, verbose=0)
    fresh = batches({"row": np.arange(10)}, 4, seed=1)
    assert model.rows == flat(fresh) + flat(fresh) + flat(fresh)


def test_batches_run_inside_a_graph():
    assert total_in_graph(batches({"row": np.arange(10)}, 4, seed=1)) == 45


def test_dropped_remainders_give_static_shapes():
    spec = batches({"row": np.arange(10), "vector": np.zeros((10, 3))}, 4, seed=1, drop_remainder=True).element_spec
    assert (spec["row"].shape, spec["vector"].shape) == ((4,), (4, 3))


def test_tensors_of_higher_rank_and_ragged_ones():
    tags = tf.ragged.constant([[1], [2, 3], [], [4]])
    dataset = batches(
        {"row": np.arange(4), "vector": np.eye(4), "tags": tags, "name": np.array(list("abcd"))}, 3, seed=0
    )
    for batch in dataset:
        rows = batch["row"].numpy()
        np.testing.assert_array_equal(batch["vector"], np.eye(4)[rows])
        assert batch["tags"].to_list() == [tags.to_list()[row] for row in rows]
        assert batch["name"].numpy().tolist() == ["abcd"[row].encode() for row in rows]


def test_times_are_left_out_and_columns_chosen():
    frame = make_frame().assign(time=pd.to_datetime("2017-01-01"), zoned=pd.to_datetime("2017-01-01", utc=True))
    assert set(batches(frame, 2).element_spec) == {"user_id", "recipe_name", "rating"}
    assert set(batches(frame, 2, columns=["rating", "user_id"]).element_spec) == {"user_id", "rating"}
    assert set(batches({"a": [1], "b": [2]}, 2, columns=["b"]).element_spec) == {"b"}
    with pytest.raises(ArgumentTypeError, match="column 'time': values of type Timestamp"):
        batches(frame, 2, columns=["time"])


def test_a_column_that_cannot_become_a_tensor_is_refused():
    frame = make_frame(1).assign(reviews=pd.Series([{"rating": 5}]))
    with pytest.raises(ArgumentTypeError, match=r"column 'reviews': values of type dict .*`batches` takes columns="):
        batches(frame, 2)
    assert set(batches(frame, 2, columns=["user_id"]).element_spec) == {"user_id"}


def test_missing_text_names_the_column_and_how_many():
    frame = make_frame(3).assign(recipe_name=["soup", None, None])
    with pytest.raises(IdError, match="batches: column 'recipe_name': 2 of 3"):
        batches(frame, 2)


KINDS = "`data` must be a DataFrame, a mapping from names to columns, a path, or a list of paths. Received: data="


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"data": make_frame(0)}, ArgumentError, "at least one row is needed. Received: data="),
        ({"data": {"user_id": []}}, ArgumentError, "at least one row is needed"),
        ({"data": {}}, ArgumentError, "no columns are left"),
        ({"data": make_frame(), "columns": []}, ArgumentError, "no columns are left"),
        *(({"data": data}, ArgumentTypeError, KINDS) for data in ([1, 2], [], ["i.parquet", None], np.ones((2, 2)))),
        ({"data": ""}, ArgumentError, "a path must not be empty. Received: data=''"),
        ({"data": ["", "i.parquet"]}, ArgumentError, "a path must not be empty. Received: data="),
        ({"columns": "user_id"}, ArgumentTypeError, r"`columns` must be a list .*Pass a list: columns=\['user_id'\]"),
        ({"columns": ["user"]}, ColumnError, "no column 'user'.*The closest is 'user_id'"),
        ({"data": pd.DataFrame([[1, 2]], columns=["a", "a"])}, ColumnError, "2 columns have the name 'a'"),
        ({"data": {"a": [1], "b": [1, 2]}}, ArgumentError, "columns must have one length, not 'a': 1, 'b': 2"),
        ({"batch_size": 0}, ArgumentError, "`batch_size` must be a positive integer"),
        ({"batch_size": 2.5}, ArgumentError, "`batch_size` must be"),
        ({"batch_size": True}, ArgumentError, "`batch_size` must be"),
        ({"seed": -1}, ArgumentError, "`seed` must be"),
        ({"seed": 1, "initial_epoch": -1}, ArgumentError, "`initial_epoch` must be"),
        ({"initial_epoch": -1}, ArgumentError, "`initial_epoch` must be"),
        ({"data": {"a": tf.sparse.from_dense([[1]])}}, ArgumentTypeError, "sparse tensor"),
    ],
)
def test_wrong_arguments(arguments, error, said):
    with pytest.raises(error, match=said):
        batches(**{"data": make_frame(), "batch_size": 2, **arguments})
