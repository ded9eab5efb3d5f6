"""Files are whole or not there, and the old one stays until the new one is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reciperec_layers.errors import OutputError, OutputExistsError
from reciperec_layers.saving.atomic_files import check_writable, write_beside


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path):
    target = tmp_path / "model.keras"
    target.write_text("old")

    def write(beside: Path) -> None:
        assert beside.parent == tmp_path
        assert beside.name.endswith("model.keras")
        beside.write_text("new")
        assert target.read_text() == "old"

    write_beside(target, write)
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["model.keras"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path, error: type[BaseException]):
    target = tmp_path / "model.keras"
    target.write_text("old")

    def write(beside: Path) -> None:
        beside.write_text("ne")
        raise error("stopped")

    with pytest.raises(error, match="stopped"):
        write_beside(target, write)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.keras"]


def test_a_full_disk_is_one_clear_error(tmp_path: Path):
    def write(beside: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"cannot be written \(.*No space left on device\).*Choose another path"):
        write_beside(str(tmp_path / "model.keras"), write)
    assert os.listdir(tmp_path) == []


def test_a_file_is_not_overwritten_unasked(tmp_path: Path):
    target = tmp_path / "model.keras"
    target.write_text("old")
    with pytest.raises(OutputExistsError, match=r"the file exists\. Received: path='.*model\.keras'"):
        write_beside(target, lambda beside: beside.write_text("new"), overwrite=False)
    assert target.read_text() == "old"


def test_places_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(OutputError, match="it is a folder"):
        check_writable(tmp_path, overwrite=True)
    with pytest.raises(OutputError, match="there is no such folder"):
        check_writable(tmp_path / "no" / "model.keras", overwrite=True)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(OutputError, match="its folder cannot be written to"):
        check_writable(tmp_path / "model.keras", overwrite=True)
