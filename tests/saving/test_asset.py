"""Asset is named by a config, carried by files, and kept once in a process."""

from __future__ import annotations

import gc
import json
import sys
import threading
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


def test_many_threads_create_find_and_load():
    failures: list[Exception] = []
    config = rl.Vocabulary([1, 2]).get_config()
    stop = threading.Event()

    def work(seed: int) -> None:
        try:
            for number in range(10**9):
                vocabulary = rl.Vocabulary([seed, -number - 1])
                found = rl.Vocabulary.from_config(vocabulary.get_config())
                assert found is vocabulary
                rl.Vocabulary.from_config(config)
                if stop.is_set():
                    return
        except Exception as error:
            failures.append(error)

    kept = [rl.Vocabulary([row, row + 1]) for row in range(500)]  # so that looking at all takes a while
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=0.1)
    stop.set()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert kept
    assert not failures


def test_another_thread_never_sees_data_that_are_not_checked(saved: tuple[dict[str, object], Path], monkeypatch):
    config, folder = saved
    np.save(folder / "counts.npy", np.array([9, 9, 9]))
    waiting, seen = rl.Vocabulary.from_config(config), []
    fill = rl.Vocabulary._fill

    def watched(self, *args):
        fill(self, *args)
        seen.append(waiting.is_loaded)

    monkeypatch.setattr(rl.Vocabulary, "_fill", watched)
    with pytest.raises(ModelFileError, match="do not match the config"):
        waiting.load(folder)
    assert seen == [False]


@pytest.mark.parametrize(
    "counts",
    [
        np.array([3, 2, 1]).view(np.float64),
        np.array([[3, 2, 1]]),
        np.array([3, 2, 1]).view(np.int32),
        np.array([3, 2, 1]).view(np.uint64),
    ],
    ids=["float", "rank 2", "int32", "uint64"],
)
def test_counts_of_equal_bytes_are_not_equal(saved: tuple[dict[str, object], Path], counts: np.ndarray):
    config, folder = saved  # whose hash of the counts is that of their bytes alone
    np.save(folder / "counts.npy", counts)
    with pytest.raises(ModelFileError, match="the counts have an unexpected shape, dtype or sign"):
        rl.Vocabulary.from_config(config).load(folder)


@pytest.mark.parametrize("changed", [{"size": -1}, {"size": 10**30}, {"size": True}, {"size": "3"}, {"dtype": "x"}])
def test_a_config_of_another_form(saved: tuple[dict[str, object], Path], changed: dict[str, object]):
    with pytest.raises(ValueError, match="the config of a vocabulary has size"):
        rl.Vocabulary.from_config({**saved[0], **changed})
