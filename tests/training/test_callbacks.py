"""What the callbacks of `fit` say."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reciperec_layers.errors import DivergedError


@pytest.mark.parametrize(
    ("steps_per_execution", "said"),
    [(1, "the loss is not finite at step 4 of epoch 1"), (2, "the loss became not finite in the steps 3 to 4 of")],
)
def test_a_loss_that_is_not_finite_names_the_steps_of_the_execution(make_model, pairs, steps_per_execution, said):
    weights = np.ones(23, np.float32)
    weights[16] = np.nan  # in the fourth batch of five rows
    model = make_model(optimizer=keras.optimizers.SGD(0.0), steps_per_execution=steps_per_execution)
    with pytest.raises(DivergedError, match=rf"{said}.*1 of 5 rows of `sample_weight`\. Replace these"):
        model.fit(pairs, sample_weight=weights, batch_size=5, shuffle=False, verbose=0)
