"""Folders are whole or not there, and the old one stays until the new one is whole."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reciperec_layers.errors import OutputError, OutputExistsError
from reciperec_layers.saving import atomic_folders, renames
from reciperec_layers.saving.atomic_folders import check_folder_writable, write_folder_beside
from tests.saving import kills


def text_in(folder: Path) -> str:
    return (folder / "note.txt").read_text()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "note.txt").write_text("old")
    return tmp_path / "notes"


def test_a_folder_is_replaced_when_it_is_whole(target: Path):
    def write(beside: Path) -> None:
        assert (beside.name, os.listdir(beside)) == ("notes", [])
        (beside / "note.txt").write_text("new")
        assert text_in(target) == "old"

    write_folder_beside(target, write)
    assert text_in(target) == "new"
    assert os.listdir(target.parent) == ["notes"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_fails_half_way_leaves_the_old_folder(target: Path, error: type[BaseException]):
    def write(beside: Path) -> None:
        (beside / "note.txt").write_text("ne")
        raise error("stopped")

    with pytest.raises(error, match="stopped"):
        write_folder_beside(target, write)
    assert text_in(target) == "old"
    assert os.listdir(target.parent) == ["notes"]


@pytest.fixture
def without_swaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what Linux's newer file systems alone can do."""
    monkeypatch.setattr(renames, "_renameat2", None)


@pytest.mark.usefixtures("without_swaps")
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_place(
    target: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
):
    rename = os.rename
    calls = []

    def second_fails(source: Path, goal: Path) -> None:
        calls.append(goal)
        if len(calls) == 2:
            raise error("stopped")
        rename(source, goal)

    monkeypatch.setattr(os, "rename", second_fails)
    with pytest.raises(OutputError if error is OSError else error, match="stopped"):
        write_folder_beside(target, lambda beside: None)
    assert text_in(target) == "old"
    assert os.listdir(target.parent) == ["notes"]


def test_a_full_disk_is_one_clear_error(tmp_path: Path):
    def write(beside: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"cannot be written \(.*No space left on device\).*Choose another path"):
        write_folder_beside(str(tmp_path / "notes"), write)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_must_stay_stays_also_when_it_came_meanwhile(target: Path):
    def refuse(folder: Path) -> None:
        raise OutputExistsError("precious")

    with pytest.raises(OutputExistsError, match="the folder exists"):
        write_folder_beside(target, lambda beside: None, overwrite=False)
    with pytest.raises(OutputExistsError, match="precious"):
        write_folder_beside(target, lambda beside: None, check_replaceable=refuse)
    other = target.with_name("other")
    with pytest.raises(OutputExistsError, match="precious"):
        write_folder_beside(other, lambda beside: other.mkdir(), check_replaceable=refuse)
    assert text_in(target) == "old"
    assert sorted(os.listdir(target.parent)) == ["notes", "other"]


def test_places_that_cannot_be_written_to(target: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(OutputError, match="it is a file"):
        check_folder_writable(target / "note.txt", overwrite=True)
    with pytest.raises(OutputError, match="its parent is missing"):
        check_folder_writable(target / "no" / "notes", overwrite=True)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(OutputError, match="its parent cannot be written to"):
        check_folder_writable(target, overwrite=True)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a" * 256, "File name too long"), ("no\0tes", "a NUL character"), ("no\udcfftes", "not valid Unicode text")],
)
def test_names_that_no_folder_can_have(tmp_path: Path, name: str, reason: str):
    with pytest.raises(OutputError, match=rf"^export: the folder cannot be written \(.*{reason}"):
        write_folder_beside(tmp_path / name, writing("new"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a" * 255, "new", "old", "é"])
def test_every_name_that_a_folder_can_have(tmp_path: Path, name: str):
    for text in ("old", "new"):
        write_folder_beside(tmp_path / name, writing(text))
    assert text_in(tmp_path / name) == "new"
    assert os.listdir(tmp_path) == [name]


def test_a_current_folder_that_tensorflow_cannot_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "caf\udce9").mkdir()
    monkeypatch.chdir(tmp_path / "caf\udce9")
    with pytest.raises(OutputError, match="cannot be written .*surrogates not allowed"):
        write_folder_beside("notes", lambda beside: str(beside).encode())
    assert os.listdir() == []


def writing(text: str) -> Callable[[Path], None]:
    """Writes two files that belong together."""

    def write(beside: Path) -> None:
        (beside / "note.txt").write_text(text)
        (beside / "more").mkdir()
        (beside / "more" / "note.txt").write_text(text)
        sys.audit("tests.written")

    return write


def test_modes_stay_also_below_the_folder_and_what_is_new_follows_the_umask(target: Path):
    target.chmod(0o750)
    (target / "note.txt").chmod(0o640)
    (target / "more").write_text("a file where the new folder has a folder")
    write_folder_beside(target, writing("new"))
    found = [target, target / "note.txt", target / "more", target / "more" / "note.txt"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in found] == [0o750, 0o640, 0o755, 0o644]


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_link_stays_and_the_folder_that_it_points_to_is_written(target: Path, overwrite: bool):
    link = target.with_name("current")
    link.symlink_to("notes" if overwrite else "later")
    write_folder_beside(link, writing("new"), overwrite=overwrite)
    assert os.readlink(link) == ("notes" if overwrite else "later")
    assert text_in(link) == "new"
    assert len(os.listdir(target.parent)) == 3 - overwrite


# Savers at once


@pytest.mark.parametrize("swaps", [True, False])
def test_exactly_one_of_many_threads_makes_a_folder(tmp_path: Path, request: pytest.FixtureRequest, swaps: bool):
    if not swaps:
        request.getfixturevalue("without_swaps")
    for attempt in range(10):
        barrier = threading.Barrier(4)
        target = tmp_path / str(attempt)

        def save(thread: int, target: Path = target, barrier: threading.Barrier = barrier) -> int | None:
            def write(beside: Path) -> None:
                writing(str(thread))(beside)
                barrier.wait(60)

            try:
                write_folder_beside(target, write, overwrite=False)
            except OutputExistsError:
                return None
            return thread

        with ThreadPoolExecutor(4) as threads:
            winners = [each for each in threads.map(save, range(4)) if each is not None]
        assert [str(each) for each in winners] == [text_in(target)]
    assert len(os.listdir(tmp_path)) == 10


def saves(path: Path, letter: str) -> None:
    for _ in range(12):
        write_folder_beside(path, writing(letter))


@pytest.mark.parametrize("swaps", [True, False])
def test_savers_at_once_never_break_the_folder(tmp_path: Path, request: pytest.FixtureRequest, swaps: bool):
    if not swaps:
        request.getfixturevalue("without_swaps")
    path = tmp_path / "notes"
    saves(path, "a")
    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(saves, path, letter) for letter in "ab"]
        while not all(each.done() for each in running):
            if swaps:  # elsewhere there is a moment without a folder
                # What was opened stays what it was, whatever has taken its place.
                folder = os.open(path, os.O_RDONLY)
                try:
                    assert text_of(folder, "note.txt") in ("a", "b", None)
                finally:
                    os.close(folder)
        assert [each.result() for each in running] == [None, None]
    assert text_in(path) == (path / "more" / "note.txt").read_text()
    assert os.listdir(tmp_path) == ["notes"]


def text_of(folder: int, name: str) -> str | None:
    """Returns the text of a file in an open folder, or `None` if the folder has been replaced and emptied since."""
    try:
        file = os.open(name, os.O_RDONLY, dir_fd=folder)
    except FileNotFoundError:
        return None
    with open(file) as opened:
        return opened.read()


def test_a_folder_that_comes_in_the_last_moment_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "notes"
    rename_new = renames.rename_new

    def late(source: Path, goal: Path) -> None:
        if goal == target and not target.exists():
            target.mkdir()
            (target / "mine.txt").write_text("precious")
        rename_new(source, goal)

    def refuse(folder: Path) -> None:
        raise OutputExistsError("precious")

    monkeypatch.setattr(atomic_folders, "rename_new", late)
    with pytest.raises(OutputExistsError, match="precious"):
        write_folder_beside(target, writing("new"), check_replaceable=refuse)
    with pytest.raises(OutputExistsError, match="the folder exists"):
        write_folder_beside(target, writing("new"), overwrite=False)
    assert (target / "mine.txt").read_text() == "precious"
    assert os.listdir(tmp_path) == ["notes"]


# Killed savers


@pytest.mark.parametrize(("there", "swaps"), [(True, True), (False, True), (True, False)])
def test_a_process_that_is_killed_anywhere_breaks_nothing_and_the_next_one_cleans_up(
    tmp_path: Path, request: pytest.FixtureRequest, there: bool, swaps: bool
):
    if not swaps:
        request.getfixturevalue("without_swaps")
    target = tmp_path / "notes"
    found = set()
    for step in range(0, 400, 4):
        if there:
            write_folder_beside(target, writing("old"))
        end = kills.in_a_process(lambda: write_folder_beside(target, writing("new")), kill_at=step)
        whole = target.exists()
        found.add(text_in(target) if whole else None)
        if whole:
            assert text_in(target) == (target / "more" / "note.txt").read_text()
        write_folder_beside(tmp_path / "others", writing("next"))
        # Elsewhere the old folder may be gone for a moment; then the next save brings it back.
        assert text_in(target) in ("old", "new") if there else target.exists() == whole
        assert {*os.listdir(tmp_path)} <= {"notes", "others"}
        if not there and target.exists():
            shutil.rmtree(target)
        if end == 0:
            break
        assert end == -9
    else:
        pytest.fail("it was killed each time")
    assert found - ({None} if there and not swaps else set()) == {"old" if there else None, "new"}
