"""Indexes by name: in code, and from other people's packages."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from reciperec_layers import indexes
from reciperec_layers.errors import ArgumentTypeError, PluginError, RegistrationError, UnknownNameError
from tests.indexes.plain_index import PlainIndex
from tests.site_folder import SiteFolder

PLUGIN = """
from reciperec_layers.indexes import BruteForceIndex, Index

class FlatIndex(Index):
    "Looks at every candidate."
    arrange = BruteForceIndex.arrange
    find = BruteForceIndex.find
    embeddings_of = BruteForceIndex.embeddings_of
    search_tiles = BruteForceIndex.search_tiles
"""


def test_registered_indexes():
    assert {"brute_force", "int8", "inverted_file"} <= set(indexes.names())
    made = indexes.create("inverted_file", k=3, scored_fraction=0.5, name="recipes")
    assert type(made) is indexes.InvertedFileIndex
    assert (made.k, made.scored_fraction, made.name) == (3, 0.5, "recipes")
    assert indexes.get("int8") is indexes.Int8Index
    assert indexes.describe("int8").summary.startswith("Finds the k candidates with the largest inner products, exac")
    assert keras.saving.get_registered_name(indexes.Int8Index) == "reciperec_layers.indexes>int8"


@pytest.mark.parametrize("wrong", ["brute_forse", "BRUTE_FORCE", "brute-force"])
def test_an_unknown_name_suggests_the_closest(wrong):
    message = rf"index registry: no index has this name. Received: name='{wrong}'. Did you mean 'brute_force'\?"
    with pytest.raises(UnknownNameError, match=message + " Known names: brute_force, int8, inverted_file"):
        indexes.create(wrong)


@pytest.mark.parametrize("name", ["brute_force", "int8", "inverted_file", "plain"])
def test_another_class_cannot_take_a_name(name):
    before = indexes.get(name)

    class OtherIndex(PlainIndex):
        pass

    with pytest.raises(RegistrationError, match=f"index registry: '{name}' is the name of .*OtherIndex too"):
        indexes.register(name)(OtherIndex)
    assert indexes.get(name) is before


def test_only_an_index_can_be_registered():
    with pytest.raises(ArgumentTypeError, match="'dense' must be a subclass of reciperec_layers.indexes.index:Index"):
        indexes.register("dense")(keras.layers.Dense)
    assert "dense" not in indexes.names()


def test_an_index_from_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    site = SiteFolder(tmp_path, "reciperec_layers.indexes")
    site.install("reciperec-flat", "1.2", {"reciperec_flat": PLUGIN}, "flat = reciperec_flat:FlatIndex")
    monkeypatch.syspath_prepend(tmp_path)
    indexes.INDEXES.refresh()
    try:
        assert "flat" in indexes.names()
        assert indexes.describe("flat").origin == "reciperec-flat 1.2"
        index = indexes.create("flat", k=1)
        index.assign(np.eye(2), ["pie", "soup"])
        index.save(tmp_path / "flat.index")
        loaded = indexes.load_index(tmp_path / "flat.index")
        assert loaded.search([[1.0, 2.0]])[1].tolist() == [["soup"]]
    finally:
        monkeypatch.undo()
        indexes.INDEXES._classes.pop("flat", None)
        indexes.INDEXES.refresh()
    with pytest.raises(PluginError, match="'flat' of the package reciperec-flat 1.2, which is not installed"):
        indexes.load_index(tmp_path / "flat.index")
