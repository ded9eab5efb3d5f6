from __future__ import annotations

import keras
import numpy as np
import pytest

from reciperec_layers.errors import ArgumentError
from reciperec_layers.plots import training_curves
from tests.plots.figures import PNG, lines, png, texts


def test_losses_and_metrics_over_epochs():
    history = {
        "loss": [3.0, 2.0, 1.5],
        "recall@10": [0.1, 0.2, 0.3],
        "val_recall@10": [0.2, 0.3, 0.25],
        "mrr": [0.0] * 3,
    }
    history["val_loss"] = [3.5, 3.0, 2.5]
    losses, metrics = training_curves(history).axes
    drawn = lines(losses)
    (color,) = {color for color, _ in drawn}
    np.testing.assert_array_equal(drawn[color, "-"], [[1, 3.0], [2, 2.0], [3, 1.5]])
    np.testing.assert_array_equal(drawn[color, "--"], [[1, 3.5], [2, 3.0], [3, 2.5]])
    drawn = lines(metrics)
    assert len(drawn) == 3
    recall, mrr = (next(at for at, xy in drawn.items() if at[1] == "-" and xy[0, 1] == y)[0] for y in (0.1, 0.0))
    assert recall != mrr
    np.testing.assert_array_equal(drawn[recall, "--"][:, 1], history["val_recall@10"])
    assert texts(losses) == ["loss"]
    assert texts(metrics) == ["recall@10", "mrr"]
    assert [text.get_text() for text in losses.get_legend().get_texts()] == ["training", "validation"]
    assert (losses.get_ylabel(), metrics.get_ylabel(), metrics.get_xlabel()) == ("Loss", "Metrics", "Epoch")


def test_shares_are_percentages_and_other_metrics_are_not():
    share = training_curves({"val_factorized_top_k/top_10_categorical_accuracy": [0.25, 0.5]})
    assert share.axes[0].yaxis.get_major_formatter()(0.25) == "25%"
    assert texts(share.axes[0]) == ["top 10 accuracy"]
    other = training_curves({"val_recall@10": [0.25, 0.5], "val_mrr": [0.25, 0.5]})
    assert "%" not in other.axes[0].yaxis.get_major_formatter()(0.25)


def test_without_validation_no_line_is_explained():
    figure = training_curves({"loss": [3.0, 2.0]})
    assert len(figure.axes) == 1
    assert figure.axes[0].get_legend() is None


def test_a_history_of_keras_that_went_on():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse", metrics=["mae"])
    x, y = np.ones((8, 2)), np.ones(8)
    history = model.fit(x, y, epochs=5, initial_epoch=2, verbose=0)
    losses, metrics = training_curves(history).axes
    np.testing.assert_array_equal(losses.lines[0].get_xdata(), [3, 4, 5])
    np.testing.assert_array_equal(metrics.lines[0].get_ydata(), history.history["mae"])


def test_validation_after_every_second_epoch():
    figure = training_curves({"loss": [5.0, 4.0, 3.0, 2.0, 1.0], "val_loss": [4.5, 3.5]})
    validation, training = figure.axes[0].lines
    np.testing.assert_array_equal(validation.get_xydata(), [[2, 4.5], [4, 3.5]])
    np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3, 4, 5])


def test_values_that_are_not_finite_are_left_out():
    (line,) = training_curves({"loss": [3.0, np.nan, 2.0, np.inf], "mrr": [np.nan] * 4}).axes[0].lines
    np.testing.assert_array_equal(line.get_xydata(), [[1, 3.0], [3, 2.0]])


def test_values_that_are_not_metrics_are_left_out():
    history = {"loss": [3.0, 2.0], "regularization_loss": [0.0, 0.0], "total_loss": [3.0, 2.0]}
    rest = {"learning_rate": [0.1, 0.1], "val_num_seen_held_out": [7.0, 7.0]}
    assert len(training_curves(history | rest).axes) == 1
    assert texts(training_curves(history | rest).axes[0]) == ["loss"]
    kept = training_curves(history | {"regularization_loss": [0.5, 0.0], "total_loss": [3.5, 2.0]})
    assert texts(kept.axes[0]) == ["loss", "regularization loss", "total loss"]


@pytest.mark.parametrize("num_epochs", [1, 100])
def test_few_and_many_epochs(num_epochs):
    figure = training_curves({"loss": [1.0] * num_epochs, "val_loss": [2.0] * num_epochs})
    assert png(figure).startswith(PNG)
    ticks = figure.axes[0].get_xticks()
    assert (ticks == ticks.astype(int)).all()


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ({}, "after at least one epoch"),
        ([1.0, 2.0], r"Received: history=\[1.0, 2.0\]"),
        (None, "Received: history=None"),
        ({"loss": []}, "'loss' must have one number for each epoch"),
        ({"loss": 3.0}, "'loss' must have one number"),
        ({"loss": ["low"]}, "'loss' must have one number"),
        ({"loss": [[1.0], [1.0, 2.0]]}, "'loss' must have one number"),
        ({"loss": [np.nan]}, "no finite loss or metric"),
        ({"learning_rate": [0.1]}, "no finite loss or metric"),
        ({"loss": [1.0, 2.0], "mrr": [0.5]}, "'mrr' has 1 values for 2 epochs"),
        ({"loss": [1.0] * 10, "val_loss": [1.0] * 2}, "'val_loss' has 2 values for 10 epochs. Fill it up with NaN"),
    ],
)
def test_wrong_histories(history, expected):
    with pytest.raises(ArgumentError, match=f"^training_curves: .*{expected}"):
        training_curves(history)
