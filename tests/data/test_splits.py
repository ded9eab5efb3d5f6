from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.data import split_by_time, split_leave_last_out, split_random
from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, IdError

SPLITS = {
    "time": lambda frame: split_by_time(frame, "time"),
    "random": lambda frame: split_random(frame, seed=3),
    "last": lambda frame: split_leave_last_out(frame, "user_id", "time"),
}


def make_frame(rows, seed=0, times=20):
    random = np.random.default_rng(seed)
    index = random.permutation(100)[:rows]
    users = random.integers(0, 2, rows)
    return pd.DataFrame({"user_id": users, "time": random.integers(0, times, rows), "row": range(rows)}, index=index)


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
@settings(deadline=None, max_examples=40)
@given(rows=st.integers(4, 8), seed=st.integers(0, 999))
def test_parts_are_disjoint_whole_in_order_and_untouched(split, rows, seed):
    frame = make_frame(rows, seed)
    before = frame.copy()
    try:
        train, test = split(frame)
    except ArgumentError:  # all times equal, or no user twice
        return
    pd.testing.assert_frame_equal(frame, before)
    assert len(train) > 0
    assert len(test) > 0
    pd.testing.assert_frame_equal(pd.concat([train, test]).sort_values("row"), frame)
    for part in (train, test):
        assert part["row"].is_monotonic_increasing
        part["new"] = 1  # a part is a frame of its own: no warning, and no column in the input
    assert "new" not in frame


@settings(deadline=None, max_examples=60)
@given(times=st.lists(st.integers(0, 4), min_size=2, max_size=8), fraction=st.floats(0.01, 0.99))
def test_by_time_takes_the_nearest_cut_between_two_times(times, fraction):
    frame = pd.DataFrame({"time": times})
    cuts = [sum(time >= cut for time in times) for cut in sorted(set(times))[1:]]
    if not cuts:
        with pytest.raises(ArgumentError, match="have the same time in column 'time'"):
            split_by_time(frame, "time", fraction)
        return
    train, test = split_by_time(frame, "time", fraction)
    wanted = min(max(round(fraction * len(times)), 1), len(times) - 1)
    assert train["time"].max() < test["time"].min()
    assert abs(len(test) - wanted) == min(abs(cut - wanted) for cut in cuts)


def test_equal_times_at_the_cut_go_to_the_test_when_both_cuts_are_as_near():
    train, test = split_by_time(pd.DataFrame({"time": [1, 2, 2, 3]}), "time", test_fraction=0.5)
    assert (train["time"].tolist(), test["time"].tolist()) == ([1], [2, 2, 3])


TEXT = ["2018-03-04T10:00:00.5\n", " 2018-03-04T10:00:00", "2000-02-21", "2018-03-04T10:00:00.45"]


@pytest.mark.parametrize(
    "times",
    [
        pd.Series(TEXT),
        pd.Series(TEXT, dtype=object),
        pd.Series(TEXT).astype("category"),
        pd.Series([3, 1, 0, 2]),
        pd.Series([0.3, 0.1, -1.0, 0.2]),
        pd.Series([3, 1, 0, 2], dtype="Int64"),
        pd.to_datetime(pd.Series(TEXT).str.strip(), format="ISO8601"),
        pd.to_datetime(pd.Series(TEXT).str.strip(), format="ISO8601").dt.tz_localize("Asia/Tokyo"),
        pd.to_datetime(pd.Series(TEXT).str.strip(), format="ISO8601").astype(object),
        pd.Series(["2018-01-01T00:00:00Z", "2018-01-01T00:30:00+01:00", "2017-01-01", "2018-01-01T00:00:00+00:01"]),
    ],
    ids=[
        "text",
        "object",
        "category",
        "int",
        "float",
        "nullable",
        "datetime",
        "zoned",
        "timestamps",
        "text with zones",
    ],
)
def test_times_of_every_form_are_compared_as_times(times):
    _, test = split_by_time(pd.DataFrame({"time": times}), "time", test_fraction=0.25)
    assert test.index.tolist() == [0]


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (["2017-01-01", "soon", None], r"2 of 3 times .* at index 1, 2: 'soon', (None|nan)"),
        ([1.0, np.nan, 2.0], r"1 of 3 times .* at index 1: nan"),
        (pd.Series([1, None, 2], dtype="Int64"), r"1 of 3 times .* at index 1: <NA>"),
        (pd.to_datetime(pd.Series(["2017-01-01", None, "2018-01-01"])), r"1 of 3 times .* at index 1: NaT"),
        (["2017-01-01", 5, "2018-01-01"], r"1 of 3 times .* at index 1: 5"),
        (["2017-01-01", "2017-13-01", "2018-01-01"], r"at index 1: '2017-13-01'"),
        ([True, False, True], "does not hold times"),
    ],
)
def test_times_that_cannot_be_read_name_their_rows(times, said):
    with pytest.raises(ArgumentError, match=said):
        split_by_time(pd.DataFrame({"time": times}), "time")


def test_random_is_the_same_for_a_seed_and_another_for_another():
    frame = make_frame(60)
    first, again, other = (split_random(frame, seed=seed)[1] for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
    assert len(first) == 12


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"test_size": 3}, (7, 3)),
        ({"train_size": 3}, (3, 7)),
        ({"train_size": 6, "test_size": 2}, (6, 2)),
        ({"test_fraction": 0.001}, (9, 1)),
        ({"test_fraction": 0.999}, (1, 9)),
    ],
)
def test_random_sizes(sizes, expected):
    train, test = split_random(make_frame(10), seed=0, **sizes)
    assert (len(train), len(test)) == expected
    assert not set(train["row"]) & set(test["row"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"test_size": 10}, r"`test_size` must be an integer in 1 \.\. 9\. Received: test_size=10"),
        ({"test_size": 0}, "`test_size` must be an integer"),
        ({"test_size": 2.0}, "`test_size` must be an integer"),
        ({"test_size": 6, "train_size": 5}, r"`train_size` must be an integer in 1 \.\. 4"),
        ({"train_size": 10}, r"`train_size` must be an integer in 1 \.\. 9"),
        ({"test_fraction": 0}, r"`test_fraction` must be a number in \(0, 1\)\. Received: test_fraction=0"),
        ({"test_fraction": 1}, r"`test_fraction` must be a number in \(0, 1\)\. Received: test_fraction=1"),
        (
            {"test_fraction": float("nan")},
            r"`test_fraction` must be a number in \(0, 1\)\. Received: test_fraction=nan",
        ),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
    ],
)
def test_random_refuses_wrong_numbers(arguments, said):
    with pytest.raises(ArgumentError, match=said):
        split_random(make_frame(10), **{"seed": 0, **arguments})


@settings(deadline=None, max_examples=60)
@given(rows=st.integers(2, 8), seed=st.integers(0, 999), num_test=st.integers(1, 3), timed=st.booleans())
def test_leave_last_out_equals_a_loop_over_queries(rows, seed, num_test, timed):
    frame = make_frame(rows, seed, times=4)
    held_out = []
    for _, group in frame.groupby("user_id"):
        ordered = sorted(group["row"], key=lambda row: (frame["time"].iloc[row] if timed else 0, row))
        held_out += ordered[1:][-num_test:]
    if not held_out:
        with pytest.raises(ArgumentError, match="no query in column 'user_id' has two rows"):
            split_leave_last_out(frame, "user_id", num_test=num_test)
        return
    _, test = split_leave_last_out(frame, "user_id", "time" if timed else None, num_test)
    assert test["row"].tolist() == sorted(held_out)


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_too_few_rows_and_other_types_are_refused(split):
    for frame in (make_frame(0), make_frame(1)):
        with pytest.raises(ArgumentError, match=r"at least 2 rows are needed. Received: frame=DataFrame"):
            split(frame)
    with pytest.raises(ArgumentTypeError, match="a data frame is needed"):
        split({"user_id": [1, 2]})
    with pytest.raises(ArgumentTypeError, match=r"pandas\.read_csv\('interactions\.csv'\)"):
        split("interactions.csv")


@pytest.mark.parametrize("name", ["time", "last"])
def test_a_missing_column_shows_the_closest(name):
    with pytest.raises(ColumnError, match=r"no column 'time'.*The closest is 'times'"):
        SPLITS[name](make_frame(4).rename(columns={"time": "times"}))


def test_a_missing_query_is_refused():
    frame = pd.DataFrame({"user_id": ["a", None, "a"]})
    with pytest.raises(IdError, match="split_leave_last_out: column 'user_id': 1 of 3 ids are missing"):
        split_leave_last_out(frame, "user_id")


def test_one_bad_time_among_numbers_is_the_one_that_is_named():
    frame = pd.DataFrame({"time": ["3", "1", "never", "2"]})
    with pytest.raises(
        ArgumentError, match="1 of 4 times in column 'time' are missing or not a number, at index 2: 'never'"
    ):
        split_by_time(frame, "time")


def test_an_infinite_time_is_refused():
    with pytest.raises(ArgumentError, match="1 of 3 times in column 'time' are missing .*at index 1: inf"):
        split_by_time(pd.DataFrame({"time": [1.0, np.inf, 2.0]}), "time")


def test_a_share_that_ties_move_far_is_a_warning():
    frame = pd.DataFrame({"time": [1, *[2] * 29]})
    with pytest.warns(UserWarning, match="97% of the rows are test rows, not 20%.*'time'"):
        train, test = split_by_time(frame, "time")
    assert (len(train), len(test)) == (1, 29)
