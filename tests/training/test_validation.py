"""What `fit` validates is what `evaluate` reports, to the bit, also with `exclude` and `unknown_candidates`."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError, StateError
from tests.models.conftest import USERS

KEY = "factorized_top_k/top_1_categorical_accuracy"


@pytest.fixture
def seen(pairs):
    return rl.data.seen(pd.DataFrame(pairs).iloc[:9], "user_id", "recipe_id")


@pytest.fixture
def held_out(pairs):
    columns = {name: column[9:] for name, column in pairs.items()}
    return {**columns, "recipe_id": np.append(columns["recipe_id"][:-1], "unheard of")}


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}, {"steps_per_execution": 2}], ids=str)
def test_it_equals_evaluate(make_model, pairs, seen, held_out, options):
    model = make_model(**options)
    how = {"exclude": seen, "unknown_candidates": "miss"}
    found = []
    for _ in range(2):  # again, with the same arguments
        history = model.fit(pairs, batch_size=5, epochs=2, verbose=0, validation_data=held_out, **how).history
        found = {name: values[-1] for name, values in history.items() if name.startswith("val_")}
        results = model.evaluate(held_out, batch_size=5, return_dict=True, verbose=0, **how)
        assert found == {f"val_{name}": value for name, value in results.items()}
        assert found["val_num_unknown_held_out"] == 1
        assert found["val_num_seen_held_out"] > 0
    plain = {name: column[:-1] for name, column in held_out.items()}
    history = model.fit(pairs, batch_size=5, verbose=0, validation_data=plain).history
    results = model.evaluate(plain, batch_size=5, return_dict=True, verbose=0)
    assert {name[4:]: values[0] for name, values in history.items() if name.startswith("val_")} == results
    assert "val_num_seen_held_out" not in history


@pytest.mark.filterwarnings("ignore:Early stopping conditioned on metric:UserWarning")  # epochs without validation
def test_early_stopping_and_a_callback_that_evaluates(make_model, pairs, seen, held_out):
    """The frequency of validation is Keras's; what a callback evaluates is what it asks for."""

    class Plain(keras.callbacks.Callback):
        found = ()

        def on_epoch_end(self, epoch, logs=None):
            plain = {name: column[:-1] for name, column in held_out.items()}
            self.found = (*self.found, self.model.evaluate(plain, return_dict=True, verbose=0))

    model, plain = make_model(optimizer=keras.optimizers.SGD(0.0)), Plain()
    stop = keras.callbacks.EarlyStopping(f"val_{KEY}", mode="max", patience=1)
    how = {"exclude": seen, "unknown_candidates": "miss"}
    batches = rl.data.batches(held_out, 6)
    history = model.fit(
        pairs, epochs=9, validation_data=batches, validation_freq=2, callbacks=[stop, plain], verbose=0, **how
    )
    assert len(history.epoch) == 4  # no rate, no progress
    expected = model.evaluate(batches, return_dict=True, verbose=0, **how)[KEY]
    assert history.history[f"val_{KEY}"] == [expected] * 2
    assert all("num_seen_held_out" not in each for each in plain.found)
    assert len(plain.found) == 4


def test_a_split_of_the_data_is_validated_as_well(make_model, pairs, seen):
    model = make_model()
    history = model.fit(pairs, validation_split=0.5, exclude=seen, verbose=0).history
    last = {name: column[11:] for name, column in pairs.items()}
    assert history["val_num_seen_held_out"] == [
        model.evaluate(last, exclude=seen, return_dict=True, verbose=0)["num_seen_held_out"]
    ]


def test_corpus_metrics_in_training_exclude_nothing(make_model, pairs, seen, held_out):
    models = [make_model(optimizer=keras.optimizers.SGD(0.0), corpus_metrics_in_training=True) for _ in range(2)]
    how = [{}, {"exclude": seen, "unknown_candidates": "miss", "validation_data": held_out}]
    plain, special = (
        model.fit(pairs, batch_size=23, verbose=0, **options).history
        for model, options in zip(models, how, strict=True)
    )
    assert special[KEY] == plain[KEY]
    assert "num_seen_held_out" not in special


def test_without_validation_it_is_refused(make_model, pairs, seen):
    model = make_model()
    before = model.get_weights()
    for options in ({"exclude": seen}, {"unknown_candidates": "miss"}):
        with pytest.raises(ArgumentError, match=r"^RetrievalModel\.fit: .*no data for it.*Give validation_data"):
            model.fit(pairs, verbose=0, **options)
    with pytest.raises(ArgumentError, match=r"`exclude` must be a `Seen`"):
        model.fit(pairs, verbose=0, validation_data=pairs, exclude=[["pie"]])
    with pytest.raises(ArgumentError, match=r'`unknown_candidates` must be "error" or "miss"'):
        model.fit(pairs, verbose=0, validation_data=pairs, unknown_candidates="hit")
    for after, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(after, expected)


def test_a_model_without_candidates_says_so(pairs, seen):
    model = rl.RetrievalModel(rl.IdTower(USERS, 2, feature="user_id"), rl.IdTower(["pie"], 2, feature="recipe_id"))
    model.compile("sgd")
    with pytest.raises(StateError, match="fit with `exclude` or `unknown_candidates`"):
        model.fit(pairs, verbose=0, validation_data=pairs, exclude=seen)


def test_a_frame_brings_the_column_of_the_seen_queries(pairs):
    """The query tower reads another column than the one that `exclude` looks up."""
    query = rl.IdTower(["morning", "evening"], 2, feature="time", seed=1)
    candidate = rl.IdTower(["pie", "soup", "stew", "salad", "cake"], 2, feature="recipe_id", seed=2)
    model = rl.RetrievalModel(query, candidate, {"recipe_id": candidate.vocabulary.ids})
    model.compile("sgd", metrics=rl.metrics.Recall(2, per="row"))
    frame = pd.DataFrame({**pairs, "time": "morning", "opened": object()})
    seen = rl.data.seen(frame[:9], "user_id", "recipe_id")
    for options in ({"validation_data": frame[9:]}, {"validation_split": 0.5}):
        history = model.fit(frame, exclude=seen, batch_size=5, verbose=0, **options).history
        last = frame[9:] if "validation_data" in options else frame[11:]
        expected = model.evaluate(last, exclude=seen, batch_size=5, return_dict=True, verbose=0)
        assert {name[4:]: values[0] for name, values in history.items() if name.startswith("val_")} == expected
