"""Arguments of `fit`, `evaluate` and `predict` are checked before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, ArgumentTypeError
from reciperec_layers.training.named_arguments import named_arguments

DATA = {"user_id": [7, 9], "recipe_id": [1, 2]}


def test_by_place_and_by_name():
    assert named_arguments("fit", (64, np.int64(3)), {"verbose": 0}, "fit") == {
        "batch_size": 64,
        "epochs": 3,
        "verbose": 0,
    }
    assert named_arguments("fit", (), {"epochs": None, "sample_weight": None}, "fit") == {"sample_weight": None}
    assert named_arguments("evaluate", (8,), {"_use_cached_eval_dataset": True}, "evaluate") == {
        "batch_size": 8,
        "_use_cached_eval_dataset": True,
    }


@pytest.mark.parametrize(
    ("method", "options", "error", "message"),
    [
        (
            "fit",
            {"epochs": -1},
            ArgumentError,
            r"fit: `epochs` must be .* >= 0.*epochs=-1.*example epochs=10",
        ),
        ("fit", {"epochs": "3"}, ArgumentError, r"`epochs` must be an integer"),
        ("fit", {"epochs": 2.0}, ArgumentError, r"`epochs` must be an integer"),
        ("fit", {"batch_size": 0}, ArgumentError, r"`batch_size` must be a positive integer.*batch_size=1024"),
        ("fit", {"steps_per_epoch": 0}, ArgumentError, r"`steps_per_epoch` must be a positive integer"),
        ("fit", {"validation_split": 2}, ArgumentError, r"`validation_split` must be .*validation_split=0.1"),
        ("fit", {"callbacks": "early"}, ArgumentTypeError, r"`callbacks` must be callbacks of Keras"),
        ("fit", {"epoch": 3}, ArgumentTypeError, r"fit: there is no argument 'epoch'. The closest is 'epochs'. Acc"),
        ("fit", {"exclud": 3}, ArgumentTypeError, r"The closest is 'exclude'"),
        ("evaluate", {"batch_size": 0}, ArgumentError, r"evaluate: `batch_size` must be"),
        ("evaluate", {"step": 1}, ArgumentTypeError, r"evaluate: there is no argument 'step'. The closest is 'steps'"),
        ("predict", {"steps": 0}, ArgumentError, r"predict: `steps` must be"),
    ],
)
def test_bad_input_changes_nothing(method: str, options: dict, error: type[Exception], message: str):
    model = rl.RetrievalModel.from_data(DATA, {"recipe_id": [1, 2]}, seed=1)
    model.compile()
    before = model.get_weights()
    with pytest.raises(error, match=message):
        getattr(model, method)(DATA, **options)
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_an_argument_that_is_given_twice():
    with pytest.raises(ArgumentTypeError, match="`batch_size` is given twice"):
        named_arguments("fit", (64,), {"batch_size": 64}, "fit")
    with pytest.raises(ArgumentTypeError, match=r"it takes at most 4 arguments behind the data.*by name"):
        named_arguments("predict", (1, 0, 1, None, 2), {}, "predict")
