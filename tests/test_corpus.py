"""The corpus: what it takes, keeps, refuses, and how it travels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from reciperec_layers.errors import ArgumentError, ArgumentTypeError, ColumnError, IdError, ModelFileError
from reciperec_layers.models import Corpus

COLUMNS = {"recipe_id": ["a", "b\0", "é\n"], "minutes": [1.5, 2.0, np.nan], "vector": np.arange(6).reshape(3, 2)}


@pytest.mark.parametrize(
    "candidates",
    [
        COLUMNS,
        pd.DataFrame({**COLUMNS, "vector": [1, 2, 3]}),
        tf.data.Dataset.from_tensor_slices({name: tf.constant(column) for name, column in COLUMNS.items()}),
        tf.data.Dataset.from_tensor_slices({name: tf.constant(column) for name, column in COLUMNS.items()}).batch(2),
    ],
    ids=["dict", "frame", "rows", "batches"],
)
def test_frames_dicts_and_datasets_are_equal(candidates):
    corpus = Corpus(candidates, "recipe_id", ["minutes"])
    assert corpus.names == ("recipe_id", "minutes")
    assert corpus.vocabulary.ids.tolist() == COLUMNS["recipe_id"]
    np.testing.assert_array_equal(corpus.columns["minutes"], np.array(COLUMNS["minutes"], np.float32))
    assert corpus.get_config() == Corpus(COLUMNS, "recipe_id", ["minutes"]).get_config()


def test_files_are_lossless(tmp_path):
    corpus = Corpus(COLUMNS, "recipe_id", ["minutes", "vector"])
    corpus.save(tmp_path)
    config = {**corpus.get_config()}
    expected = {name: column.copy() for name, column in corpus.columns.items()}
    del corpus
    loaded = Corpus.from_config(config)
    assert not loaded.is_loaded
    loaded.load(tmp_path)
    for name, column in expected.items():
        np.testing.assert_array_equal(loaded.columns[name], column)


def test_a_changed_file_is_refused(tmp_path):
    corpus = Corpus(COLUMNS, "recipe_id", ["minutes"])
    corpus.save(tmp_path)
    config = corpus.get_config()
    del corpus
    np.save(tmp_path / "1_values.npy", np.zeros(3, np.float32))
    with pytest.raises(ModelFileError, match="do not match the config"):
        Corpus.from_config(config).load(tmp_path)
    (tmp_path / "0_utf8.npy").unlink()
    with pytest.raises(ModelFileError, match="missing or damaged"):
        Corpus.from_config(config).load(tmp_path)


def test_wrong_candidates():
    with pytest.raises(IdError, match="column 'recipe_id'.*1 of 3 ids are repeats: 7"):
        Corpus({"recipe_id": [7, 7, 8]}, "recipe_id")
    with pytest.raises(ColumnError, match="there is no column 'recipe_id'"):
        Corpus({"recipe": [7]}, "recipe_id")
    with pytest.raises(IdError, match="missing"):
        Corpus({"recipe_id": ["a", None]}, "recipe_id")
    with pytest.raises(ArgumentError, match="no candidates"):
        Corpus(pd.DataFrame({"recipe_id": []}, dtype="int64"), "recipe_id")
    with pytest.raises(ArgumentTypeError, match="data frame, a dict"):
        Corpus([1, 2], "recipe_id")
    with pytest.raises(ArgumentTypeError, match="dicts by column name"):
        Corpus(tf.data.Dataset.range(3), "recipe_id")
