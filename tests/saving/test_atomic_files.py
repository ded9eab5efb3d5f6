"""Files are whole or not there, and the old one stays until the new one is whole."""

from __future__ import annotations

import os
import secrets
import stat
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentTypeError, OutputError, OutputExistsError
from reciperec_layers.saving import renames, work_folders
from reciperec_layers.saving.atomic_files import check_writable, write_beside
from tests.saving import kills

OTHERS = (65534, 65533) if os.getuid() == 0 else None  # only root gives files away


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "model.keras").write_text("old")
    return tmp_path / "model.keras"


def writing(text: str) -> Callable[[Path], None]:
    """Writes text in two halves."""

    def write(beside: Path) -> None:
        with beside.open("w") as file:
            file.write(text[: len(text) // 2])
            file.flush()
            sys.audit("tests.half_way")
            file.write(text[len(text) // 2 :])
        sys.audit("tests.written")

    return write


def test_a_file_is_replaced_when_it_is_whole(target: Path):
    def write(beside: Path) -> None:
        assert beside.name == "model.keras"
        assert stat.S_IMODE(beside.parent.stat().st_mode) == 0o700
        beside.write_text("new")
        assert target.read_text() == "old"

    write_beside(target, write)
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["model.keras"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_fails_half_way_leaves_the_old_file(target: Path, error: type[BaseException]):
    def write(beside: Path) -> None:
        beside.write_text("ne")
        (beside.parent / "tmp123").mkdir()  # Keras and HDF5 may leave something beside the file
        raise error("stopped")

    with pytest.raises(error, match="stopped"):
        write_beside(target, write)
    assert target.read_text() == "old"
    assert os.listdir(target.parent) == ["model.keras"]


def test_a_full_disk_is_one_clear_error(tmp_path: Path):
    def write(beside: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"cannot be written \(.*No space left on device\).*Choose another path"):
        write_beside(str(tmp_path / "model.keras"), write)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fails_at_last_is_seen_before_the_rename(target: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="Input/output error"):
        write_beside(target, writing("new"))
    assert target.read_text() == "old"
    assert os.listdir(target.parent) == ["model.keras"]


def test_a_writer_that_writes_nothing_leaves_the_old_file(target: Path):
    with pytest.raises(OutputError, match="No such file"):
        write_beside(target, lambda beside: None)
    assert target.read_text() == "old"
    assert os.listdir(target.parent) == ["model.keras"]


def test_places_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(OutputError, match="it is a folder"):
        check_writable(tmp_path, overwrite=True)
    with pytest.raises(OutputError, match="there is no such folder"):
        check_writable(tmp_path / "no" / "model.keras", overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="there is no such folder"):
        check_writable(tmp_path / "file" / "model.keras", overwrite=True)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(OutputError, match="it is a device, a pipe or a socket"):
            check_writable(path, overwrite=True)
    for wrong in (3, None, b"model.keras"):
        with pytest.raises(ArgumentTypeError, match="the file must be a path. Received: path="):
            check_writable(wrong, overwrite=True)  # type: ignore[arg-type]
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(OutputError, match="its folder cannot be written to"):
        check_writable(tmp_path / "model.keras", overwrite=True)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a" * 256, "File name too long"),
        ("é" * 128, "File name too long"),
        ("a" * 256 + "/model.keras", "File name too long"),
        ("a/" * 3000 + "model.keras", "File name too long"),
        ("mo\0del.keras", "a NUL character"),
        ("mo\udcffdel.keras", "not valid Unicode text"),
        (f"mo{chr(0xD800)}del.keras", "not valid Unicode text"),
    ],
)
def test_names_that_no_file_can_have(tmp_path: Path, name: str, reason: str):
    def never(beside: Path) -> None:
        raise AssertionError

    with pytest.raises(OutputError, match=rf"^save: the file cannot be written \(.*{reason}"):
        write_beside(tmp_path / name, never)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "a" * 244 + ".weights.h5", ".", "..keras", " ", "\n", "-rf"])
def test_every_name_that_a_file_can_have(tmp_path: Path, name: str):
    path = tmp_path / name / "model" if name == "." else tmp_path / name
    write_beside(path, lambda beside: beside.write_text("old"))
    write_beside(str(path), lambda beside: beside.write_text("new"))
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == [path.name]


def test_a_path_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_beside("model.keras", lambda beside: beside.write_text("new"), overwrite=False)
    assert (tmp_path / "model.keras").read_text() == "new"


# Rights and links


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444, 0o000, 0o755])
def test_mode_and_owner_stay(target: Path, mode: int):
    owner = OTHERS or (os.getuid(), os.getgid())
    os.chown(target, *owner)
    target.chmod(mode)
    write_beside(target, writing("new"))
    found = target.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (mode, *owner)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_follows_the_umask(tmp_path: Path, umask: int, mode: int):
    before = os.umask(umask)
    try:
        write_beside(tmp_path / "model.keras", writing("new"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model.keras").stat().st_mode) == mode


def test_nobody_gets_more_rights_where_the_owner_cannot_stay():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        target = Path(folder) / "model.keras"
        target.write_text("old")
        if OTHERS:
            os.chown(target, *OTHERS)
        target.chmod(0o4664)

        def act() -> None:
            if OTHERS:
                os.setgroups([])
                os.setgid(OTHERS[1] - 1)
                os.setuid(OTHERS[0] - 1)
            write_beside(target, writing("new"))

        assert kills.in_a_process(act) == 0
        assert stat.S_IMODE(target.stat().st_mode) == (0o604 if OTHERS else 0o4664)
        assert target.read_text() == "new"


def test_an_access_list_stays(target: Path):
    # Version 2; owner rw, user 1000 r, group nothing, mask r, others nothing.
    entries = [(1, 6, 2**32 - 1), (2, 4, 1000), (4, 0, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1)]
    access_list = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(target, "system.posix_acl_access", access_list)
    except OSError:
        return  # this file system has none
    write_beside(target, writing("new"))
    assert os.getxattr(target, "system.posix_acl_access") == access_list


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path, overwrite: bool):
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    real, link = tmp_path / "real" / "model.keras", tmp_path / "links" / "current.keras"
    link.symlink_to("../real/model.keras")
    if overwrite:
        real.write_text("old")
        with pytest.raises(OutputExistsError, match="the file exists"):
            write_beside(link, writing("new"), overwrite=False)
    write_beside(link, writing("new"), overwrite=overwrite)
    assert os.readlink(link) == "../real/model.keras"
    assert real.read_text() == "new"
    assert (os.listdir(real.parent), os.listdir(link.parent)) == (["model.keras"], ["current.keras"])


def test_links_in_a_circle(tmp_path: Path):
    (tmp_path / "a.keras").symlink_to("b.keras")
    (tmp_path / "b.keras").symlink_to("a.keras")
    for path in (tmp_path / "a.keras", tmp_path / "a.keras" / "model.keras"):
        with pytest.raises(OutputError, match="circle|levels of symbolic links|no such folder"):
            write_beside(path, writing("new"))
    assert sorted(os.listdir(tmp_path)) == ["a.keras", "b.keras"]


def test_other_hard_links_keep_the_old_contents(target: Path):
    os.link(target, target.with_name("copy"))
    write_beside(target, writing("new"))
    assert (target.read_text(), target.with_name("copy").read_text()) == ("new", "old")


def test_nothing_that_was_planted_is_followed(target: Path, monkeypatch: pytest.MonkeyPatch):
    victim = target.with_name("victim")
    victim.mkdir()
    (victim / "model.keras").write_text("precious")
    tokens = iter(["0" * 32, "1" * 32, "2" * 32])
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(tokens))
    planted = [
        target.with_name(f".{os.getpid()}.model.keras"),
        victim.with_name(f".reciperec_layers-{'0' * 32}.saving"),
    ]
    planted[0].symlink_to(victim / "model.keras")
    planted[1].symlink_to(victim)
    victim.with_name(f".reciperec_layers-{'1' * 32}.saving").write_text("precious")
    write_beside(target, writing("new"))
    assert target.read_text() == "new"
    assert all(link.is_symlink() for link in planted)
    assert (victim / "model.keras").read_text() == "precious"
    assert len(os.listdir(target.parent)) == 5


# Savers at once


def test_a_file_is_not_overwritten_unasked(target: Path):
    with pytest.raises(OutputExistsError, match=r"the file exists\. Received: path='.*model\.keras'"):
        write_beside(target, lambda beside: beside.write_text("new"), overwrite=False)
    assert target.read_text() == "old"


def lacking(*names: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Takes system calls away, as file systems without them do."""

    def take(monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise OSError(95, "Operation not supported")

        if "renameat2" in names:
            monkeypatch.setattr(renames, "_renameat2", None)
        if "link" in names:
            monkeypatch.setattr(os, "link", fail)
        if "flock" in names:
            monkeypatch.setattr(work_folders.fcntl, "flock", fail)

    return take


@pytest.mark.parametrize("missing", [(), ("renameat2",), ("renameat2", "link"), ("flock",)], ids=str)
def test_a_file_that_came_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]):
    lacking(*missing)(monkeypatch)
    target = tmp_path / "model.keras"

    def write(beside: Path) -> None:
        beside.write_text("new")
        target.write_text("old")

    with pytest.raises(OutputExistsError, match="the file exists"):
        write_beside(target, write, overwrite=False)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.keras"]
    target.unlink()
    write_beside(target, writing("new"), overwrite=False)
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["model.keras"]


@pytest.mark.parametrize("missing", [(), ("renameat2",), ("flock",)], ids=str)
def test_exactly_one_of_many_threads_makes_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
):
    lacking(*missing)(monkeypatch)
    for attempt in range(10):
        barrier = threading.Barrier(4)
        target = tmp_path / f"{attempt}.keras"

        def save(thread: int, target: Path = target, barrier: threading.Barrier = barrier) -> int | None:
            def write(beside: Path) -> None:
                beside.write_text(str(thread))
                barrier.wait(60)

            try:
                write_beside(target, write, overwrite=False)
            except OutputExistsError:
                return None
            return thread

        with ThreadPoolExecutor(4) as threads:
            winners = [each for each in threads.map(save, range(4)) if each is not None]
        assert [str(each) for each in winners] == [target.read_text()]
    assert len(os.listdir(tmp_path)) == 10


def saves(path: Path, letters: str, times: int) -> None:
    """Saves files of one letter each, of different lengths."""
    for time_ in range(times):
        for letter in letters:
            write_beside(path, writing(letter * (20_000 + 1_000 * time_)))


def assert_whole(text: str) -> None:
    assert len(text) >= 20_000
    assert set(text) in ({"a"}, {"b"}, {"c"}, {"d"})


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_savers_at_once_never_break_the_file(tmp_path: Path, kind: str):
    path = tmp_path / "model.keras"
    saves(path, "a", 1)

    def in_another_container(letters: str) -> None:
        os.getpid = lambda: 7  # where every first process has the same id
        saves(path, letters, 20)

    if kind == "threads":
        threads = [threading.Thread(target=saves, args=(path, letters, 20)) for letters in ("ab", "cd")]
        for each in threads:
            each.start()
        while any(each.is_alive() for each in threads):
            assert_whole(path.read_text())
    else:
        processes = [kills.start(lambda letters=letters: in_another_container(letters)) for letters in ("ab", "cd")]
        for process in processes:
            while os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                assert_whole(path.read_text())
        assert [kills.wait_for(process) for process in processes] == [0, 0]
    assert_whole(path.read_text())
    assert os.listdir(tmp_path) == ["model.keras"]


# Killed savers


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_process_that_is_killed_anywhere_breaks_nothing_and_the_next_one_cleans_up(tmp_path: Path, overwrite: bool):
    target = tmp_path / "model.keras"
    before = {"old"} if overwrite else set()
    results = []
    for step in range(200):
        target.unlink(missing_ok=True)
        if overwrite:
            target.write_text("old")
        end = kills.in_a_process(lambda: write_beside(target, writing("new"), overwrite=overwrite), kill_at=step)
        found = {target.read_text()} if target.exists() else set()
        assert found in (before, {"new"})
        results.append((end, found == {"new"}, len(os.listdir(tmp_path)) - len(found)))
        write_beside(target, writing("next"))
        assert target.read_text() == "next"
        assert os.listdir(tmp_path) == ["model.keras"]
        if end == 0:
            break
    ends, is_new, leftovers = zip(*results, strict=True)
    assert set(ends[:-1]) == {-9}  # killed at each of its steps, and at last not
    assert len(ends) > 10
    assert {*is_new} == {False, True}
    assert {*leftovers} == {0, 1}


@given(
    acts=st.lists(
        st.tuples(st.sampled_from(["a", "bb", "ccc"]), st.booleans(), st.none() | st.integers(0, 25)),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=8)
def test_after_any_saves_and_kills_the_file_is_the_old_or_the_new(
    acts: list[tuple[str, bool, int | None]], tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("law")
    target = folder / "model.keras"
    possible: set[str | None] = {None}
    for text, overwrite, kill_at in acts:

        def act(text: str = text, overwrite: bool = overwrite) -> None:
            try:
                write_beside(target, writing(text), overwrite=overwrite)
            except OutputExistsError:
                assert not overwrite

        killed = kills.in_a_process(act, kill_at) == -9
        found = target.read_text() if target.exists() else None
        kept = possible if killed or not overwrite else set()
        assert found in kept | {text}
        if not overwrite:
            assert found in possible - {None} or None in possible
        possible = {found}
    write_beside(folder / "other.keras", writing("other"))
    assert {*os.listdir(folder)} <= {"model.keras", "other.keras"}


def leftover(folder: Path) -> Path:
    """What a process leaves that is killed while it writes."""
    known = {*os.listdir(folder)}
    act = lambda: write_beside(folder / "model.keras", lambda beside: os.kill(os.getpid(), 9))  # noqa: E731
    assert kills.in_a_process(act) == -9
    (name,) = {*os.listdir(folder)} - known
    (folder / name / "model.keras").write_text("half a ")
    return folder / name


def a_day_later(folder: Path) -> None:
    past = time.time() - 90_000
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (past, past))


def test_a_saver_at_work_loses_nothing(tmp_path: Path):
    inner, outer = tmp_path / "inner.keras", tmp_path / "outer.keras"

    def write(beside: Path) -> None:
        a_day_later(beside.parent)  # however long it takes
        write_beside(inner, writing("inner"))
        assert kills.in_a_process(lambda: write_beside(inner, writing("inner"))) == 0
        beside.write_text("outer")

    write_beside(outer, write)
    assert outer.read_text() == "outer"
    assert sorted(os.listdir(tmp_path)) == ["inner.keras", "outer.keras"]


@pytest.mark.parametrize("reason", ["another machine", "no locks", "Windows"])
def test_where_a_lock_tells_nothing_a_leftover_stays_for_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
):
    left = leftover(tmp_path)
    if reason == "another machine":
        monkeypatch.setattr(work_folders, "_machine", lambda: "f" * 32)
    elif reason == "Windows":
        monkeypatch.setattr(work_folders, "fcntl", None)
    else:
        lacking("flock")(monkeypatch)
    write_beside(tmp_path / "model.keras", writing("new"))
    assert left.is_dir()
    a_day_later(left)
    (left / "model.keras").touch()
    write_beside(tmp_path / "model.keras", writing("new"))
    assert left.is_dir()
    a_day_later(left)
    write_beside(tmp_path / "model.keras", writing("new"))
    assert os.listdir(tmp_path) == ["model.keras"]


def test_only_what_is_certainly_a_leftover_is_removed(tmp_path: Path):
    left = leftover(tmp_path)
    alike = tmp_path / f".reciperec_layers-{'a' * 32}.saving"
    alike.mkdir()
    (alike / "mine.txt").write_text("precious")  # no lock in it
    (tmp_path / f".reciperec_layers-{'b' * 32}.saving").write_text("precious")
    (tmp_path / f".reciperec_layers-{'c' * 32}.saving").symlink_to(left)
    left.rename(tmp_path / f"{left.name}.bak")
    names = {*os.listdir(tmp_path)}
    write_beside(tmp_path / "model.keras", writing("new"))
    assert {*os.listdir(tmp_path)} == names | {"model.keras"}
    assert (alike / "mine.txt").read_text() == "precious"
    assert (tmp_path / f"{left.name}.bak" / "model.keras").read_text() == "half a "


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path.parents[1] / "mine.txt")])
def test_a_lock_that_is_not_a_file_is_not_ours(tmp_path: Path, make: Callable[[Path], None]):
    (tmp_path / "mine.txt").write_text("precious")
    left = leftover(tmp_path)
    (lock,) = (path for path in left.iterdir() if "lock" in path.name)
    lock.unlink()
    make(lock)
    write_beside(tmp_path / "model.keras", writing("new"))
    assert (left / "model.keras").read_text() == "half a "
    assert (tmp_path / "mine.txt").read_text() == "precious"
