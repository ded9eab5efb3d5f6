"""A loss says by attributes what it needs; the model looks at nothing else."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError
from reciperec_layers.graph import distinct_ids
from reciperec_layers.losses import RetrievalLoss

ROWS = {"user_id": [7, 9, 7], "recipe_id": [1, 2, 1]}


class Recorder(RetrievalLoss):
    """Keeps what it was called with."""

    def __init__(self, takes_distinct=False, needs_ids=False):
        super().__init__()
        self.needs_candidate_ids = needs_ids
        self._takes_distinct = takes_distinct
        self.arguments = {}

    @property
    def takes_distinct_candidates(self):
        return self._takes_distinct

    def call(self, query_embeddings, candidate_embeddings, training=None, **arguments):
        self.arguments = {**arguments, "training": training, "num_candidates": candidate_embeddings.shape[0]}
        return tf.reduce_sum(query_embeddings) + tf.reduce_sum(candidate_embeddings)


def trained_with(loss, monkeypatch, candidate_id="recipe_id", **options):
    monkeypatch.setattr(distinct_ids, "_SMALL_BATCH", 0)
    towers = rl.IdTower([7, 9], 2, feature="user_id"), rl.IdTower([1, 2], 2, feature="recipe_id")
    model = rl.RetrievalModel(*towers, candidate_id=candidate_id)
    model.compile(keras.optimizers.SGD(0.1), loss=loss, run_eagerly=True)
    model.fit(ROWS, batch_size=3, shuffle=False, verbose=0, **options)
    return loss.arguments


def test_a_loss_gets_every_row_and_its_ids(monkeypatch):
    arguments = trained_with(Recorder(), monkeypatch, sample_weight=[1.0, 2.0, 3.0])
    assert arguments.pop("num_candidates") == 3
    assert arguments.pop("candidate_ids").numpy().tolist() == [1, 2, 1]
    assert arguments.pop("sample_weight").numpy().tolist() == [1, 2, 3]
    assert arguments == {"training": True}


def test_a_loss_that_takes_distinct_candidates_gets_each_once(monkeypatch):
    arguments = trained_with(Recorder(takes_distinct=True), monkeypatch)
    assert arguments["num_candidates"] == 2
    ids = arguments["candidate_ids"].numpy()
    assert ids[arguments["positive_columns"].numpy()].tolist() == ROWS["recipe_id"]


def test_ids_that_are_needed_and_not_known_are_an_error_before_training(monkeypatch):
    assert trained_with(Recorder(), monkeypatch, candidate_id=None)["candidate_ids"] is None
    with pytest.raises(ArgumentError, match=r"^RetrievalModel.compile: `loss` needs candidate ids.*candidate_id="):
        trained_with(Recorder(needs_ids=True), monkeypatch, candidate_id=None)


def test_what_the_in_batch_softmax_says_of_itself():
    assert rl.InBatchSoftmax().takes_distinct_candidates
    assert not rl.InBatchSoftmax().needs_candidate_ids
    assert rl.InBatchSoftmax(remove_accidental_hits=True).needs_candidate_ids
    assert rl.InBatchSoftmax(sampling_correction="counts").needs_candidate_ids


def test_a_plain_layer_serves_as_a_loss(monkeypatch):
    class Plain(keras.layers.Layer):
        def call(self, query_embeddings, candidate_embeddings, candidate_ids=None, sample_weight=None, training=None):
            self.arguments = {"ids": np.asarray(candidate_ids)}
            return tf.reduce_sum(query_embeddings * candidate_embeddings)

    assert trained_with(Plain(), monkeypatch)["ids"].tolist() == ROWS["recipe_id"]
