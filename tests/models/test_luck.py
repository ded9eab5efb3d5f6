"""When an epoch counts as better than popularity."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reciperec_layers.models.training_choice import exceeds_luck


@given(st.integers(0, 10_000), st.integers(2, 300), st.floats(-0.3, 0.3))
def test_the_mean_must_be_above_two_standard_errors(seed, num_rows, shift):
    differences = np.random.default_rng(seed).normal(shift, 1.0, num_rows)
    assert exceeds_luck(differences) == (stats.ttest_1samp(differences, 0.0).statistic > 2)


def test_equal_ranks_are_no_gain():
    assert not exceeds_luck(np.zeros(100))
