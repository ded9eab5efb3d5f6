"""Time: age, year, cycles and buckets, the same for an instant in whatever form it is."""

from __future__ import annotations

from datetime import UTC, date, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError, ArgumentTypeError
from reciperec_layers.features import Time

DAY = pd.Timedelta(days=1)
NEWEST = pd.Timestamp("2016-03-27 08:01:52.420000")
TRAIN = NEWEST - pd.to_timedelta(np.arange(0, 4000, 2), unit="D")
OLDEST = TRAIN.min()


@pytest.fixture(scope="module")
def encoder() -> Time:
    return Time(TRAIN, cycles=["month", "hour", "weekday"], bucket_days=180, bucket_width=2, seed=1)


def days_before(times: pd.DatetimeIndex) -> np.ndarray:
    clipped = np.clip(np.array((NEWEST - times) / DAY), 0, (NEWEST - OLDEST) / DAY)
    return np.asarray(clipped, np.float64)


def circle(place: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(2 * np.pi * place), np.cos(2 * np.pi * place)], axis=1)


def buckets_of(encoder: Time, column: object) -> list[int]:
    """Rows of the table, which is last in the output."""
    encoder.table.set_weights([np.repeat(np.arange(len(encoder.bucket_edges) + 1.0)[:, None], 2, axis=1)])
    return encoder(column).numpy()[:, -1].astype(int).tolist()


def test_every_part_equals_pandas(encoder: Time):
    times = pd.DatetimeIndex(
        ["2016-03-27 08:01:52.42", "2016-03-26 23:59:59", "2010-07-05 12:30", "1999-12-31 06:00", "2020-02-29"]
    )
    output = encoder(times).numpy()
    span, days = (NEWEST - OLDEST) / DAY, days_before(times)
    np.testing.assert_allclose(output[:, 0], np.log1p(days) / np.log1p(span), atol=1e-6)
    np.testing.assert_allclose(output[:, 1], -days / span, atol=1e-6)
    np.testing.assert_allclose(output[:, 2:4], circle(np.array((times - times.floor("D")) / DAY)), atol=1e-5)
    np.testing.assert_allclose(output[:, 4:6], circle(times.day_of_week.to_numpy() / 7), atol=1e-5)
    # The year of 365.2425 days is up to a day away from the calendar's.
    np.testing.assert_allclose(output[:, 6:8], circle((times.day_of_year.to_numpy() - 0.5) / 365.25), atol=0.04)
    table = encoder.table.get_weights()[0]
    rows = np.minimum((days // 180).astype(int), len(table) - 1)
    np.testing.assert_array_equal(output[:, 8:], table[rows])
    assert encoder.width == output.shape[1] == 10


def test_the_seasons_come_back_every_year(encoder: Time):
    years = encoder(pd.DatetimeIndex([f"{year}-07-01" for year in range(1971, 2100)])).numpy()[:, 6:8]
    assert np.abs(years - years.mean(axis=0)).max() < 0.03
    winter = encoder(["2010-01-01"]).numpy()[0, 6:8]
    np.testing.assert_allclose(winter, [0, 1], atol=0.03)


def test_a_missing_time_is_the_newest_and_later_ones_are_as_old(encoder: Time):
    column = [None, pd.NaT, float("nan"), "", " ", "NaT", pd.NA, NEWEST]
    output = encoder(column).numpy()
    np.testing.assert_array_equal(output, output[[-1] * len(column)])
    read = encoder.read(column, "test", "time")
    assert read.numpy().tolist()[:-1] == [np.iinfo(np.int64).min] * (len(column) - 1)
    assert encoder.is_known(read).numpy().tolist() == [False] * (len(column) - 1) + [True]
    later = encoder(["2016-03-27T08:01:52.420001", "2050-01-01", "9999-12-31"]).numpy()
    np.testing.assert_array_equal(later[:, [0, 1, 8, 9]], output[:3, [0, 1, 8, 9]])


def each(form):
    return lambda times: [form(time) for time in times]


# All forms that an instant may have, made of timestamps in UTC without a zone.
WHOLE = {
    "seconds": lambda times: pd.Series(times).astype("datetime64[s]"),
    "milliseconds": lambda times: pd.Series(times).astype("datetime64[ms]"),
    "integers": each(lambda time: time.value // 10**9),
    "column of integers": lambda times: np.array([time.value // 10**9 for time in times]),
    "nullable": lambda times: pd.Series([*(time.value // 10**9 for time in times), None], dtype="Int64"),
}
EXACT = {
    "timestamps": list,
    "datetimes": each(lambda time: time.to_pydatetime()),
    "datetimes with a zone": each(
        lambda time: time.to_pydatetime().replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=-3.5)))
    ),
    "timestamps with zones": each(lambda time: time.tz_localize("UTC").tz_convert("Asia/Tokyo")),
    "nanoseconds": lambda times: pd.Series(times).astype("datetime64[ns]"),
    "arrow": lambda times: pd.Series(times).astype("timestamp[us][pyarrow]"),
    "column with a zone": lambda times: pd.Series(times).dt.tz_localize("UTC").dt.tz_convert("America/New_York"),
    "numpy": lambda times: np.array([time.to_datetime64() for time in times]),
    "text": each(lambda time: f" {time.isoformat()}\n"),
    "column of text": lambda times: pd.Series([*(time.isoformat() for time in times), None]),
    "text with a zone": each(lambda time: time.tz_localize("UTC").tz_convert("+05:30").isoformat()),
    "categories": lambda times: pd.Series([time.isoformat() for time in times]).astype("category"),
    "floats": each(lambda time: time.value // 1000 / 1e6),
    "column of floats": lambda times: pd.Series([*(time.value // 1000 / 1e6 for time in times), np.nan]),
    "floats as text": each(lambda time: repr(time.value // 1000 / 1e6)),
}
# For integers above 10^11, so not for instants near 1970.
FINER = {
    "integer milliseconds": lambda times: np.array([time.value // 10**6 for time in times]),
    "float milliseconds": each(lambda time: time.value // 1000 / 1e3),
    "integers as text": each(lambda time: str(time.value // 10**3)),
    "integer microseconds": lambda times: np.array([time.value // 10**3 for time in times]),
    "integer nanoseconds": each(lambda time: time.value),
}


def prepared(encoder: Time, column: object) -> np.ndarray:
    return encoder.prepare(encoder.read(column, "test", "time")).numpy()


@settings(max_examples=20)
@given(seconds=st.lists(st.integers(-9 * 10**9, 9 * 10**9), min_size=1, max_size=8))
def test_an_instant_is_one_in_every_form(encoder: Time, seconds: list[int]):
    times = [pd.Timestamp(second, unit="s") for second in seconds]
    wanted = [second * 10**6 for second in seconds]
    for form, make in (WHOLE | EXACT).items():
        assert prepared(encoder, make(times))[: len(times)].tolist() == wanted, form
    far = [time for time, second in zip(times, seconds, strict=True) if abs(second) >= 10**8]
    for form, make in FINER.items():
        assert prepared(encoder, make(far)).tolist() == [each for each in wanted if abs(each) >= 10**14], form


@settings(max_examples=20)
@given(microseconds=st.lists(st.integers(10**14, 4 * 10**15), min_size=1, max_size=8))
def test_a_microsecond_is_one_in_every_form(encoder: Time, microseconds: list[int]):
    times = [pd.Timestamp(each, unit="us") for each in microseconds]
    finer = {form: make for form, make in FINER.items() if "milliseconds" not in form}
    for form, make in (EXACT | finer).items():
        assert prepared(encoder, make(times))[: len(times)].tolist() == microseconds, form


def test_near_1970_a_fraction_is_rounded_down_in_every_form(encoder: Time):
    column = ["1970-01-02T00:00:00.9", 86_400.9, pd.Timestamp("1970-01-02T00:00:00.9"), 86_400]
    assert prepared(encoder, column).tolist() == [86_400 * 10**6] * 4


def test_rows_of_all_forms_may_be_mixed(encoder: Time):
    column = [1262304000, "2010-01-01", date(2010, 1, 1), np.datetime64("2010-01-01"), 1262304000.0, "1262304000"]
    assert set(prepared(encoder, column)) == {1262304000 * 10**6}
    assert prepared(encoder, ["-5", "20100101", "2010", 5.0]).tolist() == [
        -5 * 10**6,
        *[1262304000 * 10**6] * 2,
        5 * 10**6,
    ]


def test_buckets_go_back_from_the_newest_time_in_whole_lengths(encoder: Time):
    edges = np.array(encoder.bucket_edges) / DAY.value * 1000
    np.testing.assert_array_equal(edges, 180.0 * np.arange(1, len(edges) + 1))
    assert len(edges) + 1 == 4000 // 180 + 1


def test_a_microsecond_decides_between_two_buckets():
    encoder = Time(TRAIN, bucket_days=180, bucket_width=2)
    edge = NEWEST - 180 * DAY
    microsecond = pd.Timedelta(microseconds=1)
    times = [edge + microsecond, edge, edge - microsecond]
    assert buckets_of(encoder, times) == [0, 1, 1]


def test_the_newest_bucket_takes_in_older_ones_until_it_has_enough_rows():
    alone = [pd.Timestamp("2099-01-01")]  # an error in the data
    with pytest.warns(UserWarning, match="Time: 1 of .* times lies .* years after all others"):
        encoder = Time([*TRAIN, *alone], bucket_days=180, bucket_width=2)
    assert buckets_of(encoder, [None, *TRAIN[:5]]) == [0] * 6
    # Every bucket holds one of 200 rows at least.
    counts = np.bincount(buckets_of(encoder, [*TRAIN, *alone]))
    assert len(counts) == len(encoder.bucket_edges) + 1
    assert counts.min() >= len(TRAIN) // 200


@pytest.mark.parametrize(
    ("span", "days"),
    [
        ("17 years", 180.0),
        ("11 years", 180.0),
        ("5 years", 90.0),
        ("1 years", 30.0),
        ("60 days", 3.0),
        ("1 days", 1 / 24),
        ("60 years", 1825.0),
    ],
)
def test_the_length_of_buckets_is_chosen_by_the_span(span: str, days: float):
    number, unit = span.split()
    times = NEWEST - pd.to_timedelta(np.linspace(0, float(number) * {"years": 365, "days": 1}[unit], 2000), unit="D")
    encoder = Time(times)
    assert encoder.bucket_days == days
    assert 8 <= len(encoder.bucket_edges) + 1 <= 41
    with pytest.warns(UserWarning, match="Time: 1 of 2002 times lies .* years after all others"):
        few_far = Time([*times, pd.Timestamp("1970-01-01"), pd.Timestamp("2150-01-01")])
    assert few_far.bucket_days == days


@pytest.mark.parametrize(
    ("times", "cycles"),
    [
        (pd.date_range("2010-01-01", periods=900), ("weekday", "month")),
        (pd.date_range("2010-01-01", periods=20), ("weekday",)),
        (pd.date_range("2010-01-01", periods=60, freq="h"), ("hour", "weekday")),
        (pd.date_range("2010-01-04 09:00", periods=300, freq="7D"), ("month",)),
        (pd.date_range("2009-12-28 20:00", periods=20, freq="10min"), ("hour",)),
        (["2010-01-01"], ()),
    ],
    ids=["dates", "20 days", "60 hours", "Mondays", "an evening", "one time"],
)
def test_cycles_that_do_not_vary_are_left_out(times: object, cycles: tuple[str, ...]):
    encoder = Time(times)
    assert encoder.cycles == cycles
    assert encoder.get_config()["cycles"] == list(cycles)
    assert encoder.width == 2 + 2 * len(cycles) + 16


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ({"age": False}, 1 + 2 + 3),
        ({"year": False}, 1 + 2 + 3),
        ({"cycles": ()}, 2 + 3),
        ({"cycles": "weekday"}, 2 + 2 + 3),
        ({"bucket_days": None}, 2 + 2),
        ({"age": False, "year": False, "cycles": ()}, 3),
        ({"age": False, "year": False, "bucket_days": None}, 2),
    ],
)
def test_each_part_can_be_switched_off(options: dict, width: int):
    encoder = Time(TRAIN, **{"bucket_width": 3, "cycles": ["month"], **options})
    assert encoder.width == width
    assert encoder(TRAIN[:4]).shape == (4, width)
    assert bool(encoder.trainable_weights) == (options.get("bucket_days", 1) is not None)


@pytest.mark.parametrize("data", [["2016-01-01"], ["2016-01-01"] * 3, [0, 0], [-(2**63) + 1, 2**63 - 1]])
def test_any_times_are_finite(data: list):
    output = Time(data)([*data, None, 2**63 - 1, -(2**63) + 1, "0001-01-01", 10**11, 1e300, -1e300]).numpy()
    assert np.isfinite(output).all()
    assert np.abs(output).max() < 1.001


@pytest.mark.parametrize(
    ("column", "error", "said"),
    [
        (
            ["2017-01-01", "soon", None, "", "2017-13-01", True, timedelta(1)],
            ArgumentError,
            "4 of 7 values in column 'time' are not times, at row 1, 4, 5, ...: 'soon', '2017-13-01', True, ...",
        ),
        ([np.inf, 3.0], ArgumentError, "1 of 2 values .* at row 0: inf"),
        ([2**63], ArgumentError, "1 of 1 values .* at row 0: 9223372036854775808"),
        ([["2017-01-01"]], ArgumentError, "1 of 1 values"),
        (pd.Series([True, False]), ArgumentTypeError, "column 'time' does not hold times"),
        (pd.to_timedelta([1, 2]), ArgumentTypeError, "column 'time' does not hold times"),
        (np.array([[1]]), ArgumentTypeError, "column 'time' must have one time per row"),
    ],
)
def test_what_is_not_a_time_is_refused(encoder: Time, column: object, error: type[Exception], said: str):
    with pytest.raises(error, match=f"recommend: .*{said}"):
        encoder.read(column, "recommend", "time")


@pytest.mark.parametrize("tensor", [tf.constant([1.5e9]), tf.constant(["2017-07-14T02:40:00"])])
def test_a_tensor_that_nobody_has_read_is_read_in_the_graph(encoder: Time, tensor: tf.Tensor):
    expected = encoder(np.array([1_500_000_000])).numpy()
    np.testing.assert_array_equal(tf.function(encoder)(tensor).numpy(), expected)


def test_a_tensor_of_smaller_integers_is_read(encoder: Time):
    tensor = tf.constant([1_262_304_000], tf.int32)
    np.testing.assert_array_equal(encoder(tensor).numpy(), encoder(["2010-01-01"]).numpy())
    assert encoder.is_known(tensor).numpy().tolist() == [True]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "Time: `data` is needed"),
        ({"newest": 1, "oldest": 0}, "Time: `data` is needed"),
        ({"data": [None, ""]}, "Time: `data` has no times"),
        ({"data": []}, "Time: `data` has no times"),
        ({"data": [1], "cycles": ["hour", "decade"]}, "`cycles` must be 'auto' or any of 'hour', 'weekday', 'month'"),
        ({"data": [1], "bucket_days": 0}, "`bucket_days` must be a number in"),
        ({"data": [1], "bucket_days": "days"}, "`bucket_days` must be a number in"),
        ({"data": [1], "bucket_width": 0}, "`bucket_width` must be a positive integer"),
        (
            {"data": [1], "age": False, "year": False, "cycles": None, "bucket_days": None},
            "every part of the output is switched off",
        ),
        ({"newest": 1, "oldest": 2, "cycles": (), "bucket_days": 1}, "`oldest` must be an integer in"),
        (
            {"newest": 1, "oldest": 0, "cycles": (), "bucket_days": 1, "bucket_edges": [2, 1]},
            "`bucket_edges` must be ascending",
        ),
    ],
)
def test_arguments_are_checked(arguments: dict, said: str):
    with pytest.raises(ArgumentError, match=said):
        Time(**arguments)


def test_a_row_of_the_far_future_is_not_now():
    days = 1_300_000_000 + 86_400 * np.arange(300)
    clean = Time(days, seed=1)
    with pytest.warns(UserWarning, match=r"Time: 1 of 301 times lies 87\.\d years after all others"):
        encoder = Time(np.append(days, 4_070_908_800), seed=1)
    assert encoder.get_config() == {**clean.get_config(), "name": encoder.name}
    assert encoder.newest == days[-1] * 10**6
