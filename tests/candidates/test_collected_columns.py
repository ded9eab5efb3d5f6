"""Columns of all rows, from whatever `fit` takes."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf

from reciperec_layers.candidates.collected_columns import collected_columns
from reciperec_layers.errors import ArgumentError

RECIPES, MINUTES = ["pie", "soup", "pie"], [10, 30, 20]
DATA = {"recipe_id": RECIPES, "minutes": MINUTES}


class Batches(keras.utils.PyDataset):
    """Batches of one row that give empty ones after their end, as slices of arrays do."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    @property
    def num_batches(self):
        return self.size

    def __getitem__(self, number):
        return {name: np.array(column)[number : number + 1] for name, column in DATA.items()}


def batches():
    return tf.data.Dataset.from_tensor_slices(DATA).batch(2)


SOURCES = {
    "dict": lambda: DATA,
    "pandas": lambda: pd.DataFrame(DATA),
    "polars": lambda: pl.DataFrame(DATA),
    "dataset": batches,
    "dataset of unknown length": lambda: batches().filter(lambda batch: True),
    "dataset with weights": lambda: batches().map(lambda batch: (batch, tf.zeros(2), tf.ones(2))),
    "list": lambda: list(batches()),
    "PyDataset": lambda: Batches(3),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_all_rows(kind):
    found = collected_columns(SOURCES[kind](), ["recipe_id", "minutes"])
    assert {name: column.tolist() for name, column in found.items()} == DATA


@pytest.mark.parametrize("data", [batches().repeat(), iter(batches()), (each for each in batches()), Batches(None)])
def test_data_without_end_and_data_that_would_be_gone_are_refused(data):
    said = r"fit: candidates are counted before .* Count them by model\.prior\.count\(candidate_ids\) first"
    with pytest.raises(ArgumentError, match=said):
        collected_columns(data, ["recipe_id"])
