"""Numbers as arguments: one rule for all of the package, and messages that say what is accepted."""

from __future__ import annotations

import decimal
import fractions
import math
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers import data, evaluation, indexes, layers, losses, metrics, optimizers, plots
from reciperec_layers.arguments import check_integer, check_number
from reciperec_layers.errors import ArgumentError

NUMPY_INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
NUMPY_FLOATS = [np.float16, np.float32, np.float64, np.longdouble]
# Neither integers nor numbers, though Python or NumPy makes numbers of most of them.
NOT_NUMBERS = [
    True,
    False,
    np.True_,
    np.timedelta64(1, "D"),
    np.datetime64(1, "D"),
    1j,
    np.complex64(1),
    decimal.Decimal(1),
    fractions.Fraction(1),
    "1",
    b"1",
    np.str_("1"),
    np.array(1),
    np.array([1]),
    tf.constant(1),
    keras.Variable(1),
    pd.Series([1]),
    [1],
    (1,),
    {},
    NotImplemented,
    int,
]
NOT_FINITE = [*(form(text) for form in (float, *NUMPY_FLOATS) for text in ("nan", "inf", "-inf")), 10**400, -(10**400)]


def forms_of(value: int) -> list[Any]:
    """An integer in every form that holds it."""
    return [value, *(form(value) for form in NUMPY_INTEGERS if np.iinfo(form).min <= value <= np.iinfo(form).max)]


def message_of(check: Callable[..., Any], *args: Any, **options: Any) -> str | None:
    try:
        check(*args, **options)
    except ArgumentError as error:
        return str(error)
    return None


@settings(deadline=None)
@given(value=st.integers(-300, 300), least=st.integers(-200, 200), width=st.none() | st.integers(0, 200))
def test_every_form_of_an_integer_is_the_same(value: int, least: int, width: int | None):
    most = None if width is None else least + width
    fits = least <= value and (most is None or value <= most)
    for form in forms_of(value):
        message = message_of(check_integer, "Soup", "size", form, least=least, most=most)
        assert (message is None) == fits
        if message is None:
            found = check_integer("Soup", "size", form, least=least, most=most)
            assert (type(found), found) == (int, value)
        else:
            # The message is read here, and must say the condition.
            said = re.fullmatch(
                r"Soup: `size` must be (a positive integer|an integer >= (-?\d+)|an integer in (-?\d+) \.\. (-?\d+))\. "
                rf"Received: size={re.escape(repr(form))}\. Use for example size={least}\.",
                message,
            )
            assert said
            positive, above, low, high = said.groups()
            bounds = (int(low), int(high)) if low else (int(above) if above else 1, None)
            assert bounds == (least, most), positive


def admits(expected: str, value: float) -> bool:
    """Whether the text of a message admits a finite number."""
    one_side = re.fullmatch(r"a finite number(?: (>|>=|<|<=) (\S+))?", expected)
    if one_side:
        sign, bound = one_side.groups()
        return {
            None: True,
            ">": sign == ">" and value > float(bound),
            ">=": sign == ">=" and value >= float(bound),
            "<": sign == "<" and value < float(bound),
            "<=": sign == "<=" and value <= float(bound),
        }[sign]
    interval = re.fullmatch(r"a number in ([(\[])(\S+), (\S+)([)\]])", expected)
    assert interval, expected
    opens, low, high, closes = interval.groups()
    above = value > float(low) if opens == "(" else value >= float(low)
    return above and (value < float(high) if closes == ")" else value <= float(high))


@settings(deadline=None)
@given(
    value=st.one_of(st.integers(-4, 4), st.floats(-4, 4, width=16), st.sampled_from([0.0, -0.0, 1.0, 2.0])),
    lower=st.sampled_from([None, "above", "least"]),
    upper=st.sampled_from([None, "below", "most"]),
    bounds=st.tuples(st.sampled_from([-2, -0.5, 0, 1]), st.sampled_from([1, 1.5, 2])),
)
def test_every_form_of_a_number_is_the_same(
    value: float, lower: str | None, upper: str | None, bounds: tuple[float, float]
):
    options: dict[str, Any] = {name: bound for name, bound in zip((lower, upper), bounds, strict=True) if name}
    fits = {
        "above": lambda bound: value > bound,
        "least": lambda bound: value >= bound,
        "below": lambda bound: value < bound,
        "most": lambda bound: value <= bound,
    }
    is_in = all(fits[name](bound) for name, bound in options.items())
    whole = forms_of(int(value)) if value == int(value) else []
    for form in [*whole, float(value), *(form(value) for form in NUMPY_FLOATS)]:
        message = message_of(check_number, "Soup", "salt", form, example=0.5, **options)
        assert (message is None) == is_in
        if message is None:
            found = check_number("Soup", "salt", form, example=0.5, **options)
            assert (type(found), found) == (float, value)
        else:
            said = re.fullmatch(
                r"Soup: `salt` must be (.*?)\. Received: salt=(.*)\. Use for example salt=0\.5\.", message
            )
            assert said
            assert said[2] == repr(form)
            assert not admits(said[1], value)
    # And what the message admits is accepted: just inside of each bound, and on it.
    refused = message_of(check_number, "Soup", "salt", math.nan, example=0.5, **options)
    assert refused is not None
    expected = refused.partition(" must be ")[2].partition(". Received")[0]
    for bound in bounds:
        for near in (math.nextafter(bound, -math.inf), bound, math.nextafter(bound, math.inf)):
            accepted = message_of(check_number, "Soup", "salt", near, example=0.5, **options) is None
            assert accepted == admits(expected, near)


def test_a_narrow_float_is_the_number_that_it_holds():
    assert check_number("Soup", "salt", np.float32(0.1), example=0.5) == 0.10000000149011612
    assert check_number("Soup", "salt", 10**300, example=0.5) == 1e300


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
def test_what_is_not_a_number_is_refused(value: Any):
    assert message_of(check_integer, "Soup", "size", value, least=-9, optional=True)
    assert message_of(check_number, "Soup", "salt", value, example=0.5)


@pytest.mark.parametrize("value", NOT_FINITE, ids=lambda value: f"{type(value).__name__}-{float(str(value)[:5])}")
def test_what_is_not_finite_is_refused(value: Any):
    assert message_of(check_number, "Soup", "salt", value, example=0.5)
    if not isinstance(value, int):
        assert message_of(check_integer, "Soup", "size", value, least=-9)


@pytest.mark.parametrize("value", [1.0, np.float32(1), 1e300])
def test_a_float_is_not_an_integer(value: Any):
    assert message_of(check_integer, "Soup", "size", value)


def test_none_is_accepted_only_where_the_message_says_so():
    assert check_integer("Soup", "size", None, optional=True) is None
    assert check_integer("Soup", "size", np.int8(2), optional=True) == 2
    refused = "Soup: `size` must be a positive integer{}. Received: size={}. Use for example size=(1, 2)."
    assert message_of(check_integer, "Soup", "size", 0, optional=True, example=(1, 2)) == refused.format(" or None", 0)
    assert message_of(check_integer, "Soup", "size", None, example=(1, 2)) == refused.format("", None)
    assert message_of(check_number, "Soup", "salt", None, example=0.5)


FRAME = pd.DataFrame({"user_id": [7, 7, 9, 9], "recipe_id": [1, 2, 1, 3], "time": [1.0, 2.0, 3.0, 4.0]})
EYE = pd.DataFrame(np.eye(3), index=[1, 2, 3])


def filled(**options: Any) -> indexes.InvertedFileIndex:
    index = indexes.InvertedFileIndex(**options)
    index.assign(EYE)
    return index


def model() -> rl.RetrievalModel:
    towers = rl.IdTower([7, 9], 2, feature="user_id"), rl.IdTower([1, 2, 3], 2, feature="recipe_id")
    return rl.RetrievalModel(*towers, {"recipe_id": [1, 2, 3]}, "recipe_id")


def set_fraction(value: Any) -> None:
    indexes.InvertedFileIndex().scored_fraction = value


QUIET = {"beside": None, "with_faiss": False, "verbose": False, "repeats": 1}
# By the name of the argument, a use that takes 0.5 (a number) or 2 (an integer).
NUMBERS: dict[str, Callable[[Any], Any]] = {
    "IdLookup: id_dropout": lambda value: layers.IdLookup([7], id_dropout=value),
    "MLP: dropout": lambda value: layers.MLP(2, 2, dropout=value),
    "IdLookup: id_dropout, of IdTower": lambda value: rl.IdTower([7], 2, id_dropout=value),
    "MLP: dropout, of MLPTower": lambda value: rl.MLPTower([7], 2, dropout=value),
    "InBatchSoftmax: temperature": lambda value: losses.InBatchSoftmax(value),
    "InvertedFileIndex: scored_fraction": indexes.InvertedFileIndex,
    "InvertedFileIndex: scored_fraction, set": set_fraction,
    "tune: recall": lambda value: indexes.tune(filled(), np.eye(3), recall=value, k=1),
    "split_by_time: test_fraction": lambda value: data.split_by_time(FRAME, "time", value),
    "Popularity: half_life": lambda value: data.Popularity(FRAME, "recipe_id", half_life=value, time="time"),
    "split_random: test_fraction": lambda value: data.split_random(FRAME, value, seed=0),
    "compare: popular_share": lambda value: evaluation.compare(model(), FRAME, FRAME, popular_share=value),
    "LossScaleOptimizer: initial_scale": lambda value: optimizers.LossScaleOptimizer(
        optimizers.SGD(), initial_scale=value
    ),
    "SGD: momentum": lambda value: optimizers.SGD(momentum=value),
    "Adam: beta_1": lambda value: optimizers.Adam(beta_1=value),
    "Adam: beta_2": lambda value: optimizers.Adam(beta_2=value),
    "Adam: epsilon": lambda value: optimizers.Adam(epsilon=value),
    **{
        f"{cls.__name__}: {name}": lambda value, cls=cls, name=name: cls(**{name: value})
        for cls in (optimizers.Adagrad, optimizers.RowwiseAdagrad)
        for name in ("initial_accumulator_value", "epsilon")
    },
    **{
        f"{cls.__name__}: {name}": lambda value, cls=cls, name=name: cls(**{name: value})
        for cls in (optimizers.SGD, optimizers.Adam, optimizers.Adagrad, optimizers.RowwiseAdagrad)
        for name in ("learning_rate", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "loss_scale_factor")
    },
}
INTEGERS: dict[str, Callable[[Any], Any]] = {
    "IdLookup: num_oov_indices": lambda value: layers.IdLookup([7], value),
    "IdLookup: seed": lambda value: layers.IdLookup([7], id_dropout=0.5, seed=value),
    "MLP: input_dim": lambda value: layers.MLP(value, 2),
    "MLP: output_dim": lambda value: layers.MLP(2, value),
    "MLP: hidden_units": lambda value: layers.MLP(2, 2, [value]),
    "MLP: seed": lambda value: layers.MLP(2, 2, seed=value),
    "EmbeddingTable: num_rows": lambda value: layers.EmbeddingTable(value, 2),
    "EmbeddingTable: embedding_dim": lambda value: layers.EmbeddingTable(2, value),
    "IdTower: embedding_dim": lambda value: rl.IdTower([7], value),
    "IdTower: embedding_dim, of MLPTower": lambda value: rl.MLPTower([7], value),
    "Vocabulary.from_data: min_count": lambda value: rl.Vocabulary.from_data([7, 7], min_count=value),
    "Vocabulary.from_data: max_size": lambda value: rl.Vocabulary.from_data([7, 7], max_size=value),
    "SamplingCorrection: num_buckets": lambda value: losses.SamplingCorrection(num_buckets=value),
    "InBatchSoftmax: num_hard_negatives": lambda value: losses.InBatchSoftmax(num_hard_negatives=value),
    "BruteForceIndex: k": indexes.BruteForceIndex,
    "InvertedFileIndex.search: k": lambda value: filled().search(np.eye(3), value),
    "InvertedFileIndex: k": lambda value: filled()(np.eye(3), k=value),
    "InvertedFileIndex: num_clusters": lambda value: filled(num_clusters=value),
    "InvertedFileIndex: seed": lambda value: filled(seed=value),
    "tune: k": lambda value: indexes.tune(filled(), np.eye(3), k=value),
    "audit: k": lambda value: indexes.audit(filled(), k=value, **QUIET),
    "audit: k, of several": lambda value: indexes.audit(filled(), k=[1, value], **QUIET),
    "audit: batch_size": lambda value: indexes.audit(filled(), k=1, batch_size=value, **QUIET),
    "audit: repeats": lambda value: indexes.audit(filled(), k=1, **QUIET | {"repeats": value}),
    "audit: seed": lambda value: indexes.audit(filled(), k=1, seed=value, **QUIET),
    "batches: batch_size": lambda value: data.batches(FRAME, value),
    "batches: seed": lambda value: list(data.batches(FRAME, 2, seed=value)),
    "batches: initial_epoch": lambda value: list(data.batches(FRAME, 2, seed=0, initial_epoch=value)),
    "batches: shuffle_window": lambda value: data.batches(FRAME, 2, shuffle_window=value),
    "batches.set_epoch: epoch": lambda value: data.batches(FRAME, 2, seed=0).set_epoch(value),
    "split_random: test_size": lambda value: data.split_random(FRAME, test_size=value, seed=0),
    "split_random: train_size": lambda value: data.split_random(FRAME, train_size=value, seed=0),
    "split_random: seed": lambda value: data.split_random(FRAME, seed=value),
    "split_leave_last_out: num_test": lambda value: data.split_leave_last_out(FRAME, "user_id", num_test=value),
    "Popularity.recommend: queries": lambda value: data.Popularity(FRAME, "recipe_id").recommend(value, 1),
    "Popularity.recommend: k": lambda value: data.Popularity(FRAME, "recipe_id").recommend(1, value),
    "Popularity.evaluate: ks": lambda value: data.Popularity(FRAME, "recipe_id").evaluate(FRAME, [value]),
    "synthetic_recipes: seed": data.synthetic_recipes,
    "RowwiseAdagrad: gradient_accumulation_steps": lambda value: optimizers.RowwiseAdagrad(
        gradient_accumulation_steps=value
    ),
    "LossScaleOptimizer: dynamic_growth_steps": lambda value: optimizers.LossScaleOptimizer(
        optimizers.SGD(), dynamic_growth_steps=value
    ),
    "RetrievalModel.compile: steps_per_execution": lambda value: model().compile(steps_per_execution=value),
    "RetrievalModel.recommend: k": lambda value: model().recommend({"user_id": [7]}, k=value),
    "RetrievalModel.similar: k": lambda value: model().similar([1], k=value),
    "compare: k": lambda value: evaluation.compare(model(), FRAME, FRAME, k=value),
    "Recall: k": metrics.Recall,
    "Coverage: k": metrics.Coverage,
    "embedding_map: highlight": lambda value: plots.embedding_map(EYE, highlight=value),
    "recall_over_k: max_k": lambda value: plots.recall_over_k({"model": [1]}, value),
    "recommendation_spread: num_candidates": lambda value: plots.recommendation_spread({"model": [[1]]}, value),
}


def told(name: str, value: Any) -> str:
    owner, argument = name.partition(",")[0].split(": ")
    received = rf"Received: {argument}={re.escape(repr(value))}\. Use for example {argument}="
    return rf"^{owner}: `{argument}` must be .*\. {received}"


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_every_width_are_taken(name: str):
    for value in (0.5, np.float64(0.5), np.float32(0.5), np.float16(0.5)):
        NUMBERS[name](value)


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_of_every_width_are_taken(name: str):
    for value in (2, np.int64(2), np.int32(2), np.int8(2), np.uint8(2)):
        INTEGERS[name](value)


@pytest.mark.parametrize("name", NUMBERS | INTEGERS)
def test_true_is_not_a_number(name: str):
    for value in (True, np.True_):
        with pytest.raises(ArgumentError, match=told(name, value)):
            (NUMBERS | INTEGERS)[name](value)


@pytest.mark.parametrize("name", INTEGERS)
def test_two_and_a_half_is_not_an_integer(name: str):
    with pytest.raises(ArgumentError, match=told(name, 2.5)):
        INTEGERS[name](2.5)


@pytest.mark.parametrize("name", NUMBERS)
def test_nan_is_not_a_number(name: str):
    with pytest.raises(ArgumentError, match=told(name, math.nan)):
        NUMBERS[name](math.nan)
