"""Batches of Parquet files are those of a frame, in an order that NumPy alone can tell beforehand."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.batching import parquet
from reciperec_layers.batching.windows import Windows
from reciperec_layers.data import batches
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, IdError, MissingExtraError
from tests.batching.reading import total_in_graph


@pytest.fixture
def path(tmp_path):
    return tmp_path / "interactions.parquet"


def write_rows(folder, group_rows):
    """Writes files of numbered rows, `group_rows[file][group]` of them in each row group, and returns their paths."""
    first, paths = 0, []
    for number, groups in enumerate(group_rows):
        paths.append(folder / f"part-{number}.parquet")
        with pq.ParquetWriter(paths[-1], pa.schema({"row": pa.int32(), "name": pa.string()})) as writer:
            for rows in groups:
                numbers = np.arange(first, first + rows)
                names = pa.array([f"recipe {row}" for row in numbers], pa.string())
                writer.write_table(pa.table({"row": pa.array(numbers, pa.int32()), "name": names}))
                first += rows
    return paths


def expected_order(group_rows, window, seed, epoch):
    """The law that the docstring states, in plain NumPy."""
    groups, first = [], 0
    for rows in (rows for file in group_rows for rows in file if rows):
        groups.append(np.arange(first, first + rows))
        first += rows
    if seed is None:
        return np.concatenate(groups)
    random = np.random.default_rng([seed, epoch])
    stream = np.concatenate([groups[group] for group in random.permutation(len(groups))])
    windows = [stream[start : start + window] for start in range(0, len(stream), window)]
    return np.concatenate([rows[random.permutation(len(rows))] for rows in windows])


def flat(dataset):
    return [row for batch in dataset for row in batch["row"].numpy().tolist()]


# Files of row groups, of which some may be empty.
layouts = st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=4), min_size=1, max_size=3).filter(
    lambda files: sum(map(sum, files)) > 0
)


@pytest.fixture(scope="module")
def scratch():
    """A folder for tests whose examples Hypothesis draws, each of which makes a folder of its own in it."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


@settings(max_examples=12)
@given(
    layout=layouts,
    window=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    seed=st.none() | st.integers(0, 99),
    drop=st.booleans(),
)
def test_an_epoch_is_in_the_order_of_the_law(scratch, layout, window, batch_size, seed, drop):
    paths = write_rows(Path(tempfile.mkdtemp(dir=scratch)), layout)
    rows = sum(map(sum, layout))
    sizes = [min(batch_size, rows - start) for start in range(0, rows, batch_size)]
    if drop:
        sizes = [size for size in sizes if size == batch_size]
    if not sizes:
        with pytest.raises(ArgumentError, match="`drop_remainder` leaves no batch"):
            batches(paths, batch_size, drop_remainder=True)
        return
    dataset = batches(paths, batch_size, seed=seed, shuffle_window=window, drop_remainder=drop)
    assert int(dataset.cardinality()) == len(sizes)
    for epoch in range(2):
        given_batches = list(dataset)
        order = expected_order(layout, window, seed, epoch)[: sum(sizes)]
        assert [len(batch["row"]) for batch in given_batches] == sizes
        assert np.concatenate([batch["row"] for batch in given_batches]).tolist() == order.tolist()
        names = [name.decode() for batch in given_batches for name in batch["name"].numpy()]
        assert names == [f"recipe {row}" for row in order]  # columns stay together


@settings(max_examples=60)
@given(layout=layouts, window=st.integers(1, 40), batch_size=st.integers(1, 12), seed=st.integers(0, 99))
def test_a_row_stays_in_its_window_and_every_row_comes_once(scratch, layout, window, batch_size, seed):
    rows = parquet.ParquetRows(write_rows(Path(tempfile.mkdtemp(dir=scratch)), layout), ["row"], "test")
    random = np.random.default_rng(seed)
    pairs = list(Windows(rows, np.random.default_rng(seed), window, batch_size))
    came = np.concatenate([table["row"].to_numpy()[order] for order, table in pairs])
    assert sorted(came) == list(range(rows.num_rows))
    firsts = np.cumsum([0, *rows.group_rows[:-1]])
    unshuffled = np.concatenate(
        [firsts[group] + np.arange(rows.group_rows[group]) for group in random.permutation(len(firsts))]
    )
    places = np.argsort(unshuffled)[came]  # where each row was before windows were shuffled
    np.testing.assert_array_equal(places // window, np.arange(len(came)) // window)
    assert all(len(order) % batch_size == 0 for order, _ in pairs[:-1])


def test_a_window_of_all_rows_shuffles_them_as_a_whole(tmp_path):
    rows = parquet.ParquetRows(write_rows(tmp_path, [[5, 5], [5, 5]]), ["row"], "test")
    epochs = [next(Windows(rows, np.random.default_rng([0, epoch]), 20, 20)) for epoch in range(30)]
    places = np.argsort([table["row"].to_numpy()[order] for order, table in epochs])
    # Every row is now before, now after every other one, neighbours in the file too.
    share = (places[:, :, np.newaxis] < places[:, np.newaxis, :]).mean(axis=0)[~np.eye(20, dtype=bool)]
    assert share.min() > 0
    assert share.max() < 1


def test_epochs_are_resumed(tmp_path):
    layout = [[7, 9], [3, 8, 4]]
    paths = write_rows(tmp_path, layout)
    orders = [expected_order(layout, 10, 42, epoch).tolist() for epoch in range(5)]
    dataset = batches(paths, 4, seed=42, initial_epoch=2, shuffle_window=10)
    assert [flat(dataset), flat(dataset)] == orders[2:4]
    dataset.set_epoch(1)
    assert flat(dataset) == orders[1]
    next(iter(dataset))  # counts as epoch 2
    assert flat(dataset) == orders[3]
    assert not hasattr(batches(paths, 4), "set_epoch")


def test_parallel_iterations_are_separate_epochs(tmp_path):
    layout = [[7, 9], [3, 8, 4]]
    dataset = batches(write_rows(tmp_path, layout), 4, seed=1, shuffle_window=6)
    pairs = [(one["row"].numpy(), other["row"].numpy()) for one, other in zip(dataset, dataset, strict=True)]
    came = [np.concatenate(part).tolist() for part in zip(*pairs, strict=True)]
    assert sorted(came) == sorted(expected_order(layout, 6, 1, epoch).tolist() for epoch in range(2))


def test_a_folder_is_its_files_by_name_and_a_list_keeps_its_order(tmp_path):
    first, second, third = write_rows(tmp_path, [[2], [1], [3]])
    (tmp_path / "_SUCCESS").touch()
    second.rename(tmp_path / "zuletzt.parquet")
    by_name = [0, 1, 3, 4, 5, 2]
    assert flat(batches(tmp_path, 4)) == by_name
    assert flat(batches(str(tmp_path), 4)) == by_name
    assert flat(batches([str(third), first], 4)) == [3, 4, 5, 0, 1]
    assert flat(batches((first, first), 4)) == [0, 1, 0, 1]


COLUMNS = {
    "text": pa.array(["soup", "", "pur\u00e9e\0\n", "long " * 20]),
    "empty_text": pa.array([""] * 4),
    "large_text": pa.array(["a", "", "", "b"], pa.large_string()),
    "utf8": pa.array([b"a", "\u00e9".encode(), b"", b"c"]),
    "utf8_of_fixed_size": pa.array([b"aa", b"bb", b"cc", b"dd"], pa.binary(2)),
    "category": pa.array(["x", "y", "x", ""]).dictionary_encode(),
    "category_of_integers": pa.array([5, 7, 5, 5]).dictionary_encode(),
    "category_of_floats": pa.array([0.5, 7, 5, 5]).dictionary_encode(),
    "boolean": pa.array([True, False, True, True]),
    "int8": pa.array([1, -2, 3, 4], pa.int8()),
    "uint64": pa.array([1, 2, 3, 2**63 - 1], pa.uint64()),
    "float16": pa.array(np.array([0.1, 2, 3, 4], np.float16)),
    "float64": pa.array([0.1, None, float("nan"), -4.0]),
}


def test_dtypes_specs_and_values_are_those_of_a_frame(path):
    pq.write_table(pa.table(COLUMNS), path, row_group_size=3)
    frame = pd.read_parquet(path)
    for drop in (False, True):
        of_file, of_frame = (batches(data, 2, drop_remainder=drop) for data in (path, frame))
        assert of_file.element_spec == of_frame.element_spec
        for ours, theirs in zip(of_file, of_frame, strict=True):
            assert list(ours) == list(theirs)
            for name in COLUMNS:
                np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_text_views_are_text(path):
    try:
        pq.write_table(pa.table({"text": pa.array(["a", "", "longer than twelve"], pa.string_view())}), path)
    except pa.ArrowNotImplementedError:
        pytest.skip("this pyarrow cannot write text views")
    (batch,) = batches(path, 3)
    assert batch["text"].numpy().tolist() == [b"a", b"", b"longer than twelve"]


def test_columns_are_left_out_and_chosen_as_those_of_a_frame(path):
    frame = pd.DataFrame({"a": [1, 2, 3], "time": pd.to_datetime("2017-01-01"), "a.b": [4, 5, 6]})
    frame["zoned"] = pd.to_datetime("2017-01-01", utc=True)
    frame["took"] = pd.to_timedelta("1s")
    frame.set_index(pd.Index([5, 9, 2])).to_parquet(path)
    assert "__index_level_0__" in pq.read_schema(path).names
    assert set(batches(path, 2).element_spec) == {"a", "a.b"}
    (batch,) = batches(path, 3, columns=["a.b", "__index_level_0__"])
    assert {name: values.numpy().tolist() for name, values in batch.items()} == {
        "a.b": [4, 5, 6],
        "__index_level_0__": [5, 9, 2],
    }


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1], [2, 3]]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array([1, 2]).cast(pa.decimal128(20)),
        pa.array([1, 2], pa.int32()).cast(pa.date32()),
        pa.array([1, 2]).cast(pa.timestamp("us")),
    ],
    ids=["list", "struct", "decimal", "date", "timestamp"],
)
def test_what_a_frame_refuses_is_refused(path, column):
    pq.write_table(pa.table({"row": [0, 1], "other": column}), path)
    for data in (path, pd.read_parquet(path)):
        with pytest.raises(ArgumentTypeError, match="column 'other': .* cannot become a tensor.*columns"):
            batches(data, 2, columns=["row", "other"])
    assert flat(batches(path, 2, columns=["row"])) == [0, 1]


MISSING = {
    "integer": pa.array([1, None, 3, None]),
    "text": pa.array(["a", None, "b", None]),
    "category": pa.array(["a", None, "a", None]).dictionary_encode(),
    "boolean": pa.array([True, None, True, None]),
}


@pytest.mark.parametrize("name", MISSING)
def test_missing_values_that_the_footer_counts_are_refused_at_once(path, name):
    pq.write_table(pa.table({name: MISSING[name]}), path, row_group_size=3)
    with pytest.raises(IdError, match=f"batches: column '{name}': 2 of 4 values are missing"):
        batches(path, 2)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        *[(column, "1 of 3 values of a part of the file are missing") for column in MISSING.values()],
        (pa.array([2**63, 1, 2, 3], pa.uint64()), "not in range"),
        (pa.array([b"\xff", b"a", b"b", b"c"]), "Invalid UTF8"),
    ],
    ids=[*MISSING, "too large", "not UTF-8"],
)
def test_what_only_reading_shows_is_named_when_it_is_read(path, column, said):
    pq.write_table(pa.table({"column": column}), path, row_group_size=3, write_statistics=False)
    dataset = batches(path, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"batches: column 'column': .*{said}.*{path.name}"):
        list(dataset)


def make_model():
    users, recipes = [11, 12, 13], ["soup", "pie"]
    model = rl.RetrievalModel(
        rl.IdTower(users, 2, feature="user_id"),
        rl.IdTower(recipes, 2, feature="recipe_id"),
        {"recipe_id": recipes},
        "recipe_id",
    )
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    return model


def test_fit_trains_each_epoch_in_its_order_and_raises_our_errors(path, tmp_path):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"user_id": rng.choice([11, 12, 13], 20), "recipe_id": rng.choice(["soup", "pie"], 20)})
    frame.assign(row=range(20)).to_parquet(path, row_group_size=4)
    dataset = batches(path, 6, seed=8, shuffle_window=8)
    model = make_model()
    history = model.fit(dataset, initial_epoch=2, epochs=4, verbose=0)
    assert history.epoch == [2, 3]
    assert flat(dataset) == expected_order([[4] * 5], 8, 8, 4).tolist()

    odd = tmp_path / 'odd "\\name.parquet'
    pq.write_table(pa.table({"user_id": [11, None], "recipe_id": ["soup", "pie"]}), odd, write_statistics=False)
    with pytest.raises(IdError, match="batches: column 'user_id': 1 of 2 values of a part") as raised:
        model.fit(batches(odd, 2), verbose=0)
    assert repr(str(odd)) in str(raised.value)

    unread = batches(path, 6)
    path.unlink()
    with pytest.raises(ArgumentError, match="batches: row group 0 cannot be read"):
        model.fit(unread, verbose=0)


def test_batches_run_inside_a_graph(tmp_path):
    assert total_in_graph(batches(write_rows(tmp_path, [[4, 6]]), 4, seed=1)) == 45


def test_an_iterator_that_is_dropped_closes_its_file(tmp_path, monkeypatch):
    opened = []

    class Recorded(pq.ParquetFile):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            opened.append(self)

    paths = write_rows(tmp_path, [[30], [30]])
    monkeypatch.setattr(pq, "ParquetFile", Recorded)
    monkeypatch.setattr(parquet, "_ROWS_OF_A_PIECE", 2)
    iterator = iter(batches(paths, 1, seed=1, shuffle_window=2))
    next(iterator)
    assert [file.closed for file in opened] == [True, True, False], "two footers, and the file that is read"
    del iterator
    assert all(file.closed for file in opened)


class CountedRows:
    """Rows in memory, which count how many were read and not yet handed over."""

    schema = pa.schema({"row": pa.int64()})

    def __init__(self, group_rows, rows_of_a_piece):
        self.group_rows, self.num_rows = np.array(group_rows), sum(group_rows)
        self._rows_of_a_piece = rows_of_a_piece
        self.held = self.most_held = 0

    def read(self, groups):
        for group in groups:
            for start in range(0, self.group_rows[group], self._rows_of_a_piece):
                rows = min(self._rows_of_a_piece, self.group_rows[group] - start)
                self.held += rows
                self.most_held = max(self.most_held, self.held)
                yield pa.record_batch({"row": np.arange(rows)})


@settings(max_examples=60)
@given(
    group_rows=st.lists(st.integers(1, 50), min_size=1, max_size=6),
    window=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    piece=st.integers(1, 9),
)
def test_no_more_is_held_than_a_window_a_batch_and_a_piece(group_rows, window, batch_size, piece):
    rows = CountedRows(group_rows, piece)
    for order, _ in Windows(rows, np.random.default_rng(0), window, batch_size):
        rows.held -= len(order)
    assert rows.held == 0
    # A window that fills no batch is held until the next is there.
    assert rows.most_held < max(window, 1) + batch_size + piece


def test_what_arrow_holds_does_not_grow_with_the_file(path):
    rows, window, width = 100_000, 1_000, 8
    pq.write_table(pa.table({"row": np.arange(rows)}), path, row_group_size=500)
    source = parquet.ParquetRows(path, None, "test")
    before, most = pa.total_allocated_bytes(), 0
    windows = Windows(source, np.random.default_rng(0), window, batch_size=64)
    for _, table in windows:
        most = max(most, pa.total_allocated_bytes() - before)
        del table
    assert 0 < most < rows * width / 10


def other_schema(folder):
    paths = write_rows(folder, [[2], [2]])
    pq.write_table(pa.table({"row": ["a"], "name": ["b"]}), paths[1])
    return paths


def more_columns(folder):
    paths = write_rows(folder, [[2], [2]])
    pq.write_table(pa.table({"row": [1], "name": ["b"], "rating": [1.0]}), paths[1])
    return paths


def no_parquet(folder):
    (folder / "interactions.csv").write_text("user_id\n7\n")
    return folder / "interactions.csv"


def empty_file(folder):
    (folder / "empty.parquet").touch()
    return folder / "empty.parquet"


def repeated_name(folder):
    pq.write_table(pa.table([[1], [2]], names=["row", "row"]), folder / "twice.parquet")
    return folder


def only_times(folder):
    pd.DataFrame({"time": pd.to_datetime(["2017-01-01"])}).to_parquet(folder / "times.parquet")
    return folder


@pytest.mark.parametrize(
    ("make", "arguments", "error", "said"),
    [
        (lambda folder: write_rows(folder, [[0]]), {}, ArgumentError, "at least one row is needed.*part-0"),
        (lambda folder: folder, {}, ArgumentError, r"there are no files \*.parquet in the folder"),
        (lambda folder: folder / "none.parquet", {}, ArgumentError, "cannot be read.*none.parquet.*Check the path"),
        (no_parquet, {}, ArgumentError, r"this is not a Parquet file\..*pandas\.read_csv\(.*interactions.csv"),
        (empty_file, {}, ArgumentError, "this is not a Parquet file .*empty.parquet"),
        (other_schema, {}, ArgumentError, "column 'row' differs among files: int32 in part-0.*string in part-1"),
        (more_columns, {}, ArgumentError, "files have different columns: 'rating' is not in both.*part-1"),
        (more_columns, {"columns": ["rating"]}, ColumnError, "part-0.parquet: there is no column 'rating'"),
        (more_columns, {"columns": ["nam"]}, ColumnError, "there is no column 'nam'.*The closest is 'name'"),
        (repeated_name, {}, ColumnError, "2 columns have the name 'row'"),
        (only_times, {}, ArgumentError, "no columns are left"),
        (lambda folder: write_rows(folder, [[2]]), {"columns": []}, ArgumentError, "no columns are left"),
        (lambda folder: write_rows(folder, [[2]]), {"shuffle_window": 0}, ArgumentError, "`shuffle_window` must be"),
        (lambda folder: write_rows(folder, [[2]]), {"seed": -1}, ArgumentError, "`seed` must be"),
    ],
    ids=[
        *("no rows", "empty folder", "absent", "CSV", "no bytes", "other type", "more columns", "column in one file"),
        *("misspelt", "repeated name", "only times", "no columns", "window", "seed"),
    ],
)
def test_wrong_arguments(tmp_path, make, arguments, error, said):
    with pytest.raises(error, match=said):
        batches(make(tmp_path), 2, **arguments)


def test_columns_that_are_not_read_may_differ_among_files(tmp_path):
    assert flat(batches(more_columns(tmp_path), 3, columns=["row"])) == [0, 1, 1]


def test_a_file_that_is_gone_is_named(tmp_path):
    (path,) = write_rows(tmp_path, [[3]])
    rows = parquet.ParquetRows(path, None, "batches")
    path.unlink()
    with pytest.raises(ArgumentError, match="batches: row group 0 cannot be read .*part-0.parquet"):
        list(rows.read([0]))


def test_without_pyarrow_the_extra_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"batches: pyarrow is needed.*reciperec-layers\[parquet\]"):
        batches(path, 2)
