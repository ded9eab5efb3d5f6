"""The search for a temperature: on a quality with one peak it finds the best of the grid, and tries few."""

from __future__ import annotations

import math

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.errors import ArgumentError
from reciperec_layers.losses import CorpusSoftmax
from reciperec_layers.training.temperature_search import search_temperature

GRID = [float(f"{0.2 * 2 ** (k / 2):.2g}") for k in range(-7, 8)]


@given(st.floats(0.01, 4.0))
def test_the_nearest_temperature_of_the_grid_is_found(best):
    tried = []

    def quality(temperature):
        tried.append(temperature)
        return -abs(math.log(temperature / best))

    found = search_temperature(quality)
    assert quality(found) == max(map(quality, GRID))
    of_search = tried[: -1 - len(GRID)]
    assert len(of_search) == len(set(of_search)) <= 8
    assert set(of_search) <= set(GRID)


def test_a_quality_that_is_the_same_everywhere_stays_where_it_begins():
    assert search_temperature(lambda temperature: 1.0) == 0.2


def test_a_loss_takes_another_temperature_in_a_graph_that_was_traced():
    loss = CorpusSoftmax(0.5)
    queries, corpus = tf.constant([[1.0, 2.0]]), tf.constant([[1.0, 0.0], [0.0, 1.0]])
    traced = tf.function(lambda: loss(queries, corpus, positive_columns=[0]))
    for temperature in (0.5, 0.1, 2.0):
        loss.temperature = temperature
        logits = [1 / temperature, 2 / temperature]
        assert float(traced()) == pytest.approx(math.log(sum(map(math.exp, logits))) - logits[0], rel=1e-5)
        assert loss.get_config()["temperature"] == temperature
    with pytest.raises(ArgumentError, match="`temperature`"):
        loss.temperature = 0
