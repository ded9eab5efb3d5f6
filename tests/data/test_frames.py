from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.data import read_csv
from reciperec_layers.data.frames import ids_from_text
from reciperec_layers.errors import ArgumentError, ColumnError, IdError


@pytest.fixture
def write(tmp_path):
    def to_file(content):
        path = tmp_path / "interactions.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to_file


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["7", "-9", "0"], [7, -9, 0]),
        (["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)]),
        (["9223372036854775808", "1"], None),
        (["00123", "456"], None),
        (["1.0"], None),
        (["1_000"], None),
        (["+5"], None),
        (["-0"], None),
        ([" 5"], None),
        (["٣"], None),
        (["1e3"], None),
        (["NA", "null"], None),
        (["9" * 5000], None),
    ],
)
def test_ids_are_integers_only_as_python_writes_them(write, texts, expected):
    frame = read_csv(write("user_id,rating\n" + "".join(f"{text},5\n" for text in texts)))
    assert frame["user_id"].tolist() == (texts if expected is None else expected)
    assert (frame["user_id"].dtype == np.int64) == (expected is not None)


@settings(deadline=None)
@given(st.lists(st.integers(-(2**65), 2**65).map(str) | st.text("0123456789-+_ ", min_size=1, max_size=4), max_size=8))
def test_reading_text_and_writing_it_again_is_the_identity(texts):
    assert list(map(str, ids_from_text(pd.Series(texts, dtype=object)))) == texts


def test_other_columns_are_as_pandas_reads_them_and_unnamed_ones_left_out(write):
    path = write(',user_id,rating,note\n0,007,5,"a\nb"\n1,7,,NA\n')
    frame = read_csv(path)
    assert frame.columns.tolist() == ["user_id", "rating", "note"]
    pd.testing.assert_frame_equal(frame[["rating", "note"]], pd.read_csv(path)[["rating", "note"]])
    assert frame["user_id"].tolist() == ["007", "7"]


def test_a_byte_order_mark_and_compression_are_read(tmp_path, write):
    assert read_csv(write(b"\xef\xbb\xbfuser_id\n7\n"))["user_id"].tolist() == [7]
    path = tmp_path / "interactions.csv.gz"
    path.write_bytes(gzip.compress(b"user_id\n7\n"))
    assert read_csv(path)["user_id"].tolist() == [7]


@pytest.mark.parametrize("content", ["user_id,rating\n7,5\n,4\n9,3\n", 'user_id,rating\n7,5\n"",4\n9,3\n'])
def test_missing_ids_name_their_rows(write, content):
    with pytest.raises(IdError, match=r"interactions.csv: 1 of 3 ids in column 'user_id' are missing, in rows 2\. "):
        read_csv(write(content))


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        ("", ArgumentError, "interactions.csv: the file is empty"),
        ("user_id,rating\n", ArgumentError, "there are no rows below the names of the columns"),
        ("userid,rating\n7,5\n", ColumnError, "no column 'user_id'; the columns are 'userid', 'rating'. The closest"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe\x00,\xff", ArgumentError, "this is not a CSV file in UTF-8"),
        (
            b"PAR1\x15\x04,\x00\xff\nPAR1",
            ArgumentError,
            r"this is a Parquet file. Write it as CSV: pandas.read_parquet",
        ),
        ("user_id,rating\n7,5\n8,5,6,7\n", ArgumentError, r"this is not a CSV file in UTF-8 \(.*line 3"),
        ("user_id,rating\n7,5,6\n8,5,6\n", ArgumentError, "this is not a CSV file in UTF-8"),
        ('user_id,rating\n7,"5\n', ArgumentError, "this is not a CSV file in UTF-8"),
    ],
)
def test_files_that_cannot_be_used(write, content, error, said):
    with pytest.raises(error, match=said):
        read_csv(write(content))


def test_a_missing_file_and_a_folder(tmp_path):
    for path, reason in ((tmp_path / "absent.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ArgumentError, match=rf"read_csv: .*the file cannot be read \({reason}"):
            read_csv(path)


def test_a_broken_archive(tmp_path):
    for name in ("a.csv.gz", "a.csv.zip"):
        (tmp_path / name).write_bytes(b"not compressed")
        with pytest.raises(ArgumentError, match="the file cannot be read"):
            read_csv(tmp_path / name)


@pytest.mark.parametrize("sep", [",", "\t", ";", "|"])
@pytest.mark.parametrize("compressed", [False, True])
def test_separators_are_recognized(tmp_path, sep, compressed):
    rows = [["user_id", "recipe id", "note"], ["007", "1", '"a, b; c | d\t"'], ["8", "2", ""], ["9", "3", '"x\ny"']]
    content = "".join(sep.join(row) + "\n" for row in rows).encode()
    path = tmp_path / ("rows.csv.gz" if compressed else "rows.csv")
    path.write_bytes(gzip.compress(content) if compressed else content)
    for named in (None, sep):
        frame = read_csv(path, ["user_id", "recipe id"], sep=named)
        assert frame["user_id"].tolist() == ["007", "8", "9"]
        assert frame["recipe id"].tolist() == [1, 2, 3]
        assert frame["note"].tolist()[::2] == ["a, b; c | d\t", "x\ny"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("user_id;note\n1;a, b\n2;c, d, e\n", ["user_id", "note"]),
        ("user_id,name; long\n1,a\n2,b\n", ["user_id", "name; long"]),
        ("user_id;name, long\n1;a\n2;b\n", ["user_id", "name, long"]),
        ('"user_id";"a,b,c"\n1;2\n', ["user_id", "a,b,c"]),
        ("user_id\tprice\n1\t3,50\n2\t4,25\n", ["user_id", "price"]),
        ("user_id\n1\n2\n", ["user_id"]),
        ("user_id,a|b\n1,2|3\n", ["user_id", "a|b"]),
        (f'user_id,note\n7,"{"long; " * 30_000}\n; x"\n8,"say ""no, no"""\n', ["user_id", "note"]),
    ],
)
def test_the_separator_is_the_one_that_cuts_all_lines_alike(write, content, expected):
    assert read_csv(write(content)).columns.tolist() == expected


def test_a_separator_may_be_named(write):
    assert read_csv(write("user_id:note\n7:a\n"), sep=":").columns.tolist() == ["user_id", "note"]
    assert read_csv(write("user_id;a\tb\n7;1\t2\n"), sep="tab", ids=[]).columns.tolist() == ["user_id;a", "b"]
    assert read_csv(write("user_id\ta;b\n7\t1\n"), sep="\\t").columns.tolist() == ["user_id", "a;b"]
    for sep in ("", ";;", '"', 5):
        with pytest.raises(ArgumentError, match="`sep` must be one character"):
            read_csv(write("user_id,a\n7,1\n"), sep=sep)


def test_a_file_of_one_column_is_said_so(write):
    with pytest.raises(ColumnError, match="there is no column 'user_id'; the columns are 'user_id:note'") as caught:
        read_csv(write("user_id:note\n7:a\n"))
    assert "one column only" in caught.value.__notes__[0]
    with pytest.raises(ColumnError) as caught:
        read_csv(write("user;note\n7;a\n"))
    assert not hasattr(caught.value, "__notes__")


def test_folders_without_a_name_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, name in ((".", r"\."), ("", r"\."), ("/", "/"), ("..", r"\.\."), (tmp_path, tmp_path.name)):
        with pytest.raises(ArgumentError, match=f"read_csv: {name}: the file cannot be read .Is a directory"):
            read_csv(path)
