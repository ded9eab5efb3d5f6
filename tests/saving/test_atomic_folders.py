"""Folders are whole or not there, and the old one stays until the new one is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reciperec_layers.errors import OutputError, OutputExistsError
from reciperec_layers.saving.atomic_files import check_folder_writable, write_folder_beside


def text_in(folder: Path) -> str:
    return (folder / "note.txt").read_text()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "note.txt").write_text("old")
    return tmp_path / "notes"


def test_a_folder_is_replaced_when_it_is_whole(target: Path):
    def write(beside: Path) -> None:
        assert (beside.parent, os.listdir(beside)) == (target.parent, [])
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
