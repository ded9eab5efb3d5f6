"""Files of one index each: lossless, whole or not there, and nothing in them is executed."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reciperec_layers import Vocabulary, indexes
from reciperec_layers.errors import (
    ArgumentTypeError,
    ModelFileError,
    OutputError,
    OutputExistsError,
    PluginError,
    StateError,
)
from reciperec_layers.indexes.index_files import from_arrays, read_index, to_arrays, write_index
from reciperec_layers.testing.strategies import unique_ids
from tests.indexes.plain_index import NAMES, PlainIndex

pytestmark = pytest.mark.saving
IDS = ["pie", "", "\n", "\0", "a\0", "\u2028", "🍲"]
NOT_AN_INDEX = r"load_index: the file is not a saved index, or was cut short.*as index.save writes it"
EMBEDDINGS = np.random.default_rng(0).normal(size=(len(IDS), 3)).astype(np.float32)


def made(kind: str = "brute_force", **options: Any) -> indexes.Index:
    index = indexes.create(kind, **options)
    index.assign(EMBEDDINGS, IDS)
    return index


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A saved index."""
    made().save(tmp_path / "pies.index")
    return tmp_path / "pies.index"


@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_index_is_the_same(name, tmp_path):
    options = {"scored_fraction": 0.5, "num_clusters": 2, "seed": 3} if name == "inverted_file" else {}
    index = made(name, k=4, name="pies", **options)
    index.save(tmp_path / "no.ending.at.all")
    index.save(str(tmp_path / "no.ending.at.all"))
    assert os.listdir(tmp_path) == ["no.ending.at.all"]
    loaded = indexes.load_index(tmp_path / "no.ending.at.all")
    assert type(loaded) is type(index)
    assert loaded.get_config() == index.get_config()
    assert loaded.ids.tolist() == IDS
    np.testing.assert_array_equal(loaded.embeddings, EMBEDDINGS)
    for found, expected in zip(loaded.search(EMBEDDINGS), index.search(EMBEDDINGS), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert loaded.arrays().keys() == index.arrays().keys()
    for key, array in index.arrays().items():
        np.testing.assert_array_equal(loaded.arrays()[key], array)
    loaded.append(EMBEDDINGS[:1], ["new"])
    assert loaded.num_candidates == len(IDS) + 1


@settings(deadline=None, max_examples=30)
@given(ids=unique_ids())
def test_arrays_hold_every_id(ids):
    arrays = to_arrays(np.zeros((len(ids), 2), np.float32), Vocabulary(ids), {"clusters": np.arange(3)})
    assert all(array.dtype != object for array in arrays.values())
    embeddings, vocabulary, learned = from_arrays(arrays)
    assert vocabulary.ids.tolist() == ids.tolist()
    assert embeddings.shape == (len(ids), 2)
    assert learned["clusters"].tolist() == [0, 1, 2]


def changed(path: Path, change: Callable[[dict], dict]) -> None:
    """Rewrites what a file says about itself, without the hash that older files do not have either."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    about = change(json.loads(arrays.pop("about").tobytes()))
    about.pop("sha256", None)
    np.savez(path.with_suffix(".npz"), about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
    os.replace(path.with_suffix(".npz"), path)


def test_another_version_and_another_form(path):
    changed(path, lambda about: {**about, "format_version": 2})
    with pytest.raises(ModelFileError, match=r"only version 1 of the format is known. Received: format_version=2"):
        indexes.load_index(path)
    changed(path, lambda about: {**about, "format": "someone.else"})
    with pytest.raises(ModelFileError, match=NOT_AN_INDEX):
        indexes.load_index(path)


@pytest.mark.parametrize("lacks", ["index", "config"])
def test_a_name_or_config_that_is_missing(lacks, path):
    changed(path, lambda about: {key: value for key, value in about.items() if key != lacks})
    with pytest.raises(ModelFileError, match=f"the name or the config is missing. Received:.*{lacks}=None"):
        indexes.load_index(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"k": 0}, "its config does not fit .*`k` must be a positive integer"),
        ({"flavour": "salt"}, "its config does not fit .*flavour"),
        ({"name": 5}, "its config does not fit .*name"),
        ([1], r"the name or the config is missing. Received:.*config=\[1\]"),
    ],
)
def test_a_config_that_does_not_fit(config, message, path):
    changed(path, lambda about: {**about, "config": config})
    with pytest.raises(ModelFileError, match=f"load_index: {message}"):
        indexes.load_index(path)


def test_an_index_of_an_absent_plugin(path):
    changed(path, lambda about: {**about, "index": "brute_forse"})
    with pytest.raises(
        PluginError, match="load_index: the file needs the index 'brute_forse' of the package reciperec"
    ):
        indexes.load_index(path)
    changed(path, lambda about: {**about, "config": {"k": 3}})
    with pytest.raises(PluginError, match="the index 'brute_forse', which is not registered"):
        indexes.load_index(path)


def test_an_unregistered_class_cannot_be_saved_alone(tmp_path):
    class SecretIndex(PlainIndex):
        pass

    index = SecretIndex()
    index.assign(EMBEDDINGS)
    with pytest.raises(ArgumentTypeError, match=r"SecretIndex: its class is not registered.*@indexes.register"):
        index.save(tmp_path / "secret.index")
    assert not os.listdir(tmp_path)


def test_files_that_cannot_be_written(path):
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="save: the file exists"):
        made().save(path, overwrite=False)
    with pytest.raises(OutputError, match="there is no such folder"):
        made().save(path.parent / "no" / "pies.index")
    with pytest.raises(OutputError, match="it is a folder"):
        made().save(path.parent)
    with pytest.raises(StateError, match="Int8Index: the index has no candidates"):
        indexes.create("int8").save(path)
    assert path.read_bytes() == before
    made().save(path.parent / "new.index", overwrite=False)
    assert sorted(os.listdir(path.parent)) == ["new.index", "pies.index"]


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(ModelFileError, match=r"load_index: there is no such file. Received: path="):
        indexes.load_index(tmp_path / "no.index")
    with pytest.raises(ModelFileError, match=r"load_index: it is a folder, not a saved index. Received: path="):
        indexes.load_index(tmp_path)


def foreign_files() -> dict[str, bytes]:
    def npz(**arrays: Any) -> bytes:
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    plain = io.BytesIO()
    np.save(plain, np.eye(2))
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("config.json", "{}")
    about = np.frombuffer(b"[" * 100_000, np.uint8)
    return {
        "nothing": b"",
        "text": b"pie,soup\n1,2\n",
        "one array": plain.getvalue(),
        "another archive of arrays": npz(weights=np.eye(2)),
        "another zip": other.getvalue(),
        "no json": npz(about=np.frombuffer(b"{", np.uint8)),
        "json of another form": npz(about=np.frombuffer(b"[1]", np.uint8)),
        "json that is too deep": npz(about=about),
        "pickle": pickle.dumps({"about": 1}),
    }


@pytest.mark.parametrize("kind", foreign_files())
def test_foreign_files(kind, tmp_path):
    (tmp_path / "foreign.index").write_bytes(foreign_files()[kind])
    with pytest.raises(ModelFileError, match=NOT_AN_INDEX):
        indexes.load_index(tmp_path / "foreign.index")


class Bomb:
    """Leaves a trace where a pickle is loaded."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


def test_a_pickle_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = {**made().arrays(), "learned_bomb": np.array([Bomb()], dtype=object)}
    with pytest.raises(ValueError, match="Object arrays cannot be saved when allow_pickle=False"):
        write_index("bomb.index", "brute_force", {}, arrays, overwrite=True)
    assert not os.listdir(tmp_path)
    about = json.dumps({"format": "reciperec_layers.index", "format_version": 1, "index": "brute_force", "config": {}})
    np.savez("bomb.npz", about=np.frombuffer(about.encode(), np.uint8), **arrays)
    with pytest.raises(ModelFileError, match=NOT_AN_INDEX):
        indexes.load_index("bomb.npz")
    (tmp_path / "bomb.index").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelFileError, match=NOT_AN_INDEX):
        indexes.load_index("bomb.index")
    assert sorted(os.listdir(tmp_path)) == ["bomb.index", "bomb.npz"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_whole(path, data):
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = path.with_name("damaged.index")
    damaged.write_bytes(content)
    try:
        loaded = indexes.load_index(damaged)
    except ModelFileError:
        return
    assert loaded.ids.tolist() == IDS
    np.testing.assert_array_equal(loaded.embeddings, EMBEDDINGS)


# zipfile refuses these in its own ways.
@pytest.mark.parametrize(("place", "value"), [(6, 1), (8, 99)])
def test_an_encrypted_or_strangely_packed_member(place, value, path):
    content = path.read_bytes()
    directory = content.index(b"PK\x01\x02")
    damaged = bytearray(content)
    damaged[directory + place + 2] = value
    path.write_bytes(damaged)
    with pytest.raises(ModelFileError, match=NOT_AN_INDEX):
        read_index(path)


def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OutputError, match="the file cannot be written.*the disk is full"):
        made().save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["pies.index"]


def test_what_is_not_a_path_is_refused():
    for wrong in (None, 3, b"pies.index"):
        with pytest.raises(ArgumentTypeError, match=r"load_index: `filepath` must be a path. Received: filepath="):
            indexes.load_index(wrong)
