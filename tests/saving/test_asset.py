"""Asset is named by a config, carried by files, and kept once in a process."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import ModelFileError, OutputError, StateError


@pytest.fixture
def saved(tmp_path: Path) -> tuple[dict[str, object], Path]:
    """Config and files of a vocabulary that the process no longer holds."""
    vocabulary = rl.Vocabulary(["only", "in", "files"], counts=[3, 2, 1])
    vocabulary.save(tmp_path)
    config = json.loads(json.dumps(vocabulary.get_config()))
    del vocabulary
    gc.collect()
    return config, tmp_path


def test_places_that_cannot_be_written_to(tmp_path: Path):
    for name in ("none", "a" * 300, "a\0b", "a\udcffb"):
        with pytest.raises(OutputError, match="save: the folder cannot be written"):
            rl.Vocabulary([7]).save(tmp_path / name)


def test_a_live_object_is_found():
    vocabulary = rl.Vocabulary(["live"])
    assert rl.Vocabulary.from_config(vocabulary.get_config()) is vocabulary


def test_counts_tell_live_objects_apart():
    plain, counted = rl.Vocabulary(["both"]), rl.Vocabulary(["both"], counts=[2])
    assert rl.Vocabulary.from_config(plain.get_config()) is plain
    assert rl.Vocabulary.from_config(counted.get_config()) is counted


def test_without_files_the_first_use_says_so(saved: tuple[dict[str, object], Path]):
    waiting = rl.Vocabulary.from_config(saved[0])
    assert not waiting.is_loaded
    assert (len(waiting), waiting.dtype) == (3, "string")
    for use in (lambda: waiting.ids, lambda: waiting.counts, lambda: waiting.lookup(["in"]), lambda: "in" in waiting):
        with pytest.raises(
            StateError, match=r"data are in a file .* Load the whole model with keras\.models\.load_model"
        ):
            use()
    with pytest.raises(StateError):
        waiting.save(saved[1])


def test_all_that_wait_for_one_content_share_it(saved: tuple[dict[str, object], Path]):
    config, folder = saved
    first, second = rl.Vocabulary.from_config(config), rl.Vocabulary.from_config(config)
    assert first is second
    first.load(folder)
    assert second.ids.tolist() == ["only", "in", "files"]
    assert second.counts.tolist() == [3, 2, 1]
    first.load(None)  # is here already


DAMAGE: dict[str, Callable[[Path], object]] = {
    "text is gone": lambda folder: (folder / "utf8.npy").unlink(),
    "text is empty": lambda folder: (folder / "utf8.npy").write_bytes(b""),
    "text is cut": lambda folder: (folder / "utf8.npy").write_bytes((folder / "utf8.npy").read_bytes()[:-2]),
    "text is changed": lambda folder: (folder / "utf8.npy").write_bytes((folder / "utf8.npy").read_bytes()[:-1] + b"X"),
    "counts are gone": lambda folder: (folder / "counts.npy").unlink(),
    "counts are changed": lambda folder: np.save(folder / "counts.npy", np.array([9, 9, 9])),
    "offsets are changed": lambda folder: np.save(folder / "offsets.npy", np.array([0, 1, 2, 3])),
    "offsets are one number": lambda folder: np.save(folder / "offsets.npy", np.array(7)),
    "offsets are a pickle": lambda folder: np.save(folder / "offsets.npy", np.array([{}]), allow_pickle=True),
    "integers beside text": lambda folder: np.save(folder / "ids.npy", np.array([1, 2, 3])),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_files_are_refused_and_nothing_is_kept(
    saved: tuple[dict[str, object], Path], damage: Callable[[Path], object]
):
    config, folder = saved
    damage(folder)
    waiting = rl.Vocabulary.from_config(config)
    with pytest.raises(ModelFileError, match=r"^Vocabulary: its files .*use an intact copy"):
        waiting.load(folder)
    assert not waiting.is_loaded
    assert waiting.get_config() == config


def test_no_directory_is_refused(saved: tuple[dict[str, object], Path]):
    with pytest.raises(ModelFileError, match="missing or damaged"):
        rl.Vocabulary.from_config(saved[0]).load(None)


@pytest.mark.parametrize("dies", ["first", "second"])
def test_content_is_found_as_long_as_one_equal_object_lives(dies):
    first, second = rl.Vocabulary([7, 9, 4_711]), rl.Vocabulary([7, 9, 4_711])
    config = first.get_config()
    if dies == "first":
        del first
    else:
        del second
    gc.collect()
    assert rl.Vocabulary.from_config(config).is_loaded


def test_content_that_waits_is_not_found_before_content_that_is_there(tmp_path):
    vocabulary = rl.Vocabulary([7, 9, 4_712])
    config = vocabulary.get_config()
    vocabulary.save(tmp_path)
    del vocabulary
    gc.collect()
    waiting = rl.Vocabulary.from_config(config)
    there = rl.Vocabulary([7, 9, 4_712])
    assert rl.Vocabulary.from_config(config) is there
    assert not waiting.is_loaded
